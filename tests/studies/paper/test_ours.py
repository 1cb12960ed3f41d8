"""Second verdicts from stored results of our experiments, and from results made for one figure each."""

import json
from pathlib import Path
from typing import Any

import pytest

from ich_jax.studies.paper import ours

RESULTS = Path(__file__).resolve().parents[3] / "docs" / "results"
STORED = {
    "error_comparison": "error_comparison/full",
    "interference": "interference/full",
    "pulse": "interference/pulse",
    "benefit": "econometrics/economic_benefit",
}


@pytest.fixture(scope="module")
def results() -> dict[str, Any]:
    return {stage: json.loads((RESULTS / path / "results.json").read_text()) for stage, path in STORED.items()}


def test_verdicts_of_the_stored_results(results: dict[str, Any]) -> None:
    found = ours.second_verdicts(results)
    assert {claim: one.verdict for claim, one in found.items()} == {
        16: "FAILS",  # 10, 7 and 9 of 897 designs beyond 0.5
        17: "FAILS",  # the earrings are affected least
        20: "FAILS",  # 5 of 6 curves recover
        22: "HOLDS",
        27: "HOLDS",
    }
    assert "10, 7, 9 of 897" in found[16].reason
    assert "least affected is earrings, most affected fan" in found[17].reason
    assert found[20].reason.startswith("83.3 %")
    assert all(one.simulated and "SIMULATED" in one.label for one in found.values())
    assert found[17].samples == "n = 3,000 designs a point, 3 seeds"


def test_other_figures_give_other_verdicts(results: dict[str, Any]) -> None:
    summary = dict(results["error_comparison"]["summary"])
    summary |= {name: 0 for name in summary if name.startswith("exceed_residual_")}
    summary |= {name: 0.5 for name in summary if name.startswith("mae_ratio_")}
    assert ours.errors_within_half({"summary": summary | {"p_max_t_designs": 0.01}}).verdict == "HOLDS"
    assert ours.errors_within_half({"summary": summary | {"p_max_t_designs": 0.2}}).verdict == "FAILS"
    means = {"acc_mean_book": 0.99, "acc_mean_fan": 0.98, "acc_mean_earrings": 0.93, "n_per_point": 100, "seeds": 1}
    assert ours.book_holds_best({"summary": means | {"book_band_low": 0.975}}).verdict == "HOLDS"
    assert ours.book_holds_best({"summary": means | {"book_band_low": 0.965}}).verdict == "FAILS"
    pulse = results["pulse"]["summary"]
    assert ours.pulses_recover({"summary": pulse | {"recovered": 1.0}}).verdict == "HOLDS"
    sales = results["benefit"]
    assert ours.benefits_are_higher(sales | {"p_adjusted": [0.01, 0.06]}).verdict == "FAILS"
    loop = {
        "part_worths": 20,
        "part_worths_covered": 0.95,
        "share_raised": 0.8,
        "share_raised_low": 0.6,
        "n_delivered": 9,
    }
    assert ours.elements_are_recovered({"summary": loop}).verdict == "HOLDS"
    assert ours.elements_are_recovered({"summary": loop | {"part_worths_covered": 0.8}}).verdict == "FAILS"
    design = {"share_meeting_brief": 0.9, "first_draw_meeting_brief": 0.8, "n_designs": 24, "n_briefs": 4}
    assert ours.designs_without_a_human_arm({"summary": design}).verdict == "NOT TESTABLE"


def test_results_that_cannot_be_read_are_said_so() -> None:
    found = ours.second_verdicts({"pulse": {"summary": {}}})
    assert found[20].verdict == "NOT TESTABLE" and "recovered" in found[20].reason
