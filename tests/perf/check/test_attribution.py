import pytest

from ich_jax.perf.check import attribution
from ich_jax.perf.check.trees import Change

INSERTED = [Change("a.py", (10, 0), (11, 2))]
CHANGES = [Change("a.py", (3, 1), (3, 4)), Change("a.py", (10, 0), (14, 2)), Change("a.py", (20, 2), (24, 0))]


def test_lines_after_a_change_have_moved() -> None:
    moved = attribution.Moved(CHANGES)
    assert [moved.line("a.py", line) for line in (2, 5, 10, 11, 19, 22)] == [2, 8, 13, 16, 24, 25]
    assert moved.line("b.py", 7) == 7


def test_what_a_changed_line_brought_comes_first() -> None:
    base = [["a.py", 12, False, "net/Dense_0", "add", 3]]
    head = [
        ["a.py", 14, False, "net/Dense_0", "add", 3],
        ["a.py", 11, True, "jit(step)/transpose(jvp(net))/up2/Conv_0", "transpose", 4],
        ["b.py", 5, False, "", "mul", 1],
    ]
    found = attribution.attribute(base, head, INSERTED)
    assert [str(cause) for cause in found.causes] == ["a.py:11 [net/up2/Conv_0] +4 transpose", "b.py:5 +1 mul"]
    assert found.unattributed == pytest.approx(0.2)


def test_operations_that_moved_to_another_line_are_none_that_came() -> None:
    base, head = [["a.py", 3, True, "", "add", 2]], [["a.py", 7, True, "", "add", 2], ["a.py", 9, False, "", "exp", 1]]
    found = attribution.attribute(base, head, [])
    assert {cause.place for cause in found.causes} == {"a.py:3 (base)", "a.py:7", "a.py:9"}
    assert found.unattributed == 1.0
    assert attribution.attribute(head[1:], head[1:], []).causes == ()
