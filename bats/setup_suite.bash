# Before all files: a committed project for each plan, which the tests copy.

setup_suite() {
  local here=$BATS_TEST_DIRNAME root plan
  [ -d "$here/plans" ] || here=$here/bats
  root=${here%/*}
  PYTHON=$root/.venv/bin/python
  [ -x "$PYTHON" ] || PYTHON=$(command -v python3)
  PERL=$(command -v perl)
  # The same words and order for everybody; yash reads no letter beyond ASCII in the C locale.
  LC_ALL=C
  if locale -a 2>/dev/null | grep -q -x -i 'C\.utf-*8'; then
    LC_ALL=C.UTF-8
  fi
  export LC_ALL PYTHON PERL PROJECTS=$BATS_SUITE_TMPDIR/projects

  if [ -n "${PARALLELGEN_USERLAND-}" ]; then
    export USERLAND=$BATS_SUITE_TMPDIR/userland
    "$here/userlands/build" "$PARALLELGEN_USERLAND" "$USERLAND" || return
  fi

  PYTHONPATH=$root "$PYTHON" "$here/render.py" "$PROJECTS" "$here"/plans/*
  for plan in "$here"/plans/*; do
    cd "$PROJECTS/${plan##*/}" || return
    printf '# Inventory\n' >README.md
    git init --quiet --template= -b main
    git config user.name 'Test Person'
    git config user.email test@example.org
    git add -A
    git commit --quiet -m 'Start the project'
  done
}
