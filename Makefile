# Everything runs in an environment of its own, made when it is first needed.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PROVIDER := tests/integration/provider

.PHONY: run test lint typing bench-fleet constraints clean

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

## bench-fleet: a simulated day of 1, 100 and 1,000 processes, as docs/scaling.md explains it
bench-fleet: $(VENV)/.ready
	$(BIN)/python -m benchmarks.fleet

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

## constraints: pin the newest versions anew
constraints: $(VENV)/.ready
	$(BIN)/python -m pip install --quiet uv
	$(BIN)/uv pip compile --quiet --upgrade --universal --python-version 3.11 --generate-hashes --no-header \
	  --no-emit-index-url --no-strip-extras --group dev pyproject.toml --output-file requirements/dev.txt

clean:
	rm -rf $(VENV) $(PROVIDER)/node_modules build dist .coverage .coverage.* .mypy_cache .ruff_cache .pytest_cache
