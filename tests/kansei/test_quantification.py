"""Design elements and words: equal to statsmodels, to brute force, and to what was simulated."""

import itertools
import json
from pathlib import Path

import jax
import numpy as np
import pytest
from scipy import stats

from ich_jax import errors
from ich_jax.kansei import quantification
from ich_jax.types import DesignSpace, Element

REFERENCE = json.loads((Path(__file__).resolve().parents[1] / "reference" / "kansei_quantification.json").read_text())
KEY = jax.random.key(0)
ITEMS = (Element("maths", ("1", "2", "3")), Element("Japanese", ("1", "2", "3")))
ROWS = {"maths": list(map(str, REFERENCE["maths"])), "Japanese": list(map(str, REFERENCE["japanese"]))}
CODES = quantification.encode(ITEMS, ROWS)
Y = np.array(REFERENCE["y"], float)
FAN = (Element("扇形", ("圆", "折")), Element("palette", ("indigo", "red", "jade")))


def grid(elements, times=1):
    return np.array(list(itertools.product(*(range(len(e.categories)) for e in elements))) * times)


def test_category_scores_are_those_of_statsmodels():
    found = quantification.quantification_1(CODES, ITEMS, Y)
    np.testing.assert_allclose(found.score, REFERENCE["scores"], rtol=1e-10)
    np.testing.assert_allclose(np.stack([found.low, found.high], axis=1), REFERENCE["limits"], rtol=1e-8)
    np.testing.assert_allclose([found.r2, found.r2_adjusted], [REFERENCE["r2"], REFERENCE["r2_adjusted"]], rtol=1e-10)
    total = np.square(Y - Y.mean()).sum() * (20 / 19) ** 2
    assert found.r2_left_out == pytest.approx(1 - REFERENCE["press"] / total, rel=1e-10)


def test_numbers_of_the_textbook_example():
    found = quantification.quantification_1(CODES, ITEMS, Y)
    expected = [-11.6902, 5.4595, 17.9209, 6.3603, -2.3185, -1.9465]
    np.testing.assert_allclose(found.score, expected, atol=8e-4)
    np.testing.assert_allclose(found.range, [29.6111, 8.6787], atol=5e-5)
    np.testing.assert_allclose(found.partial, [0.636081, 0.235702], atol=5e-7)
    assert found.constant == 50.9 and round(found.r2, 6) == 0.405771 and found.rank == 4


def test_scores_are_centred_and_add_up_to_the_fit():
    found = quantification.quantification_1(CODES, ITEMS, Y)
    for block in (slice(0, 3), slice(3, 6)):
        assert (found.count[block] * found.score[block]).sum() == pytest.approx(0, abs=1e-10)
    np.testing.assert_allclose(found.constant + found.score[CODES[:, 0]] + found.score[3 + CODES[:, 1]], found.fitted)


def test_left_out_predictions_are_those_of_refits():
    found = quantification.quantification_1(CODES, ITEMS, Y, penalty=2.0)
    x = np.eye(3)[CODES[:, 0]], np.eye(3)[CODES[:, 1]]
    x = np.concatenate(x, axis=1)
    error = []
    for i in range(20):  # the penalised fit with an unpenalised constant, written out, without sample i
        keep = np.arange(20) != i
        rows = np.column_stack([np.ones(19), x[keep]])
        beta = np.linalg.solve(rows.T @ rows + np.diag([0.0] + [2.0] * 6), rows.T @ Y[keep])
        error.append(Y[i] - beta[0] - x[i] @ beta[1:])
    total = np.square(Y - Y.mean()).sum() * (20 / 19) ** 2
    assert found.r2_left_out == pytest.approx(1 - np.square(error).sum() / total, rel=1e-8)


def test_automatic_ridge_is_the_best_of_its_grid():
    auto = quantification.quantification_1(CODES, ITEMS, Y, penalty="auto")
    for other in (0.001, 1.0, 30.0, 1000.0):
        assert auto.r2_left_out >= quantification.quantification_1(CODES, ITEMS, Y, penalty=other).r2_left_out - 1e-12
    assert np.isnan(auto.low).all() and auto.penalty > 0


def test_relabelling_and_affine_change_of_the_scale():
    found = quantification.quantification_1(CODES, ITEMS, Y)
    turned = quantification.quantification_1(2 - CODES[:, ::-1], ITEMS[::-1], 3 - 2 * Y)
    np.testing.assert_allclose(turned.score, -2 * np.concatenate([found.score[3:][::-1], found.score[:3][::-1]]))
    np.testing.assert_allclose(turned.partial, found.partial[::-1], rtol=1e-10)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: quantification.encode(ITEMS, {"maths": ["1"], "japanese": ["1"]}), "did you mean 'japanese'"),
        (lambda: quantification.encode(ITEMS, {"maths": ["1"], "Japanese": ["4"]}), "sample 0, Japanese: '4'"),
        (lambda: quantification.quantification_1(CODES % 2, ITEMS, Y), "no sample has maths = '3'"),
        (lambda: quantification.quantification_1(CODES[:5] * 0 + grid(ITEMS)[[0, 4, 8, 1, 3]], ITEMS, Y[:5]), "ridge"),
        (lambda: quantification.quantification_1(CODES[:, [0, 0]], ITEMS, Y), "determine each other"),
        (lambda: quantification.quantification_1(CODES, ITEMS, np.ones(20)), "must differ"),
        (lambda: quantification.conjoint_analysis(CODES, ITEMS, [Y, np.ones(20)], key=KEY), "rater 1 gave"),
        (
            lambda: quantification.conjoint_analysis(CODES[:, [0, 0]], ITEMS, [Y, -Y], key=KEY),
            "cannot be distinguished",
        ),
        (lambda: quantification.correspondence_analysis([[1, 0], [2, 0]]), "column 1 is empty"),
    ],
)
def test_what_is_not_identified_is_refused(call, message):
    with pytest.raises(errors.DataError, match=message):
        call()


@pytest.mark.parametrize("penalty", ["most", -1.0, np.nan])
def test_penalties_are_checked(penalty):
    with pytest.raises(errors.ConfigError, match="penalty"):
        quantification.quantification_1(CODES, ITEMS, Y, penalty=penalty)


def test_profiles_are_every_combination_with_the_limits_of_statsmodels():
    fits = {"light": quantification.quantification_1(CODES, ITEMS, Y)}
    found = quantification.score_profiles(fits, {"light": 1.0})
    assert len(found.codes) == 9 and found.codes[0].tolist() == [2, 0]
    got = [found.prediction[0, 0], found.low[0, 0], found.high[0, 0]]
    np.testing.assert_allclose(got, REFERENCE["prediction"], rtol=1e-8)
    assert (np.diff(found.desired) <= 0).all()
    for codes, prediction in zip(found.codes, found.prediction, strict=True):
        fit = fits["light"]
        assert prediction[0] == pytest.approx(fit.constant + fit.score[codes[0]] + fit.score[3 + codes[1]])


def test_a_wanted_profile_leaves_as_a_brief():
    codes = grid(FAN, 3)
    rng = np.random.default_rng(0)
    warm = codes[:, 0] * 2.0 - (codes[:, 1] == 1) + rng.normal(0, 0.1, len(codes))
    light = -codes[:, 0] + rng.normal(0, 0.1, len(codes))
    fits = {word: quantification.quantification_1(codes, FAN, y) for word, y in (("warm", warm), ("light", light))}
    best = quantification.score_profiles(fits, {"warm": 1.0})
    assert best.brief(0)["扇形"] == "折" and best.brief(0)["palette"] != "red"
    lightest = quantification.score_profiles(fits, {"warm": 0.1, "light": 1.0})
    assert lightest.brief(0)["扇形"] == "圆"
    brief = DesignSpace(("fan",), FAN).brief(product="fan", **best.brief(0))
    assert brief.given.sum() == 3
    with pytest.raises(errors.ConfigError, match="'warmth'"):
        quantification.score_profiles(fits, {"warmth": 1.0})
    with pytest.raises(errors.ConfigError, match="no word is wanted"):
        quantification.score_profiles(fits, {"warm": 0.0})
    with pytest.raises(errors.DataError, match="6 combinations are more than 5"):
        quantification.score_profiles(fits, {"warm": 1.0}, max_profiles=5)


def test_conjoint_recovers_part_worths_and_shows_the_importance_of_noise():
    elements = (Element("two", ("a", "b")), Element("five", tuple("abcde")))
    codes = grid(elements, 2)
    rng = np.random.default_rng(1)
    noise = quantification.conjoint_analysis(codes, elements, rng.normal(size=(60, 20)), key=KEY, n_noise=299)
    assert 0.18 < noise.noise[0] < 0.28 and noise.noise.sum() == pytest.approx(1.0)
    assert noise.low[0] < noise.noise[0] < noise.high[0]
    truth = np.array([-0.5, 0.5, -1.0, -0.5, 0.0, 0.5, 1.0])
    signal = truth[codes[:, 0]] + truth[2 + codes[:, 1]]
    ratings = signal + rng.normal(0, 1, (80, 20))
    found = quantification.conjoint_analysis(codes, elements, ratings, key=KEY, n_noise=99)
    np.testing.assert_allclose(found.part_worth, truth, atol=0.2)
    assert (found.part_worth_low < truth).mean() > 0.7 and (found.part_worth_high > truth).mean() > 0.7
    exact = quantification.conjoint_analysis(codes, elements, np.stack([signal, signal]), key=KEY, n_noise=9)
    np.testing.assert_allclose(exact.importance, [1 / 3, 2 / 3], rtol=1e-10)


def test_correspondence_analysis_keeps_chi_squared_and_the_table():
    counts = np.random.default_rng(2).integers(1, 20, (5, 4))
    found = quantification.correspondence_analysis(counts)
    chi2 = stats.chi2_contingency(counts, correction=False).statistic
    assert found.total * counts.sum() == pytest.approx(chi2, rel=1e-12)
    mass = found.row_mass[:, None] * found.column_mass[None, :]
    rebuilt = mass * (1 + found.rows @ np.diag(1 / np.sqrt(found.inertia)) @ found.columns_of.T)
    np.testing.assert_allclose(rebuilt * counts.sum(), counts, rtol=1e-10)
    np.testing.assert_allclose(found.row_mass @ found.rows, 0, atol=1e-12)
    np.testing.assert_allclose(found.row_mass @ found.rows**2, found.inertia, rtol=1e-10)


def test_raters_without_part_worths_find_all_elements_alike():
    elements = (Element("a", ("x", "y")), Element("b", ("p", "q")))
    codes = np.array([[0, 0], [0, 1], [1, 0], [1, 1]] * 2)
    flat = np.array([1.0, 1.0, 1.0, 1.0, 2.0, 2.0, 2.0, 2.0])  # varies, but with no element
    found = quantification.conjoint_analysis(codes, elements, np.stack([flat, 3 - flat]), key=jax.random.key(0))
    np.testing.assert_allclose(found.importance, [0.5, 0.5])
    assert np.isfinite(found.noise).all() and np.isfinite(found.noise_high).all()
