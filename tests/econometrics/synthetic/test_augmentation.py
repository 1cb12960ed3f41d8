"""The ridge augmentation minimises its objective, and chooses its penalty by leaving periods out."""

import numpy as np
import pytest

from ich_jax import errors
from ich_jax.econometrics import panel
from ich_jax.econometrics.synthetic import augmentation
from ich_jax.econometrics.synthetic import control as sc
from tests.econometrics import made

Y = np.array(made.reference("synthetic")["y"])[:13]  # twelve donors, and one of the treated units
STUDY = sc.study(panel.from_matrix(Y, [12] * 12 + [8]))


@pytest.mark.parametrize("ridge", [1e-6, 1.0, 1e9])
def test_augmented_minimises_its_objective(ridge):
    """Least squares before treatment plus ridge times the squared way from the simplex weights, summing to 1."""
    base, result = sc.synthetic_control(STUDY), augmentation.augmented(STUDY, ridge=ridge)
    assert result.weights.sum() == pytest.approx(1.0, abs=1e-9)
    mean = Y[:12].mean(axis=0)
    a, b = (Y[:12] - mean)[:, :8], (Y[12] - mean)[:8]
    expected = base.weights + np.linalg.solve(a @ a.T + ridge * np.eye(12), a @ (b - base.weights @ a))
    np.testing.assert_allclose(result.weights, expected, atol=1e-6)
    assert result.pre_rmspe <= base.pre_rmspe * (1 + 1e-9)
    if ridge == 1e9:
        np.testing.assert_allclose(result.weights, base.weights, atol=1e-6)


def test_augmented_chooses_by_leaving_periods_out():
    chosen = augmentation.augmented(STUDY)
    mean = Y[:12].mean(axis=0)
    grid = np.linalg.norm((Y[:12] - mean)[:, :8], 2) ** 2 * np.logspace(-8, 0, 25)
    assert chosen.ridge in grid and np.isnan(chosen.kkt_gap)
    error = np.zeros((8, 25))
    for t in range(8):
        kept = np.array([s for s in range(12) if s != t])
        study = sc.Study(Y[12, kept], Y[:12, kept], STUDY.donors, kept, 7)
        for i, ridge in enumerate(grid[::8]):
            error[t, 8 * i] = (Y[12, t] - augmentation.augmented(study, ridge=float(ridge)).weights @ Y[:12, t]) ** 2
    looked_at = error[:, ::8].mean(axis=0)
    # No ridge that was looked at is better by more than a standard error of its own.
    position = int(np.argmin(np.abs(np.log(grid[::8] / chosen.ridge))))
    assert looked_at[position] <= looked_at.min() + 2 * error[:, ::8].std(axis=0, ddof=1).max() / np.sqrt(8)


def test_a_penalty_of_zero_is_refused():
    with pytest.raises(errors.ConfigError, match="above 0"):
        augmentation.augmented(STUDY, ridge=0.0)
