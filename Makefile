# Everything a developer types, by name. `make` alone lists it.
#
# Nothing but Python (3.11 or newer) and make is needed: the first target that runs anything creates .venv
# and installs the project into it, and does so again only when pyproject.toml or constraints.txt change.
# Paths are relative on purpose: a checkout whose path holds spaces works, and so does `make -C`; with a
# redirect write `make -s -C DIR sql > FILE`, or make's own "Entering directory" lands in the file.
# Nothing here needs more than GNU make 3.81, which is what macOS ships.

BIN := .venv/bin
STAMP := .venv/.installed
EXTRAS := embedded,pgvector,sqlite,fastapi,lint
PEERS := .venv/.installed-peers
DBMATE := 2.36.0

# .venv is built on the first of these that is Python 3.11 or newer, works when it is called (pyenv's shims
# may not), and can create virtual environments. `make PYTHON=...` names one instead.
PYTHONS := python3.13 python3.12 python3.11 python3
SUITABLE := import ensurepip, sys, venv; sys.exit(sys.version_info < (3, 11))

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help install migrate migration rollback status check sql test faults lint types bench audit run clean

help: ## list these targets
	@echo 'Usage: make TARGET'
	@echo
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  %-10s  %s\n", $$1, $$2 }' Makefile

install: $(STAMP) ## create .venv and install the project (the other targets do this by themselves)

migrate: $(STAMP) ## bring the database to head (without DATABASE_URL: an embedded PostgreSQL under .headway)
	@$(BIN)/headway upgrade head

# Without a message it fails at once, before anything is installed.
migration: $(if $(m),$(STAMP)) ## write a revision from what the models changed: make migration m="add things"
	@if [ -z "$$m" ]; then \
	  echo 'make migration: say what changes, for example: make migration m="add things"' >&2; exit 2; \
	fi; \
	exec $(BIN)/headway revision --autogenerate -m "$$m"

rollback: $(STAMP) ## undo the latest revision; asks first, and YES=1 answers where nobody can
	@$(BIN)/headway downgrade -1 $(if $(YES),--yes)

status: $(STAMP) ## show every revision and whether the database has it
	@$(BIN)/headway status

check: $(STAMP) ## say what the models hold and no revision makes; replays all revisions in an empty database
	@$(BIN)/headway check --scratch

sql: $(STAMP) ## print the SQL from an empty database to head; no database is touched
	@$(BIN)/headway sql

test: $(STAMP) ## run the tests on an embedded PostgreSQL, on all cores; ARGS="-k name -x" goes to pytest
	@$(BIN)/python -m pytest $(or $(ARGS),-n auto)

# Results are written as they come, so that a run that was ended has its table too.
faults: $(STAMP) ## break a migration everywhere it can break, and renew docs/reliability.md (up to 30 min)
	@rm -rf build/faults; began=$$(date +%s); status=0; \
	HEADWAY_FAULTS=whole HEADWAY_FAULTS_RESULTS=build/faults \
	  $(BIN)/python -m pytest -q $(or $(ARGS),-n 4) tests/faults || status=$$?; \
	$(BIN)/python tests/faults/table.py build/faults $$(($$(date +%s) - began)) || status=$$?; \
	exit $$status

lint: $(STAMP) ## check style and formatting with ruff; changes nothing
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .

types: $(STAMP) ## check types with mypy, strict
	@$(BIN)/mypy

bench: $(PEERS) ## compare headway with its peers (up to 25 min); QUICK=1 shows that it works, ARGS="--json FILE CASE" goes to it
	@exec $(BIN)/python benchmarks $(if $(QUICK),--quick) $(ARGS)

# It asks a service for known vulnerabilities, and needs the network for it; .ci/run does not. --strict: without it
# what could not be looked up passes as sound. The tool has an environment of its own, or it would change ours.
audit: $(STAMP) ## look for known vulnerabilities among the pinned dependencies (pip-audit; needs the network)
	@[ -x build/audit/bin/pip-audit ] || { $(BIN)/python -m venv --clear build/audit && \
	  build/audit/bin/python -m pip --disable-pip-version-check -qq install pip-audit; }
	@exec build/audit/bin/pip-audit --strict --requirement constraints.txt --no-deps --disable-pip $(ARGS)

run: $(STAMP) ## serve the reference application, its database at head; ARGS="--port 8001 --reload" goes to uvicorn
	@exec $(BIN)/uvicorn --factory taskman.app:create_app --app-dir src --log-config src/taskman/logging.json $(ARGS)

# The server is stopped first, because its programs go with .venv. Its data is for headway to remove: for root it
# may lie elsewhere, and that is why ALL=1 installs first where nothing is installed.
clean: $(if $(and $(ALL),$(wildcard .headway)),$(STAMP)) ## stop the embedded server, remove .venv, caches and builds; ALL=1 also removes its data
	@if [ -d .headway ] && [ -x $(BIN)/headway ]; then \
	  $(BIN)/headway $(if $(ALL),dev reset --force --yes,dev stop --force) >&2 || { \
	    echo 'make clean: nothing is removed while the embedded server is not known to be stopped' >&2; exit 1; \
	  }; \
	fi
	@rm -rf .venv build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis $(if $(ALL),.headway)
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +

# The stamp is written last and removed first, so an interrupted installation is taken up again. pip is
# upgraded before it installs because --group needs 25.1, and Python 3.11 brings an older one.
$(STAMP): pyproject.toml constraints.txt
	@set -e; exec >&2; rm -f $@; \
	if ! $(BIN)/python -c '$(SUITABLE)' 2>/dev/null || ! $(BIN)/python -m pip --version >/dev/null 2>&1; then \
	  found=; \
	  if [ -n "$$PYTHON" ]; then set -- "$$PYTHON"; else set -- $(PYTHONS); fi; \
	  for python in "$$@"; do \
	    if "$$python" -c '$(SUITABLE)' >/dev/null 2>&1; then found=$$python; break; fi; \
	  done; \
	  if [ -z "$$found" ]; then \
	    echo "make: none of these is a working Python 3.11 or newer that has the venv module: $$*"; \
	    echo 'make: install one (on Debian and Ubuntu with python3-venv), or name it: make PYTHON=...'; \
	    exit 1; \
	  fi; \
	  echo "creating .venv with $$("$$found" --version); this takes a minute, once ..."; \
	  "$$found" -m venv --clear .venv; \
	else \
	  echo 'installing into .venv what pyproject.toml and constraints.txt ask for ...'; \
	fi; \
	pip() { $(BIN)/python -m pip --disable-pip-version-check --no-input -qq "$$@"; }; \
	pip install -c constraints.txt --upgrade pip; \
	pip install -c constraints.txt -e '.[$(EXTRAS)]' --group dev; \
	touch $@

# What headway is compared with. dbmate's package of npm holds its binary; without npm one on PATH is taken, and
# without either the tables say that it is left out.
$(PEERS): $(STAMP)
	@set -e; exec >&2; echo 'installing into .venv what headway is compared with ...'; \
	$(BIN)/python -m pip --disable-pip-version-check --no-input -qq install -c constraints.txt --group bench; \
	npm install --loglevel=error --no-audit --no-fund --prefix .venv/dbmate dbmate@$(DBMATE) >/dev/null || \
	  echo 'make bench: npm could not install dbmate; it is left out unless it is on PATH'; \
	touch $@
