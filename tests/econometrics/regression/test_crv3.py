"""CRV3 exists only where every coefficient is determined without any one cluster."""

import numpy as np
import pytest

from ich_jax import errors
from ich_jax.econometrics import panel
from ich_jax.econometrics.did import two_way
from ich_jax.econometrics.regression import crv3, linear

UNIT, TIME = np.repeat(np.arange(6), 8), np.tile(np.arange(8), 6)
Y = np.random.default_rng(0).normal(size=48)


def treatment(treated: int) -> np.ndarray:
    return ((treated > UNIT) & (TIME >= 5)).astype(float)


@pytest.mark.parametrize("effects", [(), ("unit",), ("unit", "time")])
@pytest.mark.parametrize("shuffled", [False, True])
def test_the_only_treated_cluster_is_named(effects: tuple[str, ...], shuffled: bool) -> None:
    """A pseudo-inverse would count the left-out coefficient as 0, or as a quotient of rounding errors."""
    order = np.random.default_rng(1).permutation(48) if shuffled else np.arange(48)
    columns = {"unit": UNIT[order], "time": TIME[order]}
    x = {"treated": treatment(1)[order]}
    if not effects:
        fit = linear.fit(Y[order], x, intercept=True)
    else:
        fit = linear.fit(Y[order], x, absorb={name: columns[name] for name in effects})
    with pytest.raises(errors.DataError, match=r"without cluster 0 .* 'treated'.* \(1 of 6 clusters"):
        crv3.jackknife(fit, UNIT[order])


def test_two_treated_clusters_are_enough() -> None:
    fit = linear.fit(Y, {"treated": treatment(2)}, absorb={"unit": UNIT, "time": TIME})
    change = []
    for unit in range(6):
        rows = unit != UNIT
        left = linear.fit(Y[rows], {"treated": treatment(2)[rows]}, absorb={"unit": UNIT[rows], "time": TIME[rows]})
        change.append(left.beta[0] - fit.beta[0])
    found = crv3.jackknife(fit, UNIT, small_sample=crv3.covariance.UNCORRECTED)
    np.testing.assert_allclose(found.matrix[0, 0], np.square(change).sum(), rtol=1e-9)


def test_columns_of_very_different_size_are_determined() -> None:
    x = {"small": 1e-9 * np.sin(np.arange(48.0)), "large": 1e6 * np.cos(3 * np.arange(48.0))}
    fit = linear.fit(Y, x, intercept=True)
    scaled = linear.fit(Y, {name: column / np.abs(column).max() for name, column in x.items()}, intercept=True)
    sizes = [1.0, *(np.abs(column).max() for column in x.values())]
    ratio = crv3.jackknife(fit, UNIT).matrix * np.outer(sizes, sizes) / crv3.jackknife(scaled, UNIT).matrix
    np.testing.assert_allclose(ratio, 1.0, rtol=1e-6)


def test_a_panel_with_one_treated_unit_refuses_it() -> None:
    y = np.random.default_rng(2).normal(size=(5, 8))
    data = panel.from_matrix(y, [5, 8, 8, 8, 8])
    with pytest.raises(errors.DataError, match="CRV3 does not exist"):
        two_way.twfe(data, kind="CRV3")


def test_nonlinear_refits_need_what_they_leave_out() -> None:
    """A parameter that no remaining row depends on satisfies its equation wherever it stands."""
    from ich_jax.econometrics.regression import m_estimation

    x = np.stack([np.ones(48), treatment(1)], axis=1)
    with pytest.raises(errors.DataError, match=r"no estimate without cluster 0 \(1 of 6 clusters"):
        m_estimation.minimise(
            lambda theta, row: (row[2] - row[:2] @ theta) ** 2, np.zeros(2), np.column_stack([x, Y]), clusters=UNIT
        )
