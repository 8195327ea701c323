# make demo and make test need nothing but this folder, and root on a Debian or Ubuntu machine.

# Without its byte code Python compiles all of this anew at each start: most of a second.
unexport PYTHONDONTWRITEBYTECODE

PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
READY  := $(VENV)/.ready
TARGET   ?=
SETTINGS ?=
OPTIONS  ?=
# Of make bench: which measurements; empty: all. OPTIONS=--long has the sizes that take hours.
BENCH    ?=
# Of make test: after so many minutes tests/lab begins none more that may be left out; 0: all.
MINUTES  ?= 45
# As many lab servers side by side as keep two processors busy: half of the time they wait.
SIDE_BY_SIDE := --numprocesses 3 --dist loadgroup --no-loadscope-reorder
LAB_TEST := $(BIN)/python -m pytest $(SIDE_BY_SIDE) --verbose --tb=short --durations=25
# What Docker 20.10 and docker-compose 1.29 may do otherwise; all of it: make lab-test LAB_FLAVOUR=bookworm
OLD_FLAVOUR := tests/lab/test_deploy.py tests/lab/test_emergency.py
FAB    := $(BIN)/fab $(if $(SETTINGS),-f $(SETTINGS)) $(if $(TARGET),-H $(TARGET))

.PHONY: help demo test bench unit lab-test docs recordings lint lab lab-down packages \
        assess migrate blue-green validate rollback deploy

help: ## Show what there is
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-12s %s\n", $$1, $$2}'

demo: $(READY) packages ## Build the lab, deploy under live traffic, roll back, show the numbers
	$(BIN)/python -m lab.demo

test: $(READY) packages lint ## Every check and test; MINUTES=0: however slow this machine is
	$(BIN)/python -m pytest tests/unit --numprocesses 2
	LAB_MINUTES=$(MINUTES) $(LAB_TEST) tests/lab
	LAB_FLAVOUR=bookworm $(LAB_TEST) $(OLD_FLAVOUR)

bench: $(READY) packages ## Measure in the lab, and write bench/RESULTS.md; BENCH='start trips': only those
	$(BIN)/python -m bench $(BENCH) $(OPTIONS)

unit: $(READY) ## The tests that need no server
	$(BIN)/python -m pytest tests/unit

lab-test: $(READY) packages ## The tests against the lab; LAB_FLAVOUR=bookworm: its second flavour
	$(LAB_TEST) tests/lab

docs: $(READY) ## Write the pages of docs/ that are made from the code
	$(BIN)/python -m docs.generate

recordings: $(READY) packages ## Record a deploy, a failed one and a rollback in the lab, for docs/
	$(BIN)/python -m docs.record

lint: $(READY) ## ruff, mypy and shellcheck
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/shellcheck $$(git ls-files '*.sh' .ci/run)

lab: $(READY) packages ## Start the lab
	$(BIN)/invoke lab.up

lab-down: $(READY) ## Remove the lab's server
	$(BIN)/invoke lab.down

packages: ## Install the Debian packages that are missing
	@sh lab/install-packages.sh

# The numbered scripts: make deploy TARGET=ubuntu@host [SETTINGS=file] [OPTIONS='--full --yes']
assess: $(READY) ## 01 Check the site and back it up
	$(FAB) assess-infrastructure $(OPTIONS)

migrate: $(READY) ## 02 Migrate the database
	$(FAB) run-migration $(OPTIONS)

blue-green: $(READY) ## 03 Start the new release and switch visitors to it
	$(FAB) blue-green-deploy $(OPTIONS)

rollback: $(READY) ## 04 Take visitors back to the former release
	$(FAB) rollback $(OPTIONS)

validate: $(READY) ## 05 Check everything; a critical failure rolls back
	$(FAB) validate-deployment $(OPTIONS)

deploy: $(READY) ## 01, 02, 03 and 05, measured from the first to the last
	$(FAB) deploy $(OPTIONS)

chain: $(READY) ## The same four as single tasks over one connection
	$(FAB) assess migrate blue-green validate

$(READY): requirements.txt requirements-dev.txt
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || sh lab/install-packages.sh
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --requirement requirements-dev.txt
	touch $@
