"""Two arms of reviewed works: equal to scipy and pingouin, to brute force, and to what the paper's table implies."""

import itertools
import json
import math
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

from ich_jax import errors
from ich_jax.kansei import published, review
from ich_jax.uncertainty import float64

REFERENCE = json.loads((Path(__file__).resolve().parents[1] / "reference" / "kansei_review.json").read_text())
A, B = published.REVIEW_EXPERIMENTAL, published.REVIEW_CONTROL
KEY = jax.random.key(0)


@pytest.fixture(params=["paper", "unequal"])
def case(request):
    stored = REFERENCE[request.param]
    return np.array(stored["first"]), np.array(stored["second"]), stored


def test_the_built_in_table_is_the_one_of_the_references():
    assert REFERENCE["paper"]["first"] == A.tolist() and REFERENCE["paper"]["second"] == B.tolist()
    assert A.mean() == 21.5 and B.mean() == 17.3  # as the paper states


def test_means_are_those_of_scipy_and_pingouin(case):
    a, b, stored = case
    welch = review.welch(a, b)
    np.testing.assert_allclose([welch.t, welch.df, welch.p, welch.low, welch.high], stored["welch"], rtol=1e-10)
    g = review.hedges_g(a, b, exact=False)
    np.testing.assert_allclose([g.g, g.d], [stored["hedges_approximate"], stored["cohen"]], rtol=1e-8)
    np.testing.assert_allclose([g.low, g.high], stored["hedges_limits"], atol=1e-8)
    spread = review.spread(a, b)
    np.testing.assert_allclose([spread.levene, spread.p], stored["levene"], rtol=1e-10)
    n1, n2 = len(a), len(b)
    t = stats.ttest_ind(a, b).statistic
    np.testing.assert_allclose(review.bayes_factor(t, n1, n2), stored["bayes_factor"], rtol=1e-4)
    np.testing.assert_allclose(review.power(g.d, n1, n2), stored["power"], atol=1e-4)
    np.testing.assert_allclose(review.minimum_detectable_effect(n1, n2), stored["minimum_detectable"], atol=1e-4)
    np.testing.assert_allclose(review.equivalence(a, b, 1.5).p_equivalent, stored["tost"], rtol=1e-8)


def test_ranks_are_those_of_scipy(case):
    a, b, stored = case
    u = review.mann_whitney(a, b)
    assert u.u == stored["mann_whitney_u"]
    np.testing.assert_allclose(u.p_asymptotic, stored["mann_whitney_asymptotic"], rtol=1e-12)
    if "mann_whitney_exact" in stored:
        np.testing.assert_allclose(u.p, stored["mann_whitney_exact"], rtol=1e-12)
    munzel = review.brunner_munzel(a, b)
    np.testing.assert_allclose([munzel.t, munzel.p], stored["brunner_munzel"], rtol=1e-10)
    assert "rejects too often" in munzel.warning


def test_numbers_of_the_paper():
    """The re-analysis of Table 2: exact counts, and the digits that it gives."""
    found = review.compare(A, B, key=KEY)
    assert (found.permutation.count, found.permutation.n_assignments, found.permutation.exact) == (354, 184756, True)
    assert found.permutation.p == found.permutation.p_studentised == 354 / 184756
    assert found.mann_whitney.u == 89.0 and round(found.mann_whitney.p, 4) == 0.0021
    assert round(found.hedges.g, 6) == 1.566926 and round(found.hedges_approximate.g, 6) == 1.567089
    assert found.superiority.a12 == pytest.approx(0.89)
    np.testing.assert_allclose([found.superiority.low, found.superiority.high], [0.73, 0.99], atol=0.011)
    assert found.shift.shift == 4.0 and (found.shift.low, found.shift.high) == (1.0, 7.0)
    assert round(found.bayes_factor, 1) == 18.9 and round(found.minimum_detectable, 2) == 1.32
    assert round(found.power_observed, 2) == 0.93
    assert round(found.spread.sd_ratio, 2) == 0.48 and round(found.spread.ln_cvr, 2) == -0.94
    assert "A12" in found.summary() and len(found.to_frame()) == len(found.quantity)


def test_mann_whitney_with_ties_is_the_count_of_all_assignments():
    a, b = np.array([3.0, 3.0, 5.0, 4.0]), np.array([3.0, 2.0, 1.0, 4.0, 2.0])
    pooled = np.concatenate([a, b])
    ranks = stats.rankdata(pooled)
    sums = np.array([ranks[list(chosen)].sum() for chosen in itertools.combinations(range(9), 4)])
    centre = 4 * 10 / 2
    expected = np.mean(np.abs(sums - centre) >= abs(ranks[:4].sum() - centre))
    assert review.mann_whitney(a, b).p == pytest.approx(expected, rel=1e-13)


def test_wilcoxon_is_the_count_of_all_signs():
    d = np.array([0.0, 1.0, 1.0, -1.0, 2.0, 2.0, 0.0, 3.0])
    kept = d[d != 0]
    ranks = stats.rankdata(np.abs(kept))
    signs = np.array(list(itertools.product([0, 1], repeat=len(kept))))
    sums = signs @ ranks
    observed = ranks[kept > 0].sum()
    expected = np.mean(np.abs(sums - ranks.sum() / 2) >= abs(observed - ranks.sum() / 2))
    found = review.wilcoxon(d)
    assert (found.p, found.zeros, found.n) == (pytest.approx(expected, rel=1e-13), 2, 6)


def test_interval_of_the_shift_is_where_the_exact_test_does_not_reject():
    rng = np.random.default_rng(1)
    a, b = rng.normal(size=8), rng.normal(size=7)
    found = review.hodges_lehmann(a, b)
    inside, outside = found.low + 1e-6, found.low - 1e-6
    assert review.mann_whitney(a - inside, b).p > 0.05 >= review.mann_whitney(a - outside, b).p
    assert 0.95 <= found.coverage < 1.0


def test_pairs_in_the_order_of_the_numbers():
    found = review.paired(A, B)
    assert found.positive == 10 and found.p == 2 / 1024 == found.smallest_p
    assert round(found.correlation, 2) == 0.20


def test_one_work_against_many_and_both_meanings_of_two_sided():
    """scipy refuses a group of one, and doubles the smaller tail of an asymmetric distribution."""
    found = review.permutation([9.0], [1.0, 2.0, 3.0, 8.5])
    assert found.p == 1 / 5 and math.isnan(found.p_studentised)
    skewed = review.permutation([10.0, 0.0], [0.0, 0.0, 1.0, 2.0])
    values = np.array([10.0, 0.0, 0.0, 0.0, 1.0, 2.0])
    null = np.array([values[list(c)].mean() - np.delete(values, c).mean() for c in itertools.combinations(range(6), 2)])
    assert skewed.p == pytest.approx(np.mean(np.abs(null) >= skewed.difference - 1e-12))
    assert skewed.p_doubled == pytest.approx(min(1, 2 * np.mean(null >= skewed.difference - 1e-12)))


def test_drawn_assignments_state_their_error():
    found = review.permutation(A, B, key=KEY, n_resamples=4000, max_exact=1000)
    assert not found.exact and found.monte_carlo_error > 0
    assert abs(found.p - 354 / 184756) < 4 * math.sqrt(354 / 184756 / 4000) + 1 / 4000
    with pytest.raises(errors.ConfigError, match="pass a key"):
        review.permutation(A, B, max_exact=1000)


def test_bounds_of_the_icc():
    """Rows of the claims check: both arms, and each alone."""
    whole = review.icc_from_sums(np.concatenate([A, B]), 5, (1, 5))
    assert [round(v, 2) for v in (whole.single_low, whole.single_high)] == [-0.05, 0.68]
    assert [round(v, 2) for v in (whole.average_low, whole.average_high)] == [-0.30, 0.91]
    experimental, control = (review.icc_from_sums(arm, 5, (1, 5)) for arm in (A, B))
    assert round(experimental.single_high, 2) == 0.23 and round(experimental.average_high, 2) == 0.60
    assert round(control.average_high, 2) == 0.92


def test_bounds_of_the_icc_are_those_of_all_score_sheets():
    """Brute force over every set of whole scores with the given sums."""
    sums, k, scale = [4, 6, 9], 3, (1, 4)
    cells = {
        s: [c for c in itertools.combinations_with_replacement(range(scale[0], scale[1] + 1), k) if sum(c) == s]
        for s in sums
    }
    between = np.var(sums, ddof=1) / k
    averages = []
    for rows in itertools.product(*(cells[s] for s in sums)):
        within = sum(np.var(row) * k for row in rows) / (len(sums) * (k - 1))
        averages.append(((between - within) / between, (between - within) / (between + (k - 1) * within)))
    found = review.icc_from_sums(sums, k, scale)
    low, high = np.min(averages, axis=0), np.max(averages, axis=0)
    np.testing.assert_allclose([found.average_low, found.single_low], low, rtol=1e-12)
    np.testing.assert_allclose([found.average_high, found.single_high], high, rtol=1e-12)


def test_the_kernel_takes_a_batch():
    rng = np.random.default_rng(2)
    first, second = rng.normal(size=(4, 6)), rng.normal(size=(4, 5))
    with float64.enabled():
        batch = jax.vmap(review.statistics)(jnp.asarray(first), jnp.asarray(second))
        batch = [np.asarray(value) for value in batch]
    for i in range(4):
        one = stats.ttest_ind(first[i], second[i], equal_var=False).statistic
        np.testing.assert_allclose(batch[1][i], one, rtol=1e-12)
        assert batch[2][i] == stats.mannwhitneyu(first[i], second[i]).statistic


def test_order_and_affine_change_of_the_scale():
    rng = np.random.default_rng(3)
    a, b = rng.permutation(A), rng.permutation(B)
    base, moved = review.compare(A, B, key=KEY), review.compare(7 - 2 * a, 7 - 2 * b, key=KEY)
    assert moved.permutation.count == base.permutation.count
    assert moved.mann_whitney.p == base.mann_whitney.p
    np.testing.assert_allclose(moved.hedges.g, -base.hedges.g, rtol=1e-12)
    np.testing.assert_allclose(moved.shift.shift, -2 * base.shift.shift)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: review.welch([1.0], [1.0, 2.0]), "two works"),
        (lambda: review.welch([1.0, 1.0], [2.0, 2.0]), "do not vary"),
        (lambda: review.welch([1.0, np.nan], [2.0, 3.0]), "not finite"),
        (lambda: review.brunner_munzel([5.0, 6.0], [1.0, 2.0]), "do not overlap"),
        (lambda: review.hodges_lehmann([1.0, 2.0], [1.0, 3.0]), "covers only"),
        (lambda: review.mann_whitney([4.0, 4.0], [4.0, 4.0]), "nothing to rank"),
        (lambda: review.permutation([4.0, 4.0], [4.0, 4.0]), "all alike|nothing to test"),
        (lambda: review.paired([1.0, 2.0], [1.0, 2.0, 3.0]), "make no pairs"),
        (lambda: review.wilcoxon([0.0, 0.0]), "not zero"),
        (lambda: review.icc_from_sums([4, 26], 5, (1, 5)), "possible: 5 to 25"),
        (lambda: review.icc_from_sums([20, 20], 5, (1, 5)), "not defined without variation"),
        (lambda: review.spread([1.0, 1.0], [1.0, 2.0]), "no ratio"),
        (lambda: review.bayes_factor(math.inf, 5, 5), "finite t"),
    ],
)
def test_what_cannot_be_computed_is_refused(call, message):
    with pytest.raises(errors.DataError, match=message):
        call()


def test_settings_that_cannot_work_are_refused():
    with pytest.raises(errors.ConfigError, match="positive"):
        review.equivalence(A, B, 0.0)
    with pytest.raises(errors.ConfigError, match="target"):
        review.minimum_detectable_effect(5, 5, target=0.01)
    with pytest.raises(errors.ConfigError, match="confidence"):
        review.welch(A, B, confidence=1.0)


def test_arms_that_do_not_overlap_are_compared_all_the_same():
    found = review.compare([5.0, 6.0, 7.0], [1.0, 2.0, 3.0], key=KEY)
    assert found.brunner_munzel is None and found.shift is None and found.superiority.a12 == 1.0


@pytest.mark.parametrize(("works", "raters"), [(2, 1), (4, 4), (6, 7), (5, 10), (7, 3), (5, 23)])
def test_orders_are_rows_of_balanced_latin_squares(works: int, raters: int) -> None:
    found = review.blind(works, raters, key=jax.random.key(works))
    assert len(set(found.code)) == works and found.order.shape == (raters, works)
    np.testing.assert_array_equal(np.sort(found.order, axis=1), np.tile(np.arange(works), (raters, 1)))
    places = np.stack([(found.order == work).sum(axis=0) for work in range(works)])
    assert np.ptp(places) == found.place_spread <= 1
    assert found.place_spread == 0 or raters % works
    follows = np.zeros((works, works), int)
    for row in found.order:
        for before, after in itertools.pairwise(row):
            follows[before, after] += 1
    np.fill_diagonal(follows, follows[0, 1])
    assert np.ptp(follows) == found.follow_spread
    if raters % (works if works % 2 == 0 else 2 * works) == 0:
        assert found.follow_spread == 0
    again, other = (review.blind(works, raters, key=jax.random.key(k)) for k in (works, works + 1))
    assert again.code == found.code and other.code != found.code
    np.testing.assert_array_equal(again.order, found.order)


@pytest.mark.parametrize(("works", "raters"), [(1, 3), (3, 0), (10**4, 2)])
def test_sheets_that_cannot_be_blinded_are_refused(works: int, raters: int) -> None:
    with pytest.raises(errors.DataError, match="blind: got"):
        review.blind(works, raters, key=jax.random.key(0))
