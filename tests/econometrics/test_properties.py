"""What must not matter, where the estimators' own files do not test it: order of units or rows, scale, level, season.

Units are handed over in another order under other names; the outcome is multiplied, shifted, and given a season that
all units share. Effects and their limits must scale, p-values and ranks must stay.
"""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ich_jax.econometrics import benefit, panel
from ich_jax.econometrics.did import decomposition, few_treated, launch_path, randomisation, two_way
from ich_jax.econometrics.regression import covariance, m_estimation
from ich_jax.econometrics.synthetic import augmentation
from ich_jax.econometrics.synthetic import control as sc

KEY = jax.random.key(2)
SCALE, PERIODS = 2.5, 24
RNG = np.random.default_rng(11)
Y = RNG.normal(size=(9, PERIODS)).cumsum(axis=1) + 3.0 * RNG.normal(size=(9, 1)) + 0.8 * (np.arange(PERIODS) >= 14)
ORDER = RNG.permutation(9)
SEASON = np.sin(np.arange(PERIODS)) + 0.1 * np.arange(PERIODS)


def made(start: np.ndarray, y: np.ndarray = Y) -> panel.Panel:
    return panel.from_matrix(y, start)


def of_collapsed(data: panel.Panel) -> tuple[list, list]:
    table = two_way.collapsed(data).table
    return [table.estimate[1], table.low[1], table.high[1]], [table.p[1]]


def of_bacon(data: panel.Panel) -> tuple[list, list]:
    found = decomposition.bacon(data)
    return [*found.estimate], [*found.weight, found.forbidden]


def of_sign_flips(data: panel.Panel) -> tuple[list, list]:
    found = few_treated.sign_flips(few_treated.unit_effects(data), confidence=0.5)
    return [found.effect, found.low, found.high], [found.p]


def of_ferman_pinto(data: panel.Panel) -> tuple[list, list]:
    """Draws depend on the order of the units; the p-value up to their chance."""
    found = few_treated.ferman_pinto(data, np.full(9, 3.0), KEY, n_resamples=20_000)
    return [found.effect], [round(found.p / 0.02) * 0.02]


def of_path(data: panel.Panel) -> tuple[list, list]:
    found = launch_path.path(data, KEY)
    return [*found.estimate, *found.standard_error, *found.low, *found.high], [found.critical]


def of_randomisation_of_launches(data: panel.Panel) -> tuple[list, list]:
    found, trend = randomisation.randomise(data), randomisation.randomise(data, statistic="trend")
    return [found.effect, found.low, found.high, trend.effect], [found.p, trend.p]


def of_synthetic_controls(data: panel.Panel) -> tuple[list, list]:
    study = sc.study(data)
    space, pairs = sc.placebo_in_space(study), sc.leave_two_out(study)
    early = sc.placebo_in_time(study, [6, 9])
    ridge = augmentation.augmented(study)
    effects = [ridge.effect, *sorted(sc.leave_one_donor_out(study)), *(one.effect for one in early)]
    return effects, [space.p, pairs.p, ridge.ratio]


ONE, SEVERAL = np.array([14] * 3 + [PERIODS] * 6), np.array([12, 14, 14] + [PERIODS] * 6)
SINGLE = np.array([14] + [PERIODS] * 8)


@pytest.mark.parametrize(
    ("estimator", "start", "seasonal"),
    [
        (of_collapsed, ONE, True),
        (of_bacon, SEVERAL, True),
        (of_sign_flips, ONE, True),
        (of_ferman_pinto, ONE, True),
        (of_path, SEVERAL, True),
        (of_randomisation_of_launches, SEVERAL, False),  # a season weighs differently around different launches
        (of_randomisation_of_launches, ONE, True),
        (of_synthetic_controls, SINGLE, True),
    ],
)
def test_order_of_units_scale_level_and_season_do_not_matter(estimator, start, seasonal) -> None:
    effects, tests = estimator(made(start))
    assert np.abs(effects).max() > 0.1
    moved = SCALE * Y[ORDER] - 40.0 + (SEASON if seasonal else 0.0)
    other_effects, other_tests = estimator(made(start[ORDER], moved))
    np.testing.assert_allclose(other_effects, SCALE * np.array(effects), rtol=1e-6, atol=1e-9)
    np.testing.assert_allclose(other_tests, tests, rtol=1e-6, atol=1e-12)


def test_rows_of_two_by_two() -> None:
    rng = np.random.default_rng(4)
    group, after = rng.integers(0, 2, 60), rng.integers(0, 2, 60)
    y = rng.normal(size=60) + 2.0 * group * after
    order = rng.permutation(60)
    base = two_way.two_by_two(y, group, after)
    moved = two_way.two_by_two(SCALE * y[order] + 7.0, group[order], after[order])
    np.testing.assert_allclose(moved.table.estimate[3], SCALE * base.table.estimate[3], rtol=1e-9)
    np.testing.assert_allclose(moved.table.p[3], base.table.p[3], rtol=1e-7)


def loss(theta: jax.Array, row: jax.Array) -> jax.Array:
    x, y = row
    return jnp.square(y - theta[0] - theta[1] * x) + 0.01 * jnp.abs(y - theta[0]) ** 4


def test_rows_of_an_m_estimator() -> None:
    """A loss that is not quadratic: order of rows and names of clusters do not matter; a shift moves the constant."""
    rng = np.random.default_rng(5)
    x, y, cluster = rng.normal(size=50), rng.normal(size=50), np.arange(50) // 5
    order = rng.permutation(50)
    base = m_estimation.minimise(loss, [0.0, 0.0], (x, y))
    moved = m_estimation.minimise(loss, [3.0, 0.0], (x[order], y[order] + 3.0))
    np.testing.assert_allclose(moved.theta, base.theta + np.array([3.0, 0.0]), rtol=1e-8, atol=1e-9)
    v = covariance.cluster(base, cluster).matrix
    np.testing.assert_allclose(covariance.cluster(moved, (99 - cluster)[order]).matrix, v, rtol=1e-6)


def test_scale_of_growth() -> None:
    """The same draws: a level moves neither slope nor p, a scale moves the slope alone."""
    effects = 3.0 + 0.02 * np.arange(60) + np.random.default_rng(6).normal(size=60)
    base, moved = (
        benefit.growth(effects, KEY, n_resamples=199),
        benefit.growth(SCALE * effects + 9.0, KEY, n_resamples=199),
    )
    np.testing.assert_allclose(
        [moved.per_year, moved.low, moved.high], SCALE * np.array([base.per_year, base.low, base.high])
    )
    assert moved.p == base.p
