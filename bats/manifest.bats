# manifest.json: only the `execution` member changes.

# bats file_tags=awk
load helper

# keeps_bytes: run with the manifest that stdin gives, and see that all but the execution member is kept: with that member
# replaced by a word, the texts before and after must be the same
keeps_bytes() {
  project one
  cat >"$manifest"
  cp "$manifest" "$home/before.json"
  completes
  same '"completed"' "$(execution 'e["status"]')"
  "$PYTHON" -I - "$home/before.json" "$manifest" <<'END' || { show && return 1; }
import json, sys

def split(text):
    """Return what is before and after the value of the top-level member `execution`, or the text and None."""
    depth, i, at_key = 0, 0, False
    while i < len(text):
        c = text[i]
        if c == '"':
            end = i + 1
            while text[end] != '"':
                end += 2 if text[end] == "\\" else 1
            if depth == 1 and at_key and text[i + 1:end] == "execution":
                start = end + 1
                while text[start] in " \t\r\n:":
                    start += 1
                value, length = json.JSONDecoder().raw_decode(text[start:])
                return text[:start], text[start + length:]
            i = end
        elif c in "{[":
            depth += 1
            at_key = depth == 1
        elif c in "}]":
            depth -= 1
        elif c == "," and depth == 1:
            at_key = True
        elif c == ":" and depth == 1:
            at_key = False
        i += 1
    return text, None

before, after = (open(name, newline="", encoding="utf-8").read() for name in sys.argv[1:])
old, new = split(before), split(after)
if old[1] is not None:
    assert old == new, (old, new)
else:
    # A new member goes last: before the brace that closes the top, after what was there.
    body = before.rstrip().removesuffix("}").rstrip()
    assert after.startswith(body), (body, after)
    assert new[1].strip() == "}", new[1]
    assert new[0][len(body):].strip().lstrip(",").strip() == '"execution":', new[0][len(body):]
    tail = before[len(before.rstrip()):]
    assert new[1].endswith("}" + tail), (tail, new[1])
json.loads(after.removeprefix("\ufeff"))
END
}

# bats test_tags=portable
@test "unknown members, odd indentation, escapes and numbers stay as they are" {
  keeps_bytes <<'JSON'
{  "name"  :"a \"quoted\" {brace} [bracket], \\ \u00e9 é 日本 \/"
	,"execution" : {"status": "pending", "tasks": {"}": "{"}},
      "nested": {"execution": {"status": "mine"}, "deep": [[{"execution": 1}], 1.50e+10, -0.0, true, null]},
 "numbers": [1e400, 0.10, 12345678901234567890],   "": "",
 "tail"
 :
 "x"   }

JSON
}

@test "the member is added when it is not there: to an object on several lines" {
  keeps_bytes <<<'{
    "tasks": {
        "files": []
    }
}'
}

@test "the member is added to an object on one line" {
  keeps_bytes <<<'{"a": 1}'
}

@test "the member is added to an empty object" {
  project one
  printf '%s' '{ }' >"$manifest"
  completes
  same '["completed", ["execution"]]' "$(execution '[e["status"], list(m)]')"
}

@test "a manifest with CRLF keeps it" {
  keeps_bytes < <(printf '{\r\n  "a": 1,\r\n  "execution": {\r\n    "status": "x"\r\n  },\r\n  "b": 2\r\n}\r\n')
}

@test "a manifest with CRLF, with a word for a value" {
  keeps_bytes < <(printf '{\r\n  "a": true,\r\n  "execution": null\r\n}\r\n')
}

@test "a manifest with CRLF and without the member keeps it" {
  keeps_bytes < <(printf '{\r\n  "a": 1\r\n}\r\n')
}

@test "a manifest without a newline at its end gets none" {
  keeps_bytes < <(printf '{"a": 1,\n "execution": null}')
}

@test "a manifest with a byte order mark keeps it" {
  keeps_bytes < <(printf '\357\273\277{"a": 1,\n "execution": [1, 2]}\n')
}

@test "the value may be a number, a string with braces, null or a list" {
  keeps_bytes < <(printf '%s' '{"execution":12,"a":"}"}')
  for value in '"}{\""' null '[{"execution": 2}, "]"]' true; do
    printf '{"execution":%s,"a":"}"}' "$value" >"$manifest"
    completes --force
    same '["completed", "}", ["execution", "a"]]' "$(execution '[e["status"], m["a"], list(m)]')"
  done
}

@test "a large manifest is kept" {
  keeps_bytes < <(
    printf '{"filler": ['
    awk 'BEGIN { for (i = 0; i < 2000; i++) printf "\"a line of text with \\\"quotes\\\" number %d\",\n", i }'
    printf '"last"], "execution": {}, "z": "end"}\n'
  )
}

@test "the manifest keeps its mode" {
  project one
  chmod 640 "$manifest"
  completes
  same 0640 "$(mode_of "$manifest")"
}

@test "the manifest shows a running task while it runs, and is whole at any time" {
  project chain
  agent task-002 <<<'note up; await test -e "$TEST_NOTES/go"; work; finish'
  launch
  await noted up
  # Written a moment after the task has started.
  running() { [ "$(execution 'e["tasks"]["task-002"]["status"]')" = '"running"' ]; }
  await running
  same '["running", "completed", "running", "pending"]' "$(execution '[e["status"]] + [w["status"] for w in e["waves"]]')"
  for _ in 1 2 3 4 5 6 7 8 9 10; do
    execution e >/dev/null
  done
  : >"$TEST_NOTES/go"
  finish
  ended_with 0
  same '' "$(find "$dir" -maxdepth 1 -name 'manifest*' ! -name manifest.json)"
}

@test "a manifest that cannot be written is a warning, and the run goes on" {
  [ "$(id -u)" -ne 0 ] || skip "root may write everywhere"
  project one
  chmod a-w "$dir"
  completes
  chmod u+w "$dir"
  grep -q '^WARNING: cannot write' "$err" || { show && return 1; }
}

@test "a manifest that disappears during the run is a warning, and the run goes on" {
  project one
  agent task-001 <<<'rm -f -- "$PARALLEL_DIR/manifest.json"; work; finish'
  completes
  grep -q '^WARNING: cannot write' "$err" || { show && return 1; }
  has "$state/task-001.result" status=completed
}

@test "errors and names with quotes and backslashes are quoted in the manifest" {
  project one
  git -C "$project" checkout --quiet -b 'a"b'
  completes
  same '"a\"b"' "$(execution 'e["base_branch"]')"
}
