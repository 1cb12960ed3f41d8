"""Every verdict against what was computed by hand (or by another program) from the paper's text."""

import dataclasses
from typing import Any

import numpy as np
import pytest

from ich_jax.kansei import published
from ich_jax.studies.paper.claims import CLAIMS
from ich_jax.studies.paper.deciding import VERDICTS, Claim, Decided, counts, decide, decide_all
from ich_jax.studies.paper.stated import Objective, Paper, ResidualForms
from ich_jax.types import Element

BY_NUMBER = {claim.number: claim for claim in CLAIMS}
FROM_OWN_FIGURES = {1, 2, 3, 4, 5, 6, 8, 9, 10, 11, 12, 14, 15, 17, 19, 21, 23, 28}
OF_TABLE_2 = {8, 9, 10, 11, 12, 13, 14, 15}  # they take its scores


@pytest.fixture(scope="module")
def decided() -> dict[int, Decided]:
    return {item.claim.number: item for item in decide_all(CLAIMS)}


def evidence(decided: dict[int, Decided], number: int) -> dict[str, Any]:
    return {measure.name: measure for measure in decided[number].finding.evidence}


def again(number: int, **changed: Any) -> str:
    return decide(BY_NUMBER[number], dataclasses.replace(Paper(), **changed)).verdict


def given(number: int, **data: Any) -> str:
    return again(number, unpublished=data)


# ---------------------------------------------------------------- the list


def test_there_are_thirty_and_their_verdicts_are_as_found_by_hand(decided: dict[int, Decided]) -> None:
    assert [claim.number for claim in CLAIMS] == list(range(1, 31))
    by_hand = {
        **dict.fromkeys((1, 2, 3, 4, 8, 9, 11, 17, 21), "HOLDS"),
        5: "FAILS",
        **dict.fromkeys((6, 10, 19, 23), "CONTRADICTS"),
        28: "ERROR",
        12: "WORDING",
        **dict.fromkeys((7, 13, 16, 18, 20, 22, 29, 30), "NOT TESTABLE"),
        **dict.fromkeys((24, 25, 26, 27), "UNSUPPORTED"),
        **dict.fromkeys((14, 15), "REMARK"),
    }
    assert {number: item.finding.verdict for number, item in decided.items()} == by_hand


def test_counts_add_up(decided: dict[int, Decided]) -> None:
    found = counts(list(decided.values()))
    assert found["claims"] == 30 == sum(found.values()) - 30
    assert len(found) == 1 + len(VERDICTS)


def test_every_claim_takes_the_paper_and_needs_are_declared() -> None:
    fields = {field.name for field in dataclasses.fields(Paper)}
    for claim in CLAIMS:
        assert claim.uses <= fields
        assert bool(claim.needs) == bool(claim.without)
    assert {claim.number for claim in CLAIMS if not claim.needs} == FROM_OWN_FIGURES


# ---------------------------------------------------------------- numbers computed by hand


def test_numbers_of_the_questionnaires(decided: dict[int, Decided]) -> None:
    assert evidence(decided, 1)["valid rate, %"].value == pytest.approx(98.23, abs=0.005)
    shares = [m for m in decided[2].finding.evidence if m.n == 500]
    assert [m.note for m in shares] == ["178", "298", "306", "156"]
    assert [(round(m.low, 1), round(m.high, 1)) for m in shares] == [
        (31.5, 39.9),
        (55.2, 63.8),
        (56.9, 65.4),
        (27.3, 35.4),
    ]  # Wilson's limits
    assert evidence(decided, 2)["p that the two reasons differ"].value == pytest.approx(0.65, abs=0.005)
    assert [round(m.value, 1) for m in decided[3].finding.evidence] == [97.5, 97.4, 95.0]


def test_numbers_of_table_1(decided: dict[int, Decided]) -> None:
    assert [m.value for m in decided[4].finding.evidence] == [-1.88, 1.38]
    notes = {m.name: m.note for m in decided[5].finding.evidence}
    assert notes["Sample 2 above Sample 3"] == "worst-case z 3.47 (independent), 2.45"
    assert notes["Sample 7 above Sample 3"] == "worst-case z 6.07 (independent), 4.30"
    assert notes["Sample 2 above Sample 4"] == "worst-case z 0.93 (independent), 0.65"
    assert "Sample 7 and Sample 9" in decided[5].finding.reason
    assert "Simple, Effortless and the means over the words" in decided[5].finding.reason
    assert evidence(decided, 7)["KMO"].value == pytest.approx(0.581, abs=5e-4)
    assert evidence(decided, 7)["Bartlett p"].value == pytest.approx(0.0208, abs=5e-5)
    assert evidence(decided, 7)["components above noise"].value == 1


def test_numbers_of_table_2(decided: dict[int, Decided]) -> None:
    assert [m.value for m in decided[8].finding.evidence] == [21.5, 17.3]
    of = evidence(decided, 9)
    difference = of["difference of means"]
    assert (difference.value, round(difference.low, 2), round(difference.high, 2)) == (pytest.approx(4.2), 1.72, 6.68)
    assert of["Welch p"].value == pytest.approx(0.0029, abs=5e-5)
    assert of["exact permutation p"].value == pytest.approx(354 / 184_756, abs=1e-12)
    assert of["Hedges' g"].value == pytest.approx(1.57, abs=0.005)
    assert of["Mann-Whitney p, exact with ties"].value == pytest.approx(0.0021, abs=5e-5)
    assert of["least d found with 80 % power"].value == pytest.approx(1.32, abs=0.005)
    assert of["power at the observed d"].value == pytest.approx(0.93, abs=0.01)
    bounds = evidence(decided, 13)
    assert bounds["ICC(1,5), experimental"].high == pytest.approx(0.60, abs=0.005)
    assert bounds["ICC(1,1), experimental"].high == pytest.approx(0.23, abs=0.005)
    assert bounds["ICC(1,5), control"].high == pytest.approx(0.92, abs=0.005)
    assert evidence(decided, 14)["ratio of standard deviations"].value == pytest.approx(0.48, abs=0.005)
    assert evidence(decided, 14)["Levene p"].value == pytest.approx(0.058, abs=5e-4)
    assert evidence(decided, 15)["sign-flip p"].value == pytest.approx(2 / 1024)


def test_numbers_of_the_algorithm(decided: dict[int, Decided]) -> None:
    assert [round(m.value, 1) for m in decided[16].finding.evidence[:3]] == [56.9, 30.6, 35.1]
    assert evidence(decided, 16)["least p-value of three axes"].value == 0.25
    assert evidence(decided, 18)["smallest possible n"].value == 157  # 146 / 157 = 92.994 %
    assert evidence(decided, 18)["possible n up to 2,000"].value == 201
    assert "478,880" in decided[21].finding.reason and "408,070" in decided[21].finding.reason
    assert decided[22].finding.evidence[0].value == 0.125  # 2 of the 16 sign vectors
    assert decided[28].finding.evidence[0].value == pytest.approx(-2.0)  # -1 / (1 - p) at 1/2


# ---------------------------------------------------------------- another number, another verdict


def test_a_wrong_number_in_table_2_changes_what_depends_on_it_and_nothing_else(decided: dict[int, Decided]) -> None:
    control = published.REVIEW_CONTROL.copy()
    control[5] = 48.0  # 12 was printed; five scores up to 5 cannot give it
    wrong = dataclasses.replace(Paper(), review_control=control)
    found = {item.claim.number: item.finding for item in decide_all(CLAIMS, wrong)}
    changed = {number for number, item in decided.items() if item.finding.verdict != found[number].verdict}
    assert changed == {8, 9, 12, 15}
    touched = {number for number, item in decided.items() if repr(item.finding) != repr(found[number])}
    assert changed <= touched <= OF_TABLE_2
    assert {claim.number for claim in CLAIMS if claim.uses & {"review_control", "review_experimental"}} == OF_TABLE_2


def test_a_slight_slip_in_table_2_changes_its_mean_only(decided: dict[int, Decided]) -> None:
    experimental = published.REVIEW_EXPERIMENTAL.copy()
    experimental[0] = 21.0  # 20 was printed
    wrong = dataclasses.replace(Paper(), review_experimental=experimental)
    found = {claim.number: decide(claim, wrong).verdict for claim in CLAIMS if claim.number in OF_TABLE_2}
    assert {number for number, verdict in found.items() if verdict != decided[number].finding.verdict} == {8}


@pytest.mark.parametrize(
    ("number", "changed", "verdict"),
    [
        (1, {"demand": published.Returned(0, 510, {"invalid": 7, "largely blank": 2}, 500)}, "FAILS"),
        (2, {"demand_percent": {**published.DEMAND_PERCENT, "prefers jewellery": 31.3}}, "FAILS"),
        (3, {"imagery": published.Returned(200, 195, {"invalid": 6}, 190)}, "FAILS"),
        (4, {"scale": (-1.5, 1.5)}, "FAILS"),
        (5, {"example_high": ("Sample 7", "Sample 9"), "example_low": ("Sample 3", "Sample 5")}, "HOLDS"),
        (6, {"example_term": "emotional"}, "HOLDS"),
        (10, {"groups_per_arm": 10}, "HOLDS"),
        (11, {"students": {"graduate": 20, "undergraduate": 22}}, "FAILS"),
        (12, {"scale_name": "Likert"}, "HOLDS"),
        (14, {"review_control": published.REVIEW_EXPERIMENTAL - 4, "review_experimental": published.REVIEW_CONTROL + 4},
         "FAILS"),
        (17, {"least_affected": ("book", 92.0)}, "FAILS"),
        (19, {"most_affected_accuracy": {"3.2.1": ("least", 92.99), "4": ("least", 92.99)}}, "HOLDS"),
        (21, {"benefits": {"abstract": {"earrings": 1118.0}, "4": {"earrings": 1181.0}}}, "CONTRADICTS"),
        (23, {"doll_names": {"text": "figurine", "captions": "figurine"}}, "HOLDS"),
        (28, {"generator_objective": Objective("min", "G")}, "ERROR"),  # equation (4) is still the residual one
        (28, {"generator_objective": Objective("min", "G"), "residual_forms": ResidualForms((1.0, 0.0), (1.0, -1.0))},
         "HOLDS"),
        (28, {"generator_objective": Objective("max", "G"), "residual_forms": ResidualForms((1.0, 0.0), (1.0, -1.0))},
         "ERROR"),
    ],
)  # fmt: skip
def test_other_figures_give_another_verdict(number: int, changed: dict[str, Any], verdict: str) -> None:
    assert again(number, **changed) == verdict


# ---------------------------------------------------------------- with the data that the paper does not give


RANDOM = np.random.default_rng(3)
QUALITY = np.linspace(-2.0, 2.0, 10)
AGREEING = QUALITY[None, :, None] + 0.3 * RANDOM.normal(size=(40, 10, 6))
NOISE = RANDOM.normal(size=(4, 10, 6))
ELEMENT = Element("handle", ("long", "short"))
CODES = (published.TABLE_1[:, :1] > 0.45).astype(int)
LEVEL = 100.0 + RANDOM.normal(size=30)


@pytest.mark.parametrize(
    ("number", "data", "verdict"),
    [
        (7, {"ratings": AGREEING}, "HOLDS"),
        (7, {"ratings": NOISE}, "FAILS"),
        (13, {"scores": np.clip(np.arange(20)[:, None] // 5 + np.array([1, 1, 1, 2, 1]), 1, 5)}, "HOLDS"),
        (13, {"scores": RANDOM.integers(1, 6, (20, 5))}, "FAILS"),
        (16, {"axis_errors": {"plain": np.full((12, 3), 0.7), "residual": np.full((12, 3), 0.2)}}, "HOLDS"),
        (16, {"axis_errors": {"plain": np.full((12, 3), 0.7), "residual": np.full((12, 3), 0.6)}}, "FAILS"),
        (18, {"accuracy_n": 157}, "HOLDS"),
        (18, {"accuracy_n": 1000}, "FAILS"),
        (20, {"accuracy_curves": {"book": ([98.0, 98.0, 90.0, 97.5], 2)}}, "HOLDS"),
        (20, {"accuracy_curves": {"book": ([98.0, 98.0, 90.0, 95.0], 2)}}, "FAILS"),
        (22, {"daily_benefits": {"fan": (LEVEL + 20, LEVEL, LEVEL - 5)}}, "HOLDS"),
        (22, {"daily_benefits": {"fan": (LEVEL, LEVEL + 0.1, LEVEL)}}, "FAILS"),
        (24, {"regional_growth": (LEVEL[:9] + 9, LEVEL[9:18])}, "HOLDS"),
        (24, {"regional_growth": (LEVEL[:9], LEVEL[:9] + 0.1)}, "FAILS"),
        (25, {"design_hours": (LEVEL[:9] - 9, LEVEL[9:18])}, "HOLDS"),
        (25, {"design_hours": (LEVEL[:9] + 9, LEVEL[9:18])}, "FAILS"),
        (26, {"forms": (CODES, (ELEMENT,))}, "FAILS"),
        (27, {"product_tables": {name: np.zeros((10, 6)) for name in ("hand puppet", "earrings", "book")}}, "HOLDS"),
        (27, {"product_tables": {"book": np.zeros((10, 6))}}, "FAILS"),
        (29, {"assignment": [("control", "random"), ("experimental", "random")]}, "HOLDS"),
        (29, {"assignment": [("control", "random"), ("experimental", "chosen")]}, "FAILS"),
        (30, {"importance_scores": {"quality": LEVEL, "price": LEVEL + 5, "aesthetics": LEVEL + 9}}, "HOLDS"),
        (30, {"importance_scores": {"quality": LEVEL + 9, "price": LEVEL + 5, "aesthetics": LEVEL}}, "FAILS"),
    ],
)  # fmt: skip
def test_given_the_data_the_verdict_changes(number: int, data: dict[str, Any], verdict: str) -> None:
    assert given(number, **data) == verdict


def test_forms_that_carry_all_words_hold() -> None:
    table = np.where(CODES == 1, 1.0, -1.0) + 0.05 * RANDOM.normal(size=(10, 6))
    assert again(26, table_1=table, unpublished={"forms": (CODES, (ELEMENT,))}) == "HOLDS"


def test_each_undecided_claim_is_decided_once_its_data_are_there(decided: dict[int, Decided]) -> None:
    tried = {7, 13, 16, 18, 20, 22, 24, 25, 26, 27, 29, 30}
    assert {number for number, item in decided.items() if item.claim.needs} == tried
    for number in tried:
        claim: Claim = decided[number].claim
        assert decided[number].finding.verdict == claim.without
        assert all(text in decided[number].finding.reason for _, text in claim.needs)
