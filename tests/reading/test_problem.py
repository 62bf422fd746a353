from parallelgen.reading.problem import Problem, in_order, quoted


def test_problem_text_has_place_and_hint() -> None:
    problem = Problem(
        "tasks/task-004-api.md", "deps[1]", "unknown task 'task-0O2'", "did you mean 'task-002'?"
    )
    first, second = str(problem).split("\n")
    assert first == "error: tasks/task-004-api.md: deps[1]: unknown task 'task-0O2'"
    assert second == "  did you mean 'task-002'?"


def test_problems_come_in_natural_order_and_once() -> None:
    mixed = [Problem(file, place, "m") for file in ("b", "a10", "a9") for place in ("deps[10]", "deps[2]")]
    found = [(problem.file, problem.place) for problem in in_order([*mixed, *mixed])]
    assert found == [(file, place) for file in ("a9", "a10", "b") for place in ("deps[2]", "deps[10]")]


def test_subjects_cannot_break_a_line_or_a_terminal() -> None:
    assert quoted("a\n\x1b[31m\ud800é") == "'a\\n\\x1b[31m\\ud800é'"
