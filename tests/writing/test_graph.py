import json

from parallelgen.planning.plan import Plan, Task, Wave
from parallelgen.settings import Settings
from parallelgen.writing import graph

FIRST = Task(
    "task-001", "task-001-users", 1, (), None, "prompts/task-001.txt", "users", "a", setup="x", verify="+y"
)
SECOND = Task("task-002", "task-002-api", 2, ("task-001",), 60, "prompts/task-002.txt")
PLAN = Plan(
    'TS "1" \\',
    "TS-0001",
    (Wave(1, (FIRST,), "pytest"), Wave(2, (SECOND,))),
    Settings(skip=("task-002",), branch_prefix="team-", setup="npm ci"),
)


def test_mermaid() -> None:
    assert (
        graph.mermaid(PLAN)
        == """\
flowchart TD
  subgraph wave1["Wave 1"]
    t1["task-001-users"]
  end
  subgraph wave2["Wave 2"]
    t2["task-002-api"]
  end
  t1 --> t2
"""
    )


def test_dot() -> None:
    assert (
        graph.dot(PLAN)
        == """\
digraph "TS \\"1\\" \\\\" {
  rankdir=LR
  node [shape=box]
  subgraph cluster_1 {
    label="Wave 1"
    "task-001" [label="task-001-users"]
  }
  subgraph cluster_2 {
    label="Wave 2"
    "task-002" [label="task-002-api"]
  }
  "task-001" -> "task-002"
}
"""
    )


def test_json() -> None:
    value = json.loads(graph.json(PLAN))
    assert [wave["wave"] for wave in value["waves"]] == [1, 2]
    assert (value["cli"], value["model"]) == ("claude", None)
    assert (value["setup"], value["verify"]) == ("npm ci", None)
    assert (value["integrate"], value["verify_integration"]) == ("no", None)
    assert value["waves"][0]["validation"] == "pytest"
    assert [value["waves"][0]["tasks"][0][step] for step in ("setup", "verify")] == ["x", "+y"]
    assert value["waves"][1]["tasks"] == [
        {
            "id": "task-002",
            "name": "task-002-api",
            "deps": ["task-001"],
            "branch": "team-task-002-api",
            "worktree": "../workspaces/task-002",
            "prompt": "prompts/task-002.txt",
            "timeout": 60,
            "cli": None,
            "model": None,
            "setup": None,
            "verify": None,
            "component": None,
            "agent": None,
            "skipped": True,
        }
    ]
