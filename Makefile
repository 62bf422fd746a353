# Every target sets up what it needs inside the checkout: .venv for Python, node_modules for bats.

PYTHON = python3
BIN = .venv/bin
NEEDS = import sys; sys.exit(None if sys.version_info >= (3, 10) else "Python 3.10 or newer is needed")
# Each file of the library is a part of one script: its neighbours set and use its variables. What nobody sets or uses is
# found in the whole, where the library stands in front of what reads it, only traps call some functions, settings are in upper
# case, read_record sets record_KEY, and what an adapter sets is used by its name.
WHOLE_SCRIPT_RULES = SC2034,SC2153,SC2154
INDIRECT_RULES = SC1090,SC2329,SC2153
SHFMT = $(BIN)/shfmt -ln posix -i 2 -ci

.PHONY: demo test matrix shells pytest test-agents lint fmt chaos bench setup clean

demo: .venv/.compiled
	$(BIN)/parallelgen demo

# What tells within minutes whether a change is sound. Side by side: half of the time they wait for agents that sleep.
# TEST_SHELLS=matrix goes on with every shell and userland, in place of what that would run a second time.
TEST_JOBS = 2
TEST_SHELLS = shells
test: setup
	$(MAKE) --no-print-directory -j $(TEST_JOBS) pytest $(TEST_SHELLS)

# Every shell and userland, each with the tests that depend on it.
matrix: setup
	bats/matrix

shells: setup
	bats/matrix --quick

# It shows what it has said when it has ended, since it does not run alone.
pytest: setup
	@mkdir -p build
	@$(BIN)/python -m pytest >build/pytest.txt 2>&1; status=$$?; cat build/pytest.txt; exit $$status

# The real command lines, in whole plans against a stand-in of their services: AGENTS=claude takes two minutes and a half, all take
# a quarter of an hour. npm is asked once for each, in this version, in a folder of its own.
AGENTS = claude codex gemini opencode
PACKAGE_claude = @anthropic-ai/claude-code@2.1.330
PACKAGE_codex = @openai/codex@0.169.0
PACKAGE_gemini = @google/gemini-cli@0.61.0
PACKAGE_opencode = opencode-ai@1.18.33
test-agents: setup $(AGENTS:%=build/agents/%/.stamp)
	PARALLELGEN_AGENTS="$(AGENTS)" $(BIN)/python -m pytest tests/agents/test_real.py --durations=0 -rA

# What cannot be installed is a failure in CI; elsewhere its tests are skipped.
build/agents/%/.stamp: Makefile
	@mkdir -p $(@D)
	@echo "test-agents: installing $(PACKAGE_$*) in $(@D)"
	@if npm install --prefix $(@D) --no-save --no-package-lock --no-audit --no-fund --loglevel=error $(PACKAGE_$*) && \
	  $(@D)/node_modules/.bin/$* --version; then \
	  touch $@; \
	else \
	  echo "ERROR: test-agents: $(PACKAGE_$*) could not be installed: npm says why above; is there a network, and npm?" >&2; \
	  test -z "$$CI"; \
	fi

lint: .venv/.dev-stamp
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/shellcheck -s sh -e $(WHOLE_SCRIPT_RULES) templates/lib/*.sh templates/lib/agents/*.sh
	$(SHFMT) -d templates/lib/*.sh templates/lib/agents/*.sh
	$(BIN)/shellcheck -s sh bats/matrix bats/userlands/build bats/userlands/enter
	$(SHFMT) -d bats/matrix bats/userlands/build bats/userlands/enter
	rm -rf build/scripts
	$(BIN)/python tests/render_examples.py build/scripts
	$(BIN)/shellcheck -s sh build/scripts/*/*.sh
	$(SHFMT) -d build/scripts/*/*.sh
	for folder in build/scripts/*; do \
	  { grep -oh '[$${]record_[a-z_]*[a-z]' $$folder/lib/*.sh | sort -u | sed 's/^.//; s/$$/=/' && \
	    cat $$folder/lib/*.sh $$folder/lib/agents/*.sh && \
	    grep -oh '^[a-z_]*=' $$folder/lib/agents/*.sh | sed 's/=$$/"/; s/^/: "$$/' && \
	    cat $$folder/run-parallel.sh; } | \
	  $(BIN)/shellcheck -s sh -e $(INDIRECT_RULES) - || exit; \
	done

fmt: .venv/.dev-stamp
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .
	$(SHFMT) -w templates/lib/*.sh templates/lib/agents/*.sh bats/matrix bats/userlands/build bats/userlands/enter

# Kill N runs at random instants, resume them, and count what was lost.
N = 100
chaos: .venv/.dev-stamp
	$(BIN)/python -m tests.chaos --runs $(N) --jobs 3

# Measure every goal of speed, and write the tables of docs/performance.md: a quarter of an hour on a box that is idle.
# QUICK=1 takes minutes and writes nothing; BENCH="startup decide" takes these groups alone.
bench: .venv/.compiled
	$(BIN)/python -m benchmarks $(if $(QUICK),--quick,--write) $(BENCH)

setup: .venv/.dev-stamp .venv/.compiled node_modules/.stamp

.venv/.run-stamp: pyproject.toml
	$(PYTHON) -c '$(NEEDS)'
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable .
	touch $@

.venv/.dev-stamp: .venv/.run-stamp
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[dev]'
	touch $@

# Where PYTHONDONTWRITEBYTECODE is set, as in many containers, Python would compile every module at every start.
.venv/.compiled: .venv/.run-stamp $(wildcard parallelgen/*.py parallelgen/*/*.py)
	$(BIN)/python -m compileall -q parallelgen
	touch $@

node_modules/.stamp: package.json
	npm install --no-package-lock --no-audit --no-fund --loglevel=error
	touch $@

clean:
	rm -rf .venv node_modules build dist .mypy_cache .pytest_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
