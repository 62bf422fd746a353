# --- demo: no model at all, but a small real change, committed, and the marker that says so
demo_can='activity'

# shellcheck disable=SC2016  # it is another shell that expands it
launch_demo() {
  command='sleep 1
mkdir -p notes
notes=notes/$PARALLEL_TASK.md
printf "# %s\n\nDone by the demo agent from this prompt:\n\n" "$PARALLEL_TASK" >"$notes"
sed "s/^/> /" >>"$notes"
git add "$notes" &&
  git commit --quiet -m "Add the notes of $PARALLEL_TASK" &&
  touch .claude-task-complete'
}

resume_demo() {
  launch_demo
}

read_demo='
  function read_event() { read_text() }
  function read_text() { answer(); show(text) }'
