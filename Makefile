# Each target does its own set-up: `make test` on a fresh machine needs only Python 3.11 and make.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# test-old.txt is for the second environment, of tests/test-old.sh
REQUIREMENTS := $(filter-out requirements/test-old.txt,$(wildcard requirements/*.txt))

.PHONY: help test test-old lint types check hooks demo app bench host-test clean

# list the targets (the comment above each is its text here)
help:
	@awk '/^# /{text = substr($$0, 3); next} \
	    /^[a-z-]+:/ && text {name = $$1; sub(":.*", "", name); printf "%-10s %s\n", name, text} \
	    {text = ""}' $(MAKEFILE_LIST)

# all tests that need no WebUI; ARGS goes to pytest
test: $(VENV)/.ready
	$(BIN)/python -m pytest $(ARGS)

# the unit tests on A1111's Python 3.10 and torch 2.1.2, where the machine has Python 3.10
test-old:
	tests/test-old.sh $(ARGS)

# ruff: rules and format
lint: $(VENV)/.ready
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

# mypy over lib_todo
types: $(VENV)/.ready
	$(BIN)/mypy

# everything that CI runs
check:
	.ci/run

# have git run ruff over what is staged before each commit
hooks: $(VENV)/.ready
	git config core.hooksPath .githooks

# a picture without downsampling, with ToDo and with ToMe; ARGS=--help lists the options
demo: $(VENV)/.ready
	$(BIN)/python -m demo $(ARGS)

# the demo as a page
app: $(VENV)/.ready
	$(BIN)/python -m demo.app $(ARGS)

# tables and plots in artifacts/benchmarks; ARGS=--quick for a check in under a minute
bench: $(VENV)/.ready
	$(BIN)/python -m benchmarks $(ARGS)

# needs SD_WEBUI_DIR or the like, see tests/host/README.md; ARGS=tests/host/... for one part alone
host-test: $(VENV)/.ready
	$(BIN)/python -m pytest $(if $(findstring tests/,$(ARGS)),,tests/host) $(ARGS)

$(VENV)/.ready: $(REQUIREMENTS)
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check $(addprefix -r ,$(filter-out requirements/test-no-deps.txt,$(REQUIREMENTS)))
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps -r requirements/test-no-deps.txt
	touch $@

# remove the environments
clean:
	rm -rf $(VENV) .venv310
