# Each target does its own set-up: `make test` on a fresh machine needs only Python 3.11 and make.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# a file's tests run in one process, so that they share its models
PYTEST := $(BIN)/python -m pytest
PARALLEL := -n auto --dist loadfile

.PHONY: help test test-all test-old quick lint types check hooks demo app bench host-test clean

# list the targets (the comment above each is its text here)
help:
	@awk '/^# /{text = substr($$0, 3); next} \
	    /^[a-z-]+:/ && text {name = $$1; sub(":.*", "", name); printf "%-10s %s\n", name, text} \
	    {text = ""}' $(MAKEFILE_LIST)

# the library's tests, which need no WebUI; ARGS goes to pytest
test: $(VENV)/.test
	$(PYTEST) $(PARALLEL) $(ARGS)

# the same with the packages that the tests of the demo and the benchmark need
test-all: $(VENV)/.all
	$(PYTEST) $(PARALLEL) $(ARGS)

# the tests that matter for the files that were changed, in seconds; ARGS names files instead
quick: $(VENV)/.test
	$(BIN)/python tests/quick.py $(ARGS)

# the unit tests on A1111's Python 3.10 and torch 2.1.2, where the machine has Python 3.10
test-old:
	tests/test-old.sh $(ARGS)

# ruff: rules and format
lint: $(VENV)/.test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

# mypy over lib_todo
types: $(VENV)/.test
	$(BIN)/mypy

# everything that CI runs
check:
	.ci/run

# have git run ruff over what is staged before each commit
hooks: $(VENV)/.test
	$(BIN)/pre-commit install

# a picture without downsampling, with ToDo and with ToMe; ARGS=--help lists the options
demo: $(VENV)/.demo
	$(BIN)/python -m demo $(ARGS)

# the demo as a page
app: $(VENV)/.demo
	$(BIN)/python -m demo.app $(ARGS)

# tables and plots in artifacts/benchmarks; ARGS=--quick for a check in under a minute
bench: $(VENV)/.bench
	$(BIN)/python -m benchmarks $(ARGS)

# needs SD_WEBUI_DIR or the like, see tests/host/README.md; ARGS=tests/host/... for one part alone
host-test: $(VENV)/.all
	$(PYTEST) $(if $(findstring tests/,$(ARGS)),,tests/host) $(ARGS)

# by what needs them: .venv/.test, .venv/.demo, .venv/.bench, .venv/.all
$(VENV)/.%: requirements/%.txt $(wildcard requirements/*.txt)
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r $<
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps -r requirements/test-no-deps.txt
	touch $@

# remove the environments
clean:
	rm -rf $(VENV) .venv310
