# Each target does its own set-up: `make test` on a fresh machine needs only Python 3.11 and make.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
REQUIREMENTS := $(wildcard requirements/*.txt)

.PHONY: test demo app bench lint host-test clean

test: $(VENV)/.ready
	$(BIN)/python -m pytest $(ARGS)

demo: $(VENV)/.ready
	$(BIN)/python -m demo $(ARGS)

app: $(VENV)/.ready
	$(BIN)/python -m demo.app $(ARGS)

# tables and plots in artifacts/benchmarks; ARGS=--quick for a check in under a minute
bench: $(VENV)/.ready
	$(BIN)/python -m benchmarks $(ARGS)

lint: $(VENV)/.ready
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

# needs SD_WEBUI_DIR, see tests/host/README.md
host-test: $(VENV)/.ready
	$(BIN)/python -m pytest tests/host $(ARGS)

$(VENV)/.ready: $(REQUIREMENTS)
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check $(addprefix -r ,$(filter-out requirements/test-no-deps.txt,$(REQUIREMENTS)))
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps -r requirements/test-no-deps.txt
	touch $@

clean:
	rm -rf $(VENV)
