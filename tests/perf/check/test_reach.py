from pathlib import Path

import jax
import jax.numpy as jnp

from ich_jax.perf.check import reach
from ich_jax.perf.check.trees import Change

SOURCE = '''"""Docstring."""

import math

CONSTANT = 3  # a comment


def called(x):
    """Says what it does."""
    # a comment
    if x > 2:
        y = max(
            x,
            CONSTANT,
        )
    else:
        y = 0
    return y


def never(x):
    return x
'''


def module(folder: Path) -> dict:
    path = folder / "tree" / "room" / "module.py"
    path.parent.mkdir(parents=True)
    path.write_text(SOURCE)
    names: dict = {}
    exec(compile(SOURCE, str(path), "exec"), names)
    return names


def test_statements_leave_out_what_is_no_code() -> None:
    spans = reach.statements(SOURCE)
    assert 1 not in spans and 9 not in spans and 10 not in spans and 2 not in spans
    assert spans[5] == range(5, 6)
    assert spans[11] == range(11, 12)  # the head of the branch, not its body
    assert spans[13] == range(12, 16) == spans[12]
    assert spans[8] == range(8, 9)


def test_a_decorator_belongs_to_the_head_of_its_function() -> None:
    spans = reach.statements("@first\n@second\ndef f(\n    x,\n):\n    return x\n")
    assert spans[1] == spans[4] == range(1, 6)
    assert spans[6] == range(6, 7)


def test_lines_that_run_are_recorded_those_at_import_apart(tmp_path: Path) -> None:
    recorder = reach.Recorder(tmp_path / "tree")
    try:
        with recorder.recording() as at_import:
            names = module(tmp_path)
        with recorder.recording() as lines:
            names["called"](5)
        with recorder.recording() as other:
            names["called"](1)
    finally:
        recorder.close()
    assert at_import == {}
    assert recorder.imported["room/module.py"] >= {3, 5, 8, 21}
    assert lines["room/module.py"] >= {11, 12, 18} and 17 not in lines["room/module.py"]
    assert 17 in other["room/module.py"] and 12 not in other["room/module.py"]


def test_changed_lines_are_judged_by_their_statements(tmp_path: Path) -> None:
    module(tmp_path)
    lines = {"head": {"work": {"room/module.py": [11, 12, 18]}, "idle": {}}, "base": {}}
    changes = [
        Change("room/module.py", (0, 0), (14, 1)),  # inside of the call that began on line 12
        Change("room/module.py", (0, 0), (17, 1)),
        Change("room/module.py", (0, 0), (9, 2)),  # docstring and comment
        Change("room/style.css", (0, 0), (1, 1)),
        Change("tests/test_module.py", (0, 0), (1, 1)),
    ]
    (tmp_path / "tree" / "room" / "style.css").write_text("p {}\n")
    found, aside = reach.judge(changes, {"head": tmp_path / "tree"}, lines, ["room"])
    by_line = {(each.path, each.lines): each.workloads for each in found}
    assert by_line == {
        ("room/module.py", (14,)): ("work",),
        ("room/module.py", (17,)): (),
        ("room/style.css", (1,)): (),
    }
    assert aside == ["tests/test_module.py"]


def test_constants_count_for_who_runs_a_function_of_their_file() -> None:
    imported = {"a.py": {1, 2}, "b.py": {1}}
    assert reach.union({"a.py": {7}}, {"a.py": {8}, "c.py": {3}}, imported) == {"a.py": [1, 2, 7, 8], "c.py": [3]}


def test_equations_know_their_lines_in_the_tree() -> None:
    here = Path(__file__)
    frames = reach.Frames(here.parent)

    def inner(x: jax.Array) -> jax.Array:
        return jnp.sin(x)

    first = inner.__code__.co_firstlineno
    program = jax.make_jaxpr(lambda x: inner(x) + 1.0)(1.0)
    (sine,) = [equation for equation in program.jaxpr.eqns if equation.primitive.name == "sin"]
    chain = frames.calls(sine)
    assert chain[0] == (here.name, first + 1)
    assert (here.name, first + 4) in chain
    assert {first + 1, first + 4} <= frames.lines(program.jaxpr)[here.name]
    assert reach.Frames(here.parents[1] / "elsewhere").calls(sine) == ()
