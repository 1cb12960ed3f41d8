"""The path around a launch by hand, and its band against its coverage."""

import jax
import numpy as np
import pytest

from ich_jax import errors
from ich_jax.econometrics import panel
from ich_jax.econometrics.did import launch_path
from tests.econometrics.made import launches

KEY = jax.random.key(2)


def test_path_by_hand():
    data = launches(2, 5, effect=3.0)
    found = launch_path.path(data, KEY)
    y = data.outcome
    gap = y[:2].mean(axis=0) - y[2:].mean(axis=0)
    np.testing.assert_array_equal(found.relative, np.arange(-18, 12))
    np.testing.assert_allclose(found.estimate, gap - gap[:18].mean(), rtol=1e-9, atol=1e-12)
    assert found.estimate[:18].mean() == pytest.approx(0.0, abs=1e-12) and found.df == 4 and found.filled == 0
    residual = y[2:] - y[2:].mean(axis=0)
    centred = residual - residual[:, :18].mean(axis=1, keepdims=True)
    expected = np.sqrt(np.square(centred).sum(axis=0) / 4 * (1 / 2 + 1 / 5))
    np.testing.assert_allclose(found.standard_error, expected, rtol=1e-9)


def test_path_with_several_starts_and_gaps():
    data = launches(2, 4, start=[10, 20], effect=0.0)
    y = data.outcome.copy()
    y[0, 12] = np.nan
    found = launch_path.path(panel.from_matrix(y, data.start), KEY)
    assert found.relative[0] == -20 and found.relative[-1] == 19
    count = dict(zip(found.relative.tolist(), found.treated.tolist(), strict=True))
    assert count[-20] == 1 and count[0] == 2 and count[2] == 1 and count[15] == 1


def test_band_covers_all_periods_as_often_as_it_says():
    """Independent normal days of equal variance; 40 panels, so that the share errs by .035."""
    inside = []
    for seed in range(40):
        found = launch_path.path(launches(1, 12, periods=12, start=7, seed=seed), KEY)
        inside.append(((found.low < 0) & (found.high > 0)).all())
    assert np.mean(inside) > 0.84


def test_one_untreated_unit_shows_no_spread():
    with pytest.raises(errors.DataError, match="1 untreated units show no spread"):
        launch_path.path(launches(2, 1), KEY)
