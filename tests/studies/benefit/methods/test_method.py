"""What rows of the table share."""

import numpy as np
import pytest

from ich_jax import errors
from ich_jax.studies.benefit.methods.method import interpolated


def test_short_gaps_lie_on_the_line_between_neighbours():
    days = np.array([*range(6), *range(7, 20)])
    series, missing = interpolated(days, days.astype(float))
    np.testing.assert_allclose(series, np.arange(20.0))
    assert missing == 1
    with pytest.raises(errors.DataError, match="5 of 10 days are missing"):
        interpolated(np.array([0, 2, 4, 6, 9]), np.zeros(5))
