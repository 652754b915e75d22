# Text curation workflows. `make help` lists what there is.
SHELL := /bin/bash
.DEFAULT_GOAL := help

UV_VERSION := 0.13.9
# The uv of the machine when there is one, else one of our own in .tools.
UV := $(shell command -v uv 2>/dev/null || echo .tools/bin/uv)
RUN := $(UV) run --no-sync
PYTHON := .venv/bin/python
export PYTHONPATH := plugins
# Every stage is a process of its own: without cached bytecode each would spend seconds on imports.
export UV_COMPILE_BYTECODE := 1
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help setup quickstart test test-thorough test-services up airflow down lint format bench schema docs-check clean

help: ## List the targets.
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | awk -F':.*## ' '{printf "  %-15s %s\n", $$1, $$2}'

.tools/bin/uv:
	@echo "Fetching uv into .tools, for this machine has none"
	@python3 -m venv .tools && .tools/bin/pip install --quiet uv==$(UV_VERSION)

.venv/.synced: pyproject.toml uv.lock | $(filter .tools/bin/uv,$(UV))
	@echo "Installing into .venv: about 1.8 GB, the first time minutes; later nothing"
	@$(UV) sync --locked --quiet --inexact --no-default-groups --extra airflow --extra tasks
	@touch $@

.venv/.synced-dev: pyproject.toml uv.lock | $(filter .tools/bin/uv,$(UV))
	@echo "Installing for development into .venv: about 2.2 GB, the first time minutes; later nothing"
	@$(UV) sync --locked --quiet --extra airflow --extra tasks
	@touch .venv/.synced $@

setup: .venv/.synced-dev ## Install everything for development into .venv.

quickstart: .venv/.synced ## Run the quickstart pipeline as an Airflow DAG, here, and show what came out.
	@$(PYTHON) -m curation_airflow.run_once quickstart --pipelines dags/pipelines

test: .venv/.synced-dev ## All tests that need no service.
	$(PYTHON) -m pytest -m "not service and not gpu and not cluster" -q
	$(UV) run --no-sync lint-imports
	$(UV) run --no-sync ruff check
	$(UV) run --no-sync ruff format --check

test-thorough: .venv/.synced-dev ## Kernels against plain Python, damaged archives, dumps and packages, 10,000 examples a test, and long repetitions; two hours.
	HYPOTHESIS_PROFILE=thorough $(PYTHON) -m pytest tests/kernels tests/filters tests/sources -m "not service and not gpu and not cluster" -q --timeout=0
	$(PYTHON) -m pytest -m slow -q

test-services: .venv/.synced-dev ## Install and start real servers (Ceph, Chromium) and run the tests that need them.
	tests/services/install.sh
	$(PYTHON) -m pytest -m "service and not slow" -q -rs

up: .venv/.synced ## Airflow with its UI on a free port; prints address and login (DATABASE=postgres: on a PostgreSQL of its own).
	@$(PYTHON) -m curation_airflow.standalone up $(if $(DATABASE),--database $(DATABASE))

airflow: .venv/.synced ## A command of Airflow beside `make up` (COMMAND="backfill create --help").
	@$(PYTHON) -m curation_airflow.standalone airflow $(COMMAND)

down: ## Stop what `make up` started.
	@$(PYTHON) -m curation_airflow.standalone down

lint: .venv/.synced-dev ## Ruff and the import contracts.
	$(RUN) ruff check && $(RUN) ruff format --check && $(RUN) lint-imports

format: .venv/.synced-dev ## Format the code.
	$(RUN) ruff format && $(RUN) ruff check --fix

bench: .venv/.synced-dev ## Measure throughput beside peers (CORPUS=file.parquet, WARC=file, DUMP=file for real data).
	@for file in tests/benchmarks/bench_*.py; do echo "== $$file"; options="$(if $(CORPUS),--corpus $(CORPUS))"; \
	    case "$$file" in *archives*) options="$(if $(WARC),--warc $(WARC))";; *wikipedia*) options="$(if $(DUMP),--dump $(DUMP))";; esac; \
	    $(PYTHON) $$file $$options || exit 1; done

schema: .venv/.synced ## Regenerate the JSON Schema of pipeline files.
	.venv/bin/curate operations --schema > dags/pipelines/pipeline.schema.json

docs-check: .venv/.synced-dev ## Check that what the documentation names exists.
	$(PYTHON) -m pytest tests/test_docs.py -q

clean: ## Remove data, caches and the environment.
	rm -rf .curation .venv .pytest_cache .ruff_cache .hypothesis
