"""Semantic differentials: equal to pingouin, irr, krippendorff and factor_analyzer, and to what Table 1 implies."""

import itertools
import json
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ich_jax import errors
from ich_jax.kansei import published, semantic
from ich_jax.kansei.semantic import components, extraction, reliability
from ich_jax.uncertainty import float64

REFERENCE = json.loads((Path(__file__).resolve().parents[1] / "reference" / "kansei_semantic.json").read_text())
KEY = jax.random.key(0)
UNITS = np.array(REFERENCE["units"], float)
WORDS = np.array(REFERENCE["words"], float)


def long_rows(cube):
    raters, samples, words = np.indices(cube.shape)
    names = (
        [f"rater {r}" for r in raters.ravel()],
        [f"扇 {s}" for s in samples.ravel()],
        [f"w{w}" for w in words.ravel()],
    )
    return (*names, cube.ravel())


# ---------------------------------------------------------------- ratings


def test_table_of_means_is_that_of_numpy_whatever_the_order_of_rows():
    cube = np.random.default_rng(0).integers(-3, 4, (7, 4, 3)).astype(float)
    columns = long_rows(cube)
    found = semantic.mean_table(*columns, scale=(-3, 3))
    np.testing.assert_allclose(found.mean, cube.mean(axis=0), atol=1e-15)
    np.testing.assert_allclose(found.sd, cube.std(axis=0, ddof=1), rtol=1e-12)
    assert (found.n == 7).all() and found.samples[0] == "扇 0"
    order = np.random.default_rng(1).permutation(cube.size)
    shuffled = semantic.mean_table(*([column[i] for i in order] for column in columns), scale=(-3, 3))
    where = [shuffled.samples.index(name) for name in found.samples]
    across = [shuffled.words.index(name) for name in found.words]
    np.testing.assert_allclose(shuffled.mean[np.ix_(where, across)], found.mean, atol=1e-15)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda c: c[3].__setitem__(0, 9.0), r"rater 'rater 0'.*expected a whole number from -3 to 3"),
        (lambda c: c[3].__setitem__(0, 0.5), "whole number"),
        (lambda c: c[0].__setitem__(12, "rater 0"), "2 times"),
        (lambda c: [column.pop() for column in c[:3]], "for 24 scores"),
    ],
)
def test_ratings_that_cannot_be_are_refused(change, message):
    columns = long_rows(np.zeros((2, 4, 3)))
    columns[3][:] = 1.0
    change(columns)
    with pytest.raises(errors.DataError, match=message):
        semantic.mean_table(*columns, scale=(-3, 3))


def test_a_sample_that_nobody_rated_is_named():
    with pytest.raises(errors.DataError, match="nobody rated sample 'b' on word 'warm'"):
        semantic.mean_table(["r"] * 3, ["a", "a", "b"], ["warm", "light", "light"], [1, 2, 3], scale=(-3, 3))


def test_which_rankings_of_table_1_survive():
    """Rows of the re-analysis: z with independent ratings, and with any correlation."""
    found = semantic.surviving_rankings(
        published.TABLE_1[:, 0], published.IMAGERY.valid, published.SCALE, samples=published.SAMPLES
    )
    rows = {(h[7:], lo[7:]): k for k, (h, lo) in enumerate(zip(found.higher, found.lower, strict=True))}
    expected = {
        ("2", "3"): (3.47, 2.45, True),
        ("7", "3"): (6.07, 4.30, True),
        ("7", "4"): (3.42, 2.42, True),
        ("2", "4"): (0.93, 0.65, False),
        ("7", "9"): (0.58, 0.41, False),
    }
    for pair, (independent, any_correlation, survives) in expected.items():
        k = rows[pair]
        assert round(found.z_independent[k], 2) == independent and round(found.z_any[k], 2) == any_correlation
        assert found.survives[k] == survives
    assert len(found.higher) == 45


def test_no_scores_have_a_larger_variance_than_the_bound():
    for scores in itertools.product([-1, 0, 1], repeat=4):
        m = np.mean(scores)
        assert np.var(scores) <= (1 - m) * (m + 1) + 1e-12


# ---------------------------------------------------------------- reliability and agreement


@pytest.mark.parametrize("name", ["shrout", "noisy"])
def test_icc_is_that_of_pingouin(name):
    stored = REFERENCE["icc"][name]
    found = semantic.icc(stored["ratings"])
    np.testing.assert_allclose(found.icc, stored["icc"], rtol=1e-10)
    np.testing.assert_allclose(found.f, stored["f"], rtol=1e-10)
    np.testing.assert_allclose(found.p, stored["p"], rtol=1e-8)
    np.testing.assert_allclose(np.stack([found.low, found.high], axis=1), stored["limits"], atol=1e-6)
    with float64.enabled():
        kernel = jax.vmap(reliability.icc_values)(jnp.asarray(np.array([stored["ratings"]] * 2, float)))
        np.testing.assert_allclose(np.asarray(kernel)[1], found.icc, rtol=1e-12)


def test_icc_of_shrout_and_fleiss():
    found = semantic.icc(REFERENCE["icc"]["shrout"]["ratings"])
    np.testing.assert_allclose(found.icc, [0.165742, 0.289764, 0.714841, 0.442797, 0.620051, 0.909316], atol=5e-7)
    assert found.name[4] == "ICC2k" and found.also[4] == "ICC(A,k)"


def test_perfect_agreement_and_none():
    perfect = semantic.icc(np.repeat([[1.0], [2.0], [4.0]], 3, axis=1))
    np.testing.assert_array_equal(perfect.icc, 1.0)
    assert np.isinf(perfect.f).all() and perfect.low[2] == 1.0 and np.isnan(perfect.low[1])
    with pytest.raises(errors.DataError, match="not defined"):
        semantic.icc(np.full((4, 3), 4.0))


def test_alpha_is_that_of_pingouin_with_both_ways_of_gaps():
    stored = REFERENCE["alpha"]
    found = semantic.cronbach_alpha(stored["items"])
    assert found.alpha == pytest.approx(stored["alpha"], rel=1e-10) == found.alpha_pairwise
    np.testing.assert_allclose([found.low, found.high], stored["limits"], atol=6e-4)  # it gives three digits
    gaps = semantic.cronbach_alpha(np.array(stored["gaps"], float))
    np.testing.assert_allclose([gaps.alpha, gaps.alpha_pairwise], [stored["listwise"], stored["pairwise"]], rtol=1e-10)
    assert gaps.n == 9 and gaps.n_pairwise == 10


def test_krippendorff_is_that_of_the_package_and_the_textbook():
    for level, value in REFERENCE["krippendorff"].items():
        found = semantic.krippendorff_alpha(UNITS, level)
        assert found.value == pytest.approx(value, rel=1e-10) and level in found.coefficient
    values = [semantic.krippendorff_alpha(UNITS, level).value for level in ("nominal", "ordinal", "interval")]
    np.testing.assert_allclose(values, [0.743421, 0.815388, 0.849107], atol=5e-7)


def test_krippendorff_refuses_what_means_nothing():
    with pytest.raises(errors.DataError, match="true zero"):
        semantic.krippendorff_alpha(UNITS - 3, "ratio")
    assert semantic.krippendorff_alpha(UNITS, "ratio").value < 1.0
    with pytest.raises(errors.DataError, match="every rating is 4"):
        semantic.krippendorff_alpha(np.full((5, 3), 4.0), "ordinal")
    with pytest.raises(errors.ConfigError, match="did you mean"):
        semantic.krippendorff_alpha(UNITS, "ordinary")


def test_kappas_are_those_of_irr_and_gwet():
    assert semantic.fleiss_kappa(REFERENCE["diagnoses"]).value == pytest.approx(REFERENCE["fleiss"], rel=1e-10)
    two = np.array(REFERENCE["two"], float)
    for weights, value in REFERENCE["weighted_kappa"].items():
        found = semantic.weighted_kappa(two[:, 0], two[:, 1], weights=weights)
        assert found.value == pytest.approx(value, rel=1e-10)
    # Gwet (2014), Handbook of inter-rater reliability, the example of four raters with gaps.
    assert semantic.gwet_ac(UNITS).value == pytest.approx(0.77544, abs=5e-6)
    assert semantic.fleiss_kappa(UNITS).value == pytest.approx(0.76117, abs=5e-6)


def test_levels_that_nobody_chose_count():
    """Of the scores 1, 2 and 7 the first two are near; by hand, with quadratic weights over seven levels."""
    a, b = np.array([1, 1, 2, 2, 7, 7]), np.array([1, 2, 2, 1, 7, 2])
    squares = np.square((a[:, None] - b[None, :]) / 6.0)
    expected = 1.0 - np.trace(squares) / 6 / squares.mean()
    found = semantic.weighted_kappa(a, b, levels=range(1, 8))
    assert found.value == pytest.approx(expected, rel=1e-12) and found.categories == 7
    assert found.value != pytest.approx(semantic.weighted_kappa(a, b).value, abs=0.04)
    # AC1 of two raters: chance is sum p (1 - p) / (C - 1), C the number of categories.
    p = np.array([4, 5, 3]) / 12  # of 1, 2 and 7
    for levels, c in (((), 3), (range(1, 8), 7)):
        chance = (p * (1 - p)).sum() / (c - 1)
        ac1 = semantic.gwet_ac(np.stack([a, b], axis=1), levels=levels).value
        assert ac1 == pytest.approx((0.5 - chance) / (1 - chance), rel=1e-12)
    pair = np.stack([a, b], axis=1)
    assert semantic.fleiss_kappa(pair, levels=range(1, 8)).value == pytest.approx(semantic.fleiss_kappa(pair).value)
    for levels, message in (((1, 2, 3), "rating 7 is none of the levels"), ((1, 2, 7, 7), "names? a category twice")):
        with pytest.raises(errors.DataError, match=message):
            semantic.weighted_kappa(a, b, levels=levels)


def test_kendall_is_that_of_irr():
    found = semantic.kendall_w(REFERENCE["anxiety"])
    np.testing.assert_allclose([found.w, found.chi2, found.p], REFERENCE["kendall"], rtol=1e-10)
    assert found.w_uncorrected == pytest.approx(REFERENCE["kendall_uncorrected"], rel=1e-10)
    shrout = semantic.kendall_w(REFERENCE["icc"]["shrout"]["ratings"])
    assert round(shrout.w, 6) == 0.887037 and round(shrout.chi2, 6) == 17.740741 and round(shrout.p, 5) == 0.00329


def test_limits_hold_the_value_and_a_change_of_raters_changes_nothing():
    found = semantic.krippendorff_alpha(UNITS, "interval", key=KEY)
    assert found.low < found.value < found.high
    moved = semantic.krippendorff_alpha(10 + 2 * UNITS[:, ::-1], "interval", key=KEY)
    np.testing.assert_allclose([moved.value, moved.low], [found.value, found.low], rtol=1e-10)
    shrout = np.array(REFERENCE["icc"]["shrout"]["ratings"], float)
    np.testing.assert_allclose(semantic.icc(5 - 2 * shrout[::-1, ::-1]).icc, semantic.icc(shrout).icc, rtol=1e-10)


# ---------------------------------------------------------------- dimensions


def test_adequacy_is_that_of_factor_analyzer():
    found = semantic.adequacy(WORDS)
    assert found.kmo == pytest.approx(REFERENCE["kmo"][0], rel=1e-10)
    np.testing.assert_allclose(found.kmo_word, REFERENCE["kmo"][1], rtol=1e-10)
    np.testing.assert_allclose([found.bartlett, found.p], REFERENCE["bartlett"], rtol=1e-8)


def test_table_1_has_one_dimension():
    """Rows of the re-analysis: KMO .581, Bartlett 28.13 (p .0208), three eigenvalues above 1, one above noise."""
    found = semantic.adequacy(published.TABLE_1, published.WORDS)
    assert round(found.kmo, 3) == 0.581 and round(found.bartlett, 2) == 28.13 and round(found.p, 4) == 0.0208
    parallel = semantic.parallel_analysis(published.TABLE_1, key=KEY)
    np.testing.assert_allclose(parallel.eigenvalue, [3.117, 1.262, 1.188, 0.214, 0.147, 0.071], atol=5e-4)
    np.testing.assert_allclose(parallel.cumulative[:3], [0.520, 0.730, 0.928], atol=1e-3)
    np.testing.assert_allclose(parallel.noise_mean[:3], [2.242, 1.532, 1.054], atol=0.03)
    np.testing.assert_allclose(parallel.noise_quantile[:3], [2.789, 1.868, 1.311], atol=0.05)
    assert (parallel.retained, parallel.above_one) == (1, 3)


def test_noise_keeps_a_component_about_as_often_as_the_quantile_says():
    rng = np.random.default_rng(8)
    found = [semantic.parallel_analysis(rng.normal(size=(30, 5)), key=KEY, n_draws=400) for _ in range(100)]
    assert sum(one.retained > 0 for one in found) <= 14
    assert sum(one.retained_by_mean > 0 for one in found) >= 30


def test_copied_and_dependent_words_are_named():
    x = np.random.default_rng(0).normal(size=(20, 3))
    with pytest.raises(errors.DataError, match="'a' and 'd'"):
        semantic.adequacy(np.column_stack([x, 3 - 2 * x[:, 0]]), ["a", "b", "c", "d"])
    with pytest.raises(errors.DataError, match="no inverse"):
        semantic.adequacy(np.column_stack([x, x.sum(axis=1)]), ["a", "b", "c", "d"])
    with pytest.raises(errors.DataError, match="'b' has one score"):
        semantic.adequacy(np.column_stack([x[:, 0], np.ones(20)]), ["a", "b"])


# ---------------------------------------------------------------- factors


@pytest.mark.parametrize("name", list(REFERENCE["factors"]))
def test_factors_are_those_of_factor_analyzer(name):
    """Loadings within 1e-2 after matching of order and sign, the practice of that package with R's psych."""
    stored, (method, rotation) = REFERENCE["factors"][name], name.split(", ")
    # Its oblimin does not normalise rows, its other rotations do.
    found = semantic.factor_analysis(WORDS, 2, method=method, rotation=rotation, normalise=rotation != "oblimin")
    theirs = np.array(stored["loadings"])
    matched = min(
        np.abs(theirs[:, order] * np.sign((theirs[:, order] * found.loadings).sum(axis=0)) - found.loadings).max()
        for order in ([0, 1], [1, 0])
    )
    assert matched < (2e-5 if rotation in ("none", "oblimin") else 1e-2) and found.converged
    np.testing.assert_allclose(found.communality, np.diag(found.loadings @ found.phi @ found.loadings.T), atol=1e-6)
    if stored["communalities"]:
        np.testing.assert_allclose(found.communality, stored["communalities"], atol=1e-5)
    if stored["phi"]:
        assert abs(found.phi[0, 1]) == pytest.approx(abs(stored["phi"][0][1]), abs=1e-3)


def test_varimax_reaches_a_higher_criterion_than_the_peer():
    def criterion(loadings):
        scaled = loadings / np.sqrt(np.square(loadings).sum(axis=1, keepdims=True))
        return np.var(scaled**2, axis=0).sum()

    theirs = np.array(REFERENCE["factors"]["minres, varimax"]["loadings"])
    ours = semantic.factor_analysis(WORDS, 2).loadings
    assert criterion(ours) >= criterion(theirs)
    angle = np.linspace(0, np.pi / 2, 20001)  # brute force over the one angle of two factors
    plain = semantic.factor_analysis(WORDS, 2, rotation="none").loadings
    turns = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    best = max(criterion(plain @ turns[:, :, k]) for k in range(0, 20001, 20))
    assert criterion(ours) >= best - 1e-12


def test_the_scale_of_scores_does_not_matter_and_the_normalisation_is_said():
    base, scaled = (semantic.factor_analysis(scale * WORDS + shift, 2) for scale, shift in ((1, 0), (100, 3000)))
    np.testing.assert_allclose(scaled.loadings, base.loadings, atol=1e-8)
    np.testing.assert_allclose([scaled.chi2, scaled.p], [base.chi2, base.p], rtol=1e-6)
    np.testing.assert_allclose(semantic.adequacy(100 * WORDS + 3000).kmo_word, semantic.adequacy(WORDS).kmo_word)
    plain = semantic.factor_analysis(WORDS, 2, normalise=False)
    assert base.normalised and not plain.normalised and not semantic.factor_analysis(WORDS, 1).normalised
    assert np.abs(plain.loadings - base.loadings).max() > 1e-3


def test_an_exact_model_is_found():
    loadings = np.array([[0.8, 0], [0.7, 0], [0.6, 0], [0, 0.7], [0, 0.6], [0, 0.5]])
    r = loadings @ loadings.T
    np.fill_diagonal(r, 1.0)
    x = np.random.default_rng(2).normal(size=(200, 6))
    x = (x - x.mean(axis=0)) @ np.linalg.inv(np.linalg.cholesky(np.cov(x, rowvar=False))).T @ np.linalg.cholesky(r).T
    for method in ("minres", "ml"):
        for rotation in ("varimax", "oblimin"):
            found = semantic.factor_analysis(x, 2, method=method, rotation=rotation)
            np.testing.assert_allclose(found.loadings, loadings, atol=2e-5)
            assert found.discrepancy == pytest.approx(0.0, abs=1e-8)
    scores = found.scores(x)
    assert np.corrcoef(scores[:, 0], x[:, 0])[0, 1] == pytest.approx(found.structure[0, 0] / scores[:, 0].std(ddof=1))


def test_the_kernel_takes_a_batch():
    rng = np.random.default_rng(5)
    tables = np.stack([WORDS[rng.integers(0, len(WORDS), len(WORDS))] for _ in range(3)])
    with float64.enabled():
        fits = jax.vmap(lambda x: extraction.extract(components.correlation_matrix(x), 2, "minres"))(
            jnp.asarray(tables)
        )
        loadings = np.asarray(fits.loadings)
    for table, fit in zip(tables, loadings, strict=True):
        np.testing.assert_allclose(fit, semantic.factor_analysis(table, 2, rotation="none").loadings, atol=1e-8)


def test_omega_of_parallel_items_is_alpha():
    r = np.full((4, 4), 0.4) + 0.6 * np.eye(4)
    x = np.random.default_rng(2).normal(size=(100, 4))
    x = (x - x.mean(axis=0)) @ np.linalg.inv(np.linalg.cholesky(np.cov(x, rowvar=False))).T @ np.linalg.cholesky(r).T
    assert semantic.omega(x).omega == pytest.approx(semantic.cronbach_alpha(x).alpha, rel=1e-7)


def test_factors_that_are_not_identified_are_refused():
    with pytest.raises(errors.ConfigError, match="not identified"):
        semantic.factor_analysis(published.TABLE_1, 4)
    with pytest.raises(errors.DataError, match="singular"):
        semantic.factor_analysis(published.TABLE_1[:5], 1, method="ml")
    with pytest.raises(errors.ConfigError, match="rotation"):
        semantic.factor_analysis(published.TABLE_1, 1, rotation="quartimax")
