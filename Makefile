# Everything is installed into virtual environments in this folder; nothing else on the machine changes.
PYTHON ?= python3
AIRFLOW ?= 3.3
PORT ?= 8080
SANDBOX_PORT ?= 8787

VENV := .venv
BIN := $(VENV)/bin
UV := $(BIN)/uv
UV_VERSION := 0.13.9
PACKAGE := pyproject.toml setup.cfg setup.py airflow_provider_wriftai/__init__.py

# The tools that check and describe a release, separate from Airflow, whose dependencies they must not change.
RELEASE := .venv-release
# The official clients, as independent peers of the sandbox, each in its own environment.
PEERS := $(addprefix .venv-wriftai-,0.7.0 0.13.0 0.14.0 0.20.0 0.26.0 0.30.0 0.32.0 0.34.0)
# Other providers, whose import time is compared with ours.
PROVIDERS := .venv-providers
# The Airflow releases between the oldest and the newest, with pins for packages whose current release breaks them.
BETWEEN := 3.0 3.1 3.2
PINS_3.0 := "fastapi<0.118" "pyjwt<2.11"
PINS_3.2 := "fastapi<0.137" "svcs<26"
# The oldest supported Airflow, with the lowest supported dependencies.
OLDEST := .venv-oldest

# What the tests need on older Airflow releases. For the newest, pyproject.toml has a group.
TEST_TOOLS := hypothesis psutil psycopg2-binary pytest pytest-timeout trustme
# Arguments for pytest. By default, it runs all tests except the long ones.
TESTS ?=
# The test results of each Airflow release.
RESULTS := .results
# Tests that need the environment of the newest Airflow.
ONLY_NEWEST := $(foreach test,end_to_end/test_chaos.py end_to_end/test_demo.py end_to_end/test_ui.py test_package.py,--ignore tests/$(test))

.DEFAULT_GOAL := help
.PHONY: help demo ui test test-newest test-oldest test-all constraints bench chaos docs docs-links pictures lint format \
	dist audit sbom release-check clean

help:  ## Show this help
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)/make \1\t\2/' | expand -t 16

demo: $(VENV)/installed-demo  ## Publish, wait, and prune on a real Airflow, against the sandbox
	@$(BIN)/python -m scripts.demo

ui: $(VENV)/installed-demo  ## Run Airflow with the example DAGs, and the sandbox
	@$(BIN)/python -m scripts.ui --port $(PORT) --sandbox-port $(SANDBOX_PORT)

test: lint  ## Run the linters, and the tests on the oldest and the newest Airflow
	+$(MAKE) -j2 TESTS='$(TESTS)' test-oldest test-newest

test-oldest: $(PEERS:%=%/installed) $(OLDEST)/installed
	# Print the output at the end, in one piece: the tests on the newest Airflow run at the same time, and take longer.
	@mkdir -p $(RESULTS)
	@echo "Testing on the oldest Airflow. The output is in $(RESULTS)/oldest.log, and printed at the end."
	@$(OLDEST)/bin/python -m pytest $(TESTS) --junit-xml $(RESULTS)/oldest.xml $(ONLY_NEWEST) >$(RESULTS)/oldest.log 2>&1; \
		status=$$?; cat $(RESULTS)/oldest.log; exit $$status

test-newest: $(VENV)/installed-test $(RELEASE)/installed $(PEERS:%=%/installed)
	$(BIN)/python -m pytest $(TESTS) --junit-xml $(RESULTS)/newest.xml

test-all: TESTS := -m "long or not long"
test-all: lint  ## Run all tests on all Airflow releases, and write the table of supported features
	# Several at a time: the end-to-end tests mostly wait. The output of each is printed in one piece, when it ends.
	+$(MAKE) -j3 --keep-going --output-sync=target TESTS='$(TESTS)' test-newest test-oldest $(BETWEEN:%=test-%) constraints
	$(BIN)/python -m scripts.compatibility $(RESULTS)/oldest.xml $(BETWEEN:%=$(RESULTS)/%.xml) \
		$(RESULTS)/newest.xml $(RESULTS)/constraints.json

constraints: $(UV) $(PEERS:%=%/installed)  ## Install and test with the constraints of each Airflow release
	$(BIN)/python -m scripts.constraints

$(BETWEEN:%=test-%): test-%: .venv-%/installed $(PEERS:%=%/installed)
	# Warnings of these Airflow releases' dependencies are not errors.
	.venv-$*/bin/python -m pytest $(TESTS) -o filterwarnings=default --junit-xml $(RESULTS)/$*.xml $(ONLY_NEWEST)

bench: $(VENV)/installed-bench $(PEERS:%=%/installed) $(PROVIDERS)/installed  ## Run the benchmarks, and write docs/benchmarks.md; QUICK=1 for a short run
	$(BIN)/python -m benchmarks $(if $(QUICK),--quick)
	$(if $(QUICK),,$(BIN)/python -m benchmarks.page)

chaos: $(VENV)/installed-test  ## Run the reliability campaign: faults, kills, and restarts; QUICK=1, SEED=…
	$(BIN)/python -m chaos --seed $(or $(SEED),1) $(if $(QUICK),--quick,--json chaos/results/campaign.json)
	$(if $(QUICK),,$(BIN)/python -m chaos.reliability_page docs/reliability.md)

docs: $(VENV)/installed-docs  ## Build the documentation: site/index.html
	$(BIN)/python -m sphinx --fail-on-warning --keep-going --quiet --doctree-dir build/doctrees docs site

pictures: $(VENV)/installed-test  ## Take the documentation's screenshots of Airflow's UI (needs Chromium)
	WRIFTAI_PICTURES=docs/images $(BIN)/python -m pytest tests/end_to_end/test_browser.py

docs-links: $(VENV)/installed-docs  ## Check the documentation's external links
	$(BIN)/python -m sphinx --fail-on-warning --keep-going --quiet --builder linkcheck \
		--doctree-dir build/doctrees-links docs build/docs-links

lint: $(VENV)/installed-test  ## Check style, spelling, and types
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/codespell
	$(BIN)/mypy

format: $(VENV)/installed-test  ## Format the code
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

dist: $(UV)  ## Build the wheel and the source distribution from the last commit: dist/
	rm -rf build/release dist
	mkdir -p build/release
	git archive HEAD | tar -x -C build/release
	$(UV) build --quiet --out-dir dist build/release

audit: $(RELEASE)/installed  ## Check the dependencies for known vulnerabilities
	mkdir -p build
	$(UV) pip compile --quiet --all-extras --output-file build/audited.txt pyproject.toml
	$(RELEASE)/bin/pip-audit --disable-pip --no-deps --requirement build/audited.txt

sbom: $(RELEASE)/installed  ## Write the software bill of materials (CycloneDX): build/sbom.cdx.json
	$(UV) venv --quiet --clear --python $(BIN)/python build/installation
	$(UV) pip install --quiet --python build/installation/bin/python .
	$(RELEASE)/bin/cyclonedx-py environment --pyproject pyproject.toml --output-reproducible \
		--output-file build/sbom.cdx.json build/installation/bin/python

release-check: $(UV)  ## Check that TAG, the version, and the changelog agree
	$(BIN)/python -m scripts.release_check $(TAG)

clean:  ## Remove environments and build results
	rm -rf .venv* .demo .results build dist site *.egg-info .mypy_cache .pytest_cache .ruff_cache .hypothesis

$(UV):
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
		|| { echo "Python 3.11 or newer is needed: make PYTHON=python3.12 …"; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check uv==$(UV_VERSION)

$(VENV)/installed-demo: $(UV) $(PACKAGE)
	$(UV) pip install --quiet --python $(BIN)/python "apache-airflow==$(AIRFLOW).*" --editable ".[sandbox]"
	@touch $@

$(VENV)/installed-test: $(VENV)/installed-demo
	$(UV) pip install --quiet --python $(BIN)/python --group test --editable ".[sandbox,openlineage]"
	@touch $@

$(RELEASE)/installed: $(UV) pyproject.toml
	$(UV) venv --quiet --clear --python $(BIN)/python $(RELEASE)
	$(UV) pip install --quiet --python $(RELEASE)/bin/python --group release
	@touch $@

$(VENV)/installed-docs: $(VENV)/installed-demo
	$(UV) pip install --quiet --python $(BIN)/python --group docs
	@touch $@

$(VENV)/installed-bench: $(VENV)/installed-test
	$(UV) pip install --quiet --python $(BIN)/python --group bench
	@touch $@

$(PROVIDERS)/installed: $(UV) $(PACKAGE)
	$(UV) venv --quiet --clear --python $(BIN)/python $(PROVIDERS)
	$(UV) pip install --quiet --python $(PROVIDERS)/bin/python "apache-airflow==$(AIRFLOW).*" --editable . \
		$(foreach name,http dbt-cloud databricks openai,apache-airflow-providers-$(name))
	@touch $@

$(PEERS:%=%/installed): .venv-wriftai-%/installed: $(UV)
	$(UV) venv --quiet --clear --python $(BIN)/python .venv-wriftai-$*
	$(UV) pip install --quiet --python .venv-wriftai-$*/bin/python "wriftai==$*"
	@touch $@

$(BETWEEN:%=.venv-%/installed): .venv-%/installed: $(UV) $(PACKAGE)
	$(UV) venv --quiet --clear --python $(BIN)/python .venv-$*
	$(UV) pip install --quiet --python .venv-$*/bin/python "apache-airflow==$*.*" $(PINS_$*) \
		--editable ".[sandbox,openlineage]"
	$(UV) pip install --quiet --python .venv-$*/bin/python \
		asyncpg selenium $(TEST_TOOLS)
	@touch $@

$(OLDEST)/installed: $(UV) $(PACKAGE)
	$(UV) venv --quiet --clear --python $(BIN)/python $(OLDEST)
	$(UV) pip install --quiet --python $(OLDEST)/bin/python --resolution lowest-direct --editable ".[sandbox,openlineage]"
	$(UV) pip install --quiet --python $(OLDEST)/bin/python $(TEST_TOOLS)
	@touch $@
