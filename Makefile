# Everything runs in an environment of its own, made when it is first needed.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PROVIDER := tests/integration/provider
PICTURES := docs/pictures

BENCHMARKS ?= guard server memory import_time cold_start
PYTHONS ?= 3.11 3.12 3.13
OLDEST_PYTHON ?= 3.13
PYTEST_ARGS ?=

.PHONY: run test test-oldest test-pythons test-openapi test-system fuzz mutants lint typing bench bench-fleet packages docs \
  pictures constraints clean

## run: a local issuer, the reference app against it, and curl lines to paste (no account, no network)
run: $(VENV)/.ready
	$(BIN)/python -m auth0_blueprint.testing.demo wsgi:create_app

# tests/conftest.py says what must stay together.
## test: the whole suite, in as many processes as there are processors
test: $(VENV)/.ready provider
	$(BIN)/coverage erase
	$(BIN)/coverage run -m pytest -n logical --dist loadfile --no-loadscope-reorder
	$(BIN)/coverage combine --quiet
	$(BIN)/coverage report --skip-covered

## test-oldest: the suite with the oldest dependencies that pyproject.toml allows, under Python $(OLDEST_PYTHON) if it is
## found: make test has another one already
test-oldest: .venv-oldest/.ready provider
	@[ -n "$(call find_python,$(OLDEST_PYTHON))" ] \
	  || echo "Python $(OLDEST_PYTHON) was not found: the oldest dependencies are tried under $(PYTHON)"
	.venv-oldest/bin/python -m pytest $(PYTEST_ARGS)

## test-pythons: the suite under every Python of PYTHONS that is found, with the newest dependencies
test-pythons: $(addprefix test-python-,$(PYTHONS))

test-python-%: provider
	@if [ -z "$(call find_python,$*)" ]; then echo "Python $* was not found: the suite was not run under it"; \
	else $(MAKE) --no-print-directory .venv-$*/.ready && .venv-$*/bin/python -m pytest $(PYTEST_ARGS); fi

## test-openapi: a minute of arbitrary requests to the package's own routes, made from their OpenAPI document
test-openapi: .venv-openapi/.ready
	.venv-openapi/bin/python tests/arbitrary_requests.py

## test-system: the package behind a real nginx, which has to be there (apt-get install nginx), and examples/browser in a
## real Chromium (apt-get install chromium chromium-driver), Apache and uWSGI (docs/how-to/servers.md names Debian's
## packages), and on real networks in a namespace (ip and unshare, root or user namespaces); without one of these that is
## said, and not tried
test-system: export PATH := $(PATH):/usr/sbin
test-system: $(VENV)/.ready
	@command -v nginx >/dev/null || { echo "nginx is missing: the system tests need one" >&2; exit 1; }
	@command -v chromedriver >/dev/null || echo "chromedriver is missing: the tests in a real browser are NOT run" >&2
	@$(BIN)/python tests/network_lab.py || echo "no network of its own: the tests on real networks are NOT run" >&2
	$(BIN)/python -m pytest tests/system \
	  $$(command -v chromedriver >/dev/null || echo --ignore=tests/system/test_browser.py) \
	  $$($(BIN)/python tests/network_lab.py 2>/dev/null || echo --ignore=tests/system/test_networks.py)

## fuzz: 20,000 examples of each property, other ones each time (the tests try a few, always the same)
fuzz: $(VENV)/.ready
	HYPOTHESIS_PROFILE=fuzz $(BIN)/python -m pytest tests/properties --hypothesis-show-statistics

## lint: style and layers
lint: $(VENV)/.ready
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports

# pyright looks for the package among the modules of the first Python on the PATH.
## typing: mypy and pyright, both strict, and whether every public name says its type to those who use the package
typing: $(VENV)/.ready
	$(BIN)/mypy
	$(BIN)/pyright
	@PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/pyright --verifytypes auth0_blueprint --ignoreexternal >$(VENV)/types.txt \
	  || { cat $(VENV)/types.txt >&2; exit 1; }; grep completeness $(VENV)/types.txt

# An environment of its own: others that guard Flask routes are measured beside this package.
## bench: what a guard costs a request, a server, the memory and the start, as docs/performance.md explains it; with
## BASELINE=../before instead what a request and a start cost here and in that checkout, in turn
bench: .venv-bench/.ready
	@if [ -n "$(BASELINE)" ]; then .venv-bench/bin/python -m benchmarks.builds "$(BASELINE)"; built=$$?; \
	  .venv-bench/bin/python -m benchmarks.cold_start --baseline "$(BASELINE)"; exit $$((built + $$?)); fi; \
	missed=""; for one in $(BENCHMARKS); do \
	  .venv-bench/bin/python -m benchmarks.$$one || missed="$$missed $$one"; echo; \
	done; [ -z "$$missed" ] || { echo "targets were missed:$$missed" >&2; exit 1; }

## bench-fleet: a simulated day of 1, 100 and 1,000 processes, as docs/scaling.md explains it
bench-fleet: $(VENV)/.ready
	$(BIN)/python -m benchmarks.fleet

# Names, versions and hashes are pinned in requirements/, all of them: pip has nothing to resolve. pyproject.toml has the
# lower bounds only.
# $(call pinned_venv,python,folder,requirements)
define pinned_venv
$(1) -m venv --clear $(2)
$(2)/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r $(3)
endef

# $(call make_venv,python,folder,requirements): with the package itself, as it stands here
define make_venv
$(pinned_venv)
$(2)/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
touch $(2)/.ready
endef

# The path of a Python that runs, or nothing. A shim of pyenv on the PATH may not; its versions are then looked through.
find_python = $(shell for python in python$(1) $${PYENV_ROOT:-$$HOME/.pyenv}/versions/$(1).*/bin/python; do \
  "$$python" -c 'import sys; print(sys.executable)' 2>/dev/null && break; done)

$(VENV)/.ready: requirements/dev.txt pyproject.toml
	$(call make_venv,$(PYTHON),$(VENV),$<)

.venv-oldest/.ready: requirements/oldest.txt pyproject.toml
	$(call make_venv,$(or $(call find_python,$(OLDEST_PYTHON)),$(PYTHON)),.venv-oldest,$<)

.venv-openapi/.ready: requirements/openapi.txt pyproject.toml
	$(call make_venv,$(PYTHON),.venv-openapi,$<)

.venv-docs/.ready: requirements/docs.txt pyproject.toml
	$(call make_venv,$(PYTHON),.venv-docs,$<)

.venv-bench/.ready: requirements/bench.txt pyproject.toml
	$(call make_venv,$(PYTHON),.venv-bench,$<)

.venv-3.%/.ready: requirements/dev.txt pyproject.toml
	$(call make_venv,$(call find_python,3.$*),.venv-3.$*,$<)

# The real OpenID provider of the integration tests. Without node they are skipped, and say so.
.PHONY: provider
provider:
	@if command -v npm >/dev/null; then \
	  [ -e $(PROVIDER)/node_modules/.package-lock.json ] \
	    && [ ! $(PROVIDER)/package-lock.json -nt $(PROVIDER)/node_modules/.package-lock.json ] \
	    || npm ci --prefix $(PROVIDER) --no-audit --no-fund --loglevel=error; \
	else echo "npm is missing: the tests with a real OpenID provider will be skipped"; fi

# An environment of its own, and another one in which there is nothing but the wheel and the pinned dependencies.
## packages: the wheel and the source distribution in dist/, looked at, and the wheel used by somebody who has nothing else
packages: .venv-packaging/.ready
	rm -rf dist
	.venv-packaging/bin/python -m build --no-isolation
	.venv-packaging/bin/twine check --strict dist/*
	.venv-packaging/bin/check-wheel-contents dist/*.whl
	.venv-packaging/bin/python tests/distribution/try_packages.py dist

.venv-packaging/.ready: requirements/packaging.txt
	$(call pinned_venv,$(PYTHON),.venv-packaging,$<)
	touch $@

# An environment of its own: cosmic-ray brings much that nothing else needs.
## mutants: change the modules that decide, one small thing at a time, and see a test fail each time
mutants: .venv-mutants/.ready
	.venv-mutants/bin/python -m tests.mutation $(ROOMS)

.venv-mutants/.ready: requirements/mutants.txt
	$(call pinned_venv,$(PYTHON),.venv-mutants,$<)
	touch $@

## docs: the documentation site, into build/docs; a warning is an error
docs: .venv-docs/.ready
	.venv-docs/bin/python -m sphinx -W --keep-going -b html docs build/docs

## pictures: draw those of docs/architecture.md anew: that of the packages from the imports, all from their text (needs node)
pictures: $(VENV)/.ready
	$(BIN)/python $(PICTURES)/rooms.py
	npm ci --prefix $(PICTURES) --no-audit --no-fund --loglevel=error
	node $(PICTURES)/render.mjs

## constraints: pin the newest versions anew, and the oldest that are allowed
COMPILE = $(BIN)/uv pip compile --quiet --upgrade --universal --python-version 3.11 --no-header --no-emit-index-url
constraints: $(VENV)/.ready
	$(BIN)/python -m pip install --quiet uv
	$(COMPILE) --generate-hashes --no-strip-extras --group dev pyproject.toml --output-file requirements/dev.txt
	$(COMPILE) --generate-hashes --group openapi-tests pyproject.toml --output-file requirements/openapi.txt
	$(COMPILE) --resolution lowest-direct --all-extras pyproject.toml --output-file $(VENV)/oldest.txt
	$(COMPILE) --generate-hashes --no-annotate --no-strip-extras --constraints $(VENV)/oldest.txt \
	  --group build --group tests pyproject.toml --output-file requirements/oldest.txt
	$(COMPILE) --generate-hashes --all-extras --constraints requirements/dev.txt --group docs --group build pyproject.toml \
	  --output-file requirements/docs.txt
	$(COMPILE) --generate-hashes --group packaging --output-file requirements/packaging.txt
	$(COMPILE) --generate-hashes --constraints requirements/dev.txt pyproject.toml --output-file requirements/runtime.txt
	$(COMPILE) --generate-hashes --constraints requirements/dev.txt --group deployment \
	  --output-file requirements/deployment.txt
	$(COMPILE) --generate-hashes --constraints requirements/dev.txt --group fixtures \
	  --output-file requirements/fixtures.txt
	$(COMPILE) --generate-hashes --no-strip-extras --constraints requirements/dev.txt --group tests --group mutants \
	  pyproject.toml --output-file requirements/mutants.txt
	$(COMPILE) --generate-hashes --no-strip-extras --constraints requirements/dev.txt --group bench-peers \
	  pyproject.toml --output-file requirements/bench.txt

clean:
	rm -rf $(VENV) .venv-* $(PROVIDER)/node_modules $(PICTURES)/node_modules build dist .coverage .coverage.* \
	  .mypy_cache .ruff_cache .pytest_cache
