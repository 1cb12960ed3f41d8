"""The panel and its kernels: what is refused, and two-way effects against dummies."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ich_jax import errors
from ich_jax.econometrics import panel
from ich_jax.econometrics.regression import linear
from ich_jax.uncertainty import float64

UNIT = np.repeat(["shop b", "shop a", "shop c"], 4)
DAY = np.tile(["2024-01-01", "2024-01-02", "2024-01-03", "2024-01-04"], 3)
SALES = np.array([1.0, 2.0, 3.0, 5.0, 0.0, 1.0, 2.0, 2.5, 4.0, 4.0, 4.5, 6.0])
ON = np.array([0, 0, 1, 1] + [0] * 8, float)


def test_rows_become_matrices():
    order = np.random.default_rng(0).permutation(12)
    data = panel.from_rows(UNIT[order], DAY[order], SALES[order], ON[order])
    assert list(data.units) == ["shop a", "shop b", "shop c"] and list(data.periods) == sorted(set(DAY))
    np.testing.assert_array_equal(data.outcome, SALES.reshape(3, 4)[[1, 0, 2]])
    np.testing.assert_array_equal(data.start, [4, 2, 4])
    np.testing.assert_array_equal(data.treated[1], [False, False, True, True])
    assert data.missing == 0 and list(data.ever_treated) == [False, True, False]
    r = panel.rows(data)
    np.testing.assert_array_equal(r.outcome, data.outcome.ravel())
    np.testing.assert_array_equal(r.relative[r.ever_treated], [-2, -1, 0, 1])
    assert r.treated.sum() == 2


def test_gaps_are_kept_and_counted():
    left = np.arange(12) != 5
    data = panel.from_rows(UNIT[left], DAY[left], SALES[left], ON[left])
    assert data.missing == 1 and np.isnan(data.outcome[0, 1])
    assert len(panel.rows(data).outcome) == 11
    with pytest.raises(errors.DataError, match=r"bacon: .* 1 of 12 are missing.* unit shop a in period 2024-01-02"):
        panel.balanced(data, "bacon")


def test_bad_panels_are_refused():
    def refuse(match, unit=UNIT, day=DAY, sales=SALES, on=ON):
        with pytest.raises(errors.DataError, match=match):
            panel.from_rows(unit, day, sales, on)

    refuse(
        "1 unit-periods occur more than once, the first is unit shop b in period 2024-01-01",
        day=np.r_[DAY[:1], DAY[:1], DAY[2:]],
    )
    refuse(
        "switches off in 1 units, the first is unit shop b, treated from 2024-01-03 and not in 2024-01-04",
        on=np.r_[0, 0, 1, 0, ON[4:]],
    )
    refuse("no observation is treated", on=np.zeros(12))
    refuse("every observation is treated", on=np.ones(12))
    refuse("no period before their treatment, the first is unit shop b", on=np.r_[np.ones(4), ON[4:]])
    refuse("the outcome is 3 in every row", sales=np.full(12, 3.0))
    refuse(
        r"outcome: 1 of 12 values are not finite, the first at index \[3\]",
        sales=np.where(np.arange(12) == 3, np.nan, SALES),
    )
    refuse("treated: 1 of 12 values are not finite", on=np.where(np.arange(12) == 3, np.nan, ON))
    refuse("all rows are of the period 2024-01-01", day=np.full(12, "2024-01-01"))
    refuse("one label for each of 12 rows", unit=UNIT[1:])
    with pytest.raises(errors.DataError, match="missing altogether"):
        panel.from_matrix([[1.0, 2.0], [np.nan, np.nan], [0.0, 1.0]], [1, 2, 2])
    with pytest.raises(errors.DataError, match=r"start \[U\]"):
        panel.from_matrix([[1.0, 2.0]], [1, 2])


@pytest.mark.parametrize(("units", "periods"), [(7, 6), (4, 9)])
def test_two_way_effects_are_dummies(units, periods):
    rng = np.random.default_rng(1)
    y, mask = rng.normal(size=(units, periods)), (rng.uniform(size=(units, periods)) < 0.7).astype(float)
    u, t = np.nonzero(mask)
    design = {f"u{i}": (u == i).astype(float) for i in range(units)}
    design |= {f"t{i}": (t == i).astype(float) for i in range(periods)}
    fit = linear.fit(y[u, t], design, intercept=False)
    with float64.enabled():
        left = np.asarray(panel.two_way_residuals(jnp.asarray(y), jnp.asarray(mask)))
        unit, period = panel.two_way_effects(jnp.asarray(y), jnp.asarray(mask))
    np.testing.assert_allclose(left[u, t], fit.residuals, atol=1e-12)
    assert np.all(left[mask == 0] == 0)
    np.testing.assert_allclose((unit[:, None] + period[None, :])[u, t], y[u, t] - fit.residuals, atol=1e-12)


def test_twfe_kernel_is_the_regression_batched_and_differentiable():
    rng = np.random.default_rng(2)
    y, mask = rng.normal(size=(3, 6, 5)), np.ones((6, 5))
    mask[0, 1] = mask[3, 4] = 0.0
    d = (np.arange(5) >= np.array([2, 2, 3, 9, 9, 9])[:, None]).astype(float)
    u, t = np.nonzero(mask)
    with float64.enabled():
        batched = jax.jit(jax.vmap(panel.twfe_effect, (0, None, None)))(y, d, mask)
        slope = jax.grad(panel.twfe_effect)(jnp.asarray(y[0]), jnp.asarray(d), jnp.asarray(mask))
        assert slope.dtype == jnp.float64
    for one, value in zip(y, batched, strict=True):
        fit = linear.fit(one[u, t], {"d": d[u, t]}, absorb={"u": u, "t": t})
        np.testing.assert_allclose(value, fit.beta[0], rtol=1e-10)
    # The coefficient is linear in the outcome: its gradient times the outcome is the coefficient.
    np.testing.assert_allclose((np.asarray(slope) * y[0]).sum(), batched[0], rtol=1e-10)
    with pytest.raises(errors.DataError, match="float32"):
        panel.twfe_effect(jnp.ones((2, 2)), jnp.ones((2, 2)), jnp.ones((2, 2)))


def test_a_start_that_was_not_observed_is_kept() -> None:
    y = np.arange(12.0).reshape(3, 4)
    y[0, 2] = np.nan
    found = panel.from_matrix(y, [2, 2, 4])
    assert found.start.tolist() == [2, 2, 4]
