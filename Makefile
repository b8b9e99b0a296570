# Everything runs in an environment of its own, made when it is first needed.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PROVIDER := tests/integration/provider
PICTURES := docs/pictures

.PHONY: run test fuzz lint typing pictures constraints clean

## run: a local issuer, the reference app against it, and curl lines to paste (no account, no network)
run: $(VENV)/.ready
	$(BIN)/python -m auth0_blueprint.testing.demo wsgi:create_app

## test: the whole suite
test: $(VENV)/.ready provider
	$(BIN)/coverage erase
	$(BIN)/coverage run -m pytest
	$(BIN)/coverage combine --quiet
	$(BIN)/coverage report --skip-covered

## fuzz: 20,000 examples of each property, other ones each time (the tests try a few, always the same)
fuzz: $(VENV)/.ready
	HYPOTHESIS_PROFILE=fuzz $(BIN)/python -m pytest tests/properties --hypothesis-show-statistics

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

## pictures: draw those of docs/architecture.md anew from their text sources (needs node)
pictures:
	npm ci --prefix $(PICTURES) --no-audit --no-fund --loglevel=error
	node $(PICTURES)/render.mjs

## constraints: pin the newest versions anew
constraints: $(VENV)/.ready
	$(BIN)/python -m pip install --quiet uv
	$(BIN)/uv pip compile --quiet --upgrade --universal --python-version 3.11 --generate-hashes --no-header \
	  --no-emit-index-url --no-strip-extras --group dev pyproject.toml --output-file requirements/dev.txt

clean:
	rm -rf $(VENV) $(PROVIDER)/node_modules $(PICTURES)/node_modules build dist .coverage .coverage.* .mypy_cache .ruff_cache .pytest_cache
