# Everything runs in an environment of its own, made when it is first needed.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PROVIDER := tests/integration/provider

.PHONY: run test lint typing constraints clean

## run: a local issuer, the reference app against it, and curl lines to paste (no account, no network)
run: $(VENV)/.ready
	$(BIN)/python -m auth0_blueprint.testing.demo wsgi:create_app

## test: the whole suite
test: $(VENV)/.ready provider
	$(BIN)/coverage erase
	$(BIN)/coverage run -m pytest
	$(BIN)/coverage combine --quiet
	$(BIN)/coverage report --skip-covered

## lint: style and layers
lint: $(VENV)/.ready
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports

## typing: mypy and pyright, both strict
typing: $(VENV)/.ready
	$(BIN)/mypy
	$(BIN)/pyright

# Names, versions and hashes are pinned in requirements/dev.txt; pyproject.toml has the lower bounds only.
$(VENV)/.ready: requirements/dev.txt pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/dev.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	touch $@

# The real OpenID provider of the integration tests. Without node they are skipped, and say so.
.PHONY: provider
provider:
	@if command -v npm >/dev/null; then \
	  [ -e $(PROVIDER)/node_modules/.package-lock.json ] \
	    && [ ! $(PROVIDER)/package-lock.json -nt $(PROVIDER)/node_modules/.package-lock.json ] \
	    || npm ci --prefix $(PROVIDER) --no-audit --no-fund --loglevel=error; \
	else echo "npm is missing: the tests with a real OpenID provider will be skipped"; fi

# An environment of its own: cosmic-ray brings much that nothing else needs.
## mutants: change the rooms that decide, one small thing at a time, and see a test fail each time
.PHONY: mutants
mutants: $(VENV)-mutants/.ready
	$(VENV)-mutants/bin/python -m tests.mutation $(ROOMS)

$(VENV)-mutants/.ready: requirements/mutants.txt
	$(PYTHON) -m venv $(VENV)-mutants
	$(VENV)-mutants/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/mutants.txt
	touch $@

COMPILE = $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header \
  --no-emit-index-url --no-strip-extras
## constraints: pin the newest versions anew
constraints: $(VENV)/.ready
	$(BIN)/python -m pip install --quiet uv
	$(COMPILE) --upgrade --group dev pyproject.toml --output-file requirements/dev.txt
	$(COMPILE) --constraint requirements/dev.txt --group tests --group mutants pyproject.toml \
	  --output-file requirements/mutants.txt

clean:
	rm -rf $(VENV) $(VENV)-mutants $(PROVIDER)/node_modules build dist .coverage .coverage.* .mypy_cache .ruff_cache .pytest_cache
