import os

# The real programs have to be installed, and take minutes: `make test-agents`.
collect_ignore = [] if os.environ.get("PARALLELGEN_AGENTS") else ["test_real.py"]
