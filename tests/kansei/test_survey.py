"""Questionnaires: equal to scipy and statsmodels, to brute force, and to the counts that the paper publishes."""

import itertools
import json
from pathlib import Path

import jax
import numpy as np
import pytest

from ich_jax import errors
from ich_jax.kansei import published, survey

REFERENCE = json.loads((Path(__file__).resolve().parents[1] / "reference" / "kansei_survey.json").read_text())
KEY = jax.random.key(0)


def test_the_worked_example_of_the_paper():
    """509 returned, 7 invalid and 2 largely blank, 500 valid."""
    rng = np.random.default_rng(0)
    answers = rng.integers(1, 6, (509, 12)).astype(float)
    answers[:, 0], answers[:, 1] = 1.0, 2.0  # nobody straight-lines by chance
    answers[[3, 77], 2:] = np.nan
    answers[[10, 20, 30, 40, 50, 60, 70]] = 4.0
    found = survey.screen(answers)
    assert (found.n_returned, found.n_valid) == (published.DEMAND.returned, published.DEMAND.valid)
    assert dict(zip(found.reasons, found.rejected.tolist(), strict=True)) == {"largely blank": 2, "straight-lined": 7}
    assert found.reason[3] == "largely blank" and found.reason[10] == "straight-lined" and found.reason[0] == ""
    assert found.valid.sum() == 500


def test_every_rule_gives_its_reason_and_the_first_one_counts():
    answers = np.array(
        [
            [1, 2, 3, 4],
            [1, np.nan, 3, 4],
            [np.nan, np.nan, np.nan, 4],
            [2, 2, 2, 2],
            [1, 2, 3, 4],
            [4, 3, 2, 1],
            [2, 4, 1, 1.0],
        ]
    )
    rules = survey.Rules(straight_line=4, least_seconds=20, duplicates=True)
    seconds = [60, 5, 60, 60, 60, 10, np.nan]
    found = survey.screen(answers, rules, seconds=seconds, attention=[1, 1, 1, 1, 1, 1, 0])
    assert found.reason == (
        "",
        "incomplete",
        "largely blank",
        "straight-lined",
        "duplicated",
        "too fast",
        "failed attention check",
    )


def test_shares_are_those_of_statsmodels():
    ticked = np.array(REFERENCE["ticked"])
    found = survey.multiple_response(ticked, ["a", "b", "c"])
    np.testing.assert_allclose(found.p, REFERENCE["mcnemar"], rtol=1e-12)
    np.testing.assert_allclose(np.stack([found.low, found.high], axis=1), REFERENCE["wilson"], rtol=1e-10)
    assert found.multiple and found.pair[0] == ("a", "b") and (found.p_holm >= found.p).all()


def test_options_of_one_question_exclude_each_other():
    found = survey.single_response(["扇", "书", "扇", "耳环", "扇", "书"])
    assert dict(zip(found.option, found.count.tolist(), strict=True)) == {"扇": 3, "书": 2, "耳环": 1}
    assert found.share.sum() == pytest.approx(1.0)
    fan_book = dict(zip(found.pair, found.p, strict=True))[("书", "扇")]
    assert fan_book == 1.0  # 2 against 3


def test_counts_of_the_paper():
    found = survey.grim(list(published.DEMAND_PERCENT.values()), published.DEMAND.valid)
    assert found.possible.all() and found.count.tolist() == [178, 298, 306, 156] and found.informative
    bounds = survey.overlap_bounds(298, 306, 500)
    assert (bounds.overlap_low, bounds.overlap_high) == (104, 298)
    assert 0.6 < bounds.p_independent < 0.7 and bounds.p_low < 0.01 < bounds.p_high


def test_bounds_hold_for_every_overlap():
    n, first, second = 12, 7, 9
    p = []
    for both in range(max(0, first + second - n), min(first, second) + 1):
        table = np.zeros((n, 2))
        table[:first, 0] = 1
        table[first - both : first - both + second, 1] = 1
        assert (table.sum(axis=0) == [first, second]).all()
        p.append(survey.multiple_response(table, ["a", "b"]).p[0])
    found = survey.overlap_bounds(first, second, n)
    assert (found.p_low, found.p_high) == (min(p), max(p))


def test_grim_is_the_list_of_all_counts():
    n = 157
    shown = {round(100 * k / n, 2) for k in range(n + 1)}
    percent = np.array([92.99, 50.0, 33.33, 12.74, 12.75])
    found = survey.grim(percent, n, decimals=2)
    assert found.possible.tolist() == [p in shown for p in percent.tolist()]
    assert not survey.grim([92.99], 200, decimals=2).possible[0]  # as the claims check says: n is at least 157


def test_cross_table_is_that_of_scipy():
    found = survey.cross_table(np.array(REFERENCE["rows"]), np.array(REFERENCE["columns"]))
    np.testing.assert_allclose([found.chi2, found.df, found.p], REFERENCE["chi2"], rtol=1e-12)
    np.testing.assert_allclose(found.cramers_v, REFERENCE["cramers_v"], rtol=1e-12)
    assert found.cramers_v_corrected <= found.cramers_v
    np.testing.assert_allclose((found.count - found.expected).sum(axis=0), 0, atol=1e-12)


def test_ranks_of_importance():
    rng = np.random.default_rng(4)
    names = ["price", "aesthetics", "quality", "origin"]
    scores = np.clip(np.round(rng.normal([3.6, 4.4, 3.5, 2.0], 0.8, (300, 4))), 1, 5)
    found = survey.importance_ranks(scores, names, key=KEY, n_resamples=1999)
    assert found.aspect[0] == "aesthetics" and found.p_first[0] == 1.0 and found.rank_high[0] == 1.0
    np.testing.assert_allclose(found.mean, np.sort(scores.mean(axis=0))[::-1], rtol=1e-12)
    assert found.p_order.sum() == pytest.approx(1.0) and len(found.orders[0]) == 3
    assert {order[0] for order in found.orders} == {"aesthetics"}
    shuffled = survey.importance_ranks(scores[:, ::-1], names[::-1], key=KEY, n_resamples=1999)
    assert shuffled.aspect == found.aspect
    np.testing.assert_allclose(shuffled.low, found.low, rtol=1e-12)


def test_aspects_that_tie_share_the_first_place():
    scores = np.repeat([[5.0, 5.0, 1.0]], 6, axis=0)
    found = survey.importance_ranks(scores, ["a", "b", "c"], key=KEY, n_resamples=99)
    assert dict(zip(found.aspect, found.p_first, strict=True)) == {"a": 0.5, "b": 0.5, "c": 0.0}
    assert found.rank_low[0] == found.rank_high[0] == 1.5


def test_raking_meets_every_margin_and_keeps_odds_ratios():
    rng = np.random.default_rng(6)
    sex, age = rng.choice(["f", "m"], 400, p=[0.7, 0.3]), rng.choice(["20", "40", "60"], 400, p=[0.6, 0.3, 0.1])
    margins = {"sex": {"f": 0.5, "m": 0.5}, "age": {"20": 0.3, "40": 0.4, "60": 0.3}}
    found = survey.rake({"sex": sex, "age": age}, margins)
    assert found.converged and found.largest_gap <= 1e-10
    for name, labels in (("sex", sex), ("age", age)):
        for category, share in margins[name].items():
            assert found.weight[labels == category].sum() / 400 == pytest.approx(share, abs=1e-9)
    weight = {(s, a): found.weight[(sex == s) & (age == a)] for s, a in itertools.product("fm", ("20", "40", "60"))}
    assert all(np.ptp(cell) < 1e-12 for cell in weight.values())  # one weight a cell, a product of its factors
    ratio = [weight["f", a][0] / weight["m", a][0] for a in ("20", "40", "60")]
    np.testing.assert_allclose(ratio, ratio[0], rtol=1e-9)
    assert found.design_effect == pytest.approx(1 + found.weight.var() / found.weight.mean() ** 2, rel=1e-12)


def test_rare_levels_are_reached_and_not_lumped():
    sample = np.array(["a"] * 95 + ["b"] * 4 + ["c"])
    found = survey.rake({"x": sample}, {"x": {"a": 0.86, "b": 0.07, "c": 0.07}})
    np.testing.assert_allclose(found.reached, found.target, atol=1e-10)


def test_raking_that_stops_early_says_so():
    rng = np.random.default_rng(7)
    x, y = rng.choice(["a", "b"], 50), rng.choice(["u", "v"], 50)
    margins = {"x": {"a": 0.9, "b": 0.1}, "y": {"u": 0.2, "v": 0.8}}
    found = survey.rake({"x": x, "y": y}, margins, max_iterations=1)
    assert not found.converged and found.iterations == 1 and found.largest_gap > 1e-10


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: survey.screen(np.zeros((0, 3))), "not empty"),
        (lambda: survey.screen([[1.0, np.inf]]), "infinite"),
        (lambda: survey.screen([[1.0, 2.0]], seconds=[1, 2]), "one value for each of 1"),
        (lambda: survey.multiple_response([[0, 2]], ["a", "b"]), "0 or 1"),
        (lambda: survey.multiple_response([[0, 1]], ["a", "a"]), "name of its own"),
        (lambda: survey.single_response(["a", ""]), "empty one"),
        (lambda: survey.overlap_bounds(5, 11, 10), "do not fit"),
        (lambda: survey.cross_table(["a", "a"], ["x", "y"]), "needs two on each side"),
        (lambda: survey.grim([101.0], 10), "from 0 to 100"),
        (lambda: survey.rake({"x": ["a", "b"]}, {"y": {"a": 1.0}}), "'y'"),
        (lambda: survey.rake({"x": ["a", "b"]}, {"x": {"a": 1.0}}), "has no target"),
        (lambda: survey.rake({"x": ["a"]}, {"x": {"a": 0.5, "b": 0.5}}), "cannot reach"),
        (
            lambda: survey.rake({"x": ["a"], "y": ["b"]}, {"x": {"a": 100.0}, "y": {"b": 90.0}}),
            "the same positive total",
        ),
    ],
)
def test_what_cannot_be_computed_is_refused(call, message):
    with pytest.raises(errors.DataError, match=message):
        call()


def test_rules_are_checked():
    with pytest.raises(errors.ConfigError, match=r"rules.max_blank"):
        survey.Rules(max_blank=2.0)
    with pytest.raises(errors.ConfigError, match="times are not given"):
        survey.screen([[1.0, 2.0]], survey.Rules(least_seconds=3.0))
