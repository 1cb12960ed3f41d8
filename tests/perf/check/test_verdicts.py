import itertools

import pytest

from ich_jax.perf.check import verdicts
from ich_jax.perf.check.verdicts import Difference, Outcome


def difference(fact: str, base: float, head: float) -> Difference:
    return Difference(fact, base, head, verdicts.judgement(fact, base, head))


@pytest.mark.parametrize(
    ("fact", "base", "head", "expected"),
    [
        ("operations.transpose", 4, 5, "worse"),
        ("operations.transpose", 5, 4, "better"),
        ("operations.add", 4, 5, ""),
        ("flops", 1000, 1009, ""),
        ("flops", 1000, 1011, "worse"),
        ("donated", 3, 2, "worse"),
        ("float64", 0, 1, "worse"),
        ("literal_bytes", 0, 1000, ""),
        ("literal_bytes", 0, 5000, "worse"),
        ("custom_calls.xla_python_cpu_callback", 0, 1, "worse"),
        ("custom_calls.lapack_dgesv", 0, 1, ""),
        ("compiles", 0, 1 / 3, "worse"),
        ("text_bytes", 10, 20, ""),
    ],
)
def test_which_facts_gate(fact: str, base: float, head: float, expected: str) -> None:
    assert verdicts.judgement(fact, base, head) == expected


def test_tables_are_compared_kind_by_kind_and_a_lost_fact_is_missing() -> None:
    base = {"flops": 10.0, "operations": {"transpose": 1, "add": 2}, "fingerprint": "a"}
    head = {"flops": 10.0, "operations": {"add": 2, "copy": 1}, "fingerprint": "b"}
    found = {d.fact: d.judgement for d in verdicts.compare(base, head, platform="tpu")}
    assert found == {"operations.transpose:tpu": "better", "operations.copy:tpu": "worse"}
    assert verdicts.missing(base, {"operations": {"add": 2}}) == ["flops"]
    assert verdicts.missing(base | {"text_bytes": 3}, base) == []


def test_a_cast_from_bfloat16_shows_whatever_the_number_of_convolutions() -> None:
    base, head = {"convolution_types": {"bf16": 4}}, {"convolution_types": {"bf16": 3, "f32": 1}}
    found = {d.fact: d.judgement for d in verdicts.compare(base, head)}
    assert found["convolution_types.widest"] == "worse"


def test_accepted_and_unstable_facts_do_not_gate() -> None:
    base, head = {"flops": 10.0, "temp_bytes": 5.0}, {"flops": 20.0, "temp_bytes": 50.0}
    found = verdicts.compare(base, head, accepted={"flops": "deeper"}, unstable=["temp_bytes"])
    assert [(d.fact, d.judgement, d.gates) for d in found] == [
        ("flops", "worse", False),
        ("temp_bytes", "worse", False),
    ]
    assert all(d.gates for d in verdicts.compare(base, head))
    assert verdicts.verdict(Outcome(differences=tuple(found), answer="equal", time="SAME")) == (
        "SAME",
        "flops accepted: deeper",
    )


GATE = difference("flops", 1.0, 2.0)


@pytest.mark.parametrize(
    ("outcome", "expected"),
    [
        (Outcome(missing="new", differences=(GATE,)), "NOT MEASURED"),
        (Outcome(answer="different", time="FASTER"), "DIFFERENT ANSWER"),
        (Outcome(answer="different", answer_accepted="new default", time="FASTER"), "FASTER"),
        (Outcome(differences=(GATE,), answer="equal", time="FASTER"), "SLOWER"),
        (Outcome(answer="equal", time="SLOWER"), "SLOWER"),
        (Outcome(answer="equal", time="SLOWER", time_accepted="a check"), "SAME"),
        (Outcome(answer="ulp", time="SAME"), "SAME"),
        (Outcome(answer="equal", time="UNDECIDED", further_pairs=70), "UNDECIDED"),
        (Outcome(identical=True, reached=False), "SAME"),
        (Outcome(identical=True, reached=True), "UNDECIDED"),
        (Outcome(identical=True, reached=True, answer="equal"), "SAME"),
        (Outcome(identical=True, reached=True, answer="equal", time="SLOWER"), "SLOWER"),
        (Outcome(), "UNDECIDED"),
    ],
)
def test_verdicts_of_a_workload(outcome: Outcome, expected: str) -> None:
    assert verdicts.verdict(outcome)[0] == expected


def test_nothing_that_was_not_measured_is_green() -> None:
    green = {"SAME", "FASTER"}
    for identical, reached, answer in itertools.product((True, False), (True, False), ("", "equal", "different")):
        assert (
            verdicts.verdict(Outcome(missing="x", identical=identical, reached=reached, answer=answer))[0] not in green
        )
    assert verdicts.of_change([], unreached=False) == "NOT MEASURED"
    assert verdicts.of_change(["SAME", "FASTER"], unreached=True) == "NOT MEASURED"


@pytest.mark.parametrize(
    ("found", "verdict", "code"),
    [
        (["SAME", "SAME"], "SAME", 0),
        (["SAME", "FASTER"], "FASTER", 0),
        (["SLOWER", "NOT MEASURED"], "SLOWER", 2),
        (["DIFFERENT ANSWER", "SLOWER"], "DIFFERENT ANSWER", 2),
        (["UNDECIDED", "FASTER"], "UNDECIDED", 3),
        (["NOT MEASURED", "UNDECIDED"], "NOT MEASURED", 4),
    ],
)
def test_verdict_and_exit_code_of_a_change(found: list[str], verdict: str, code: int) -> None:
    assert verdicts.of_change(found, unreached=False) == verdict
    assert verdicts.exit_code(verdict) == code


def test_facts_that_move_between_two_compilations() -> None:
    assert verdicts.unstable({"a": 1.0, "b": {"x": 1}}, {"a": 1.0, "b": {"x": 2, "y": 1}}) == ["b.x", "b.y"]
