import numpy as np
import pytest
from scipy import linalg, stats

from ich_jax import errors
from ich_jax.evaluation import distances, neighbours


def draw(seed, *shape):
    return np.random.default_rng(seed).standard_normal(shape)


# ---------------------------------------------------------------- Fréchet distance


def test_frechet_of_diagonal_gaussians():
    mean_x, mean_y = np.array([1.0, 2.0, 3.0]), np.array([1.0, 0.0, 0.0])
    sd_x, sd_y = np.array([1.0, 2.0, 0.5]), np.array([3.0, 2.0, 0.25])
    expected = np.square(mean_x - mean_y).sum() + np.square(sd_x - sd_y).sum()
    actual = distances.frechet_gaussians(mean_x, np.diag(sd_x**2), mean_y, np.diag(sd_y**2))
    assert actual == pytest.approx(expected, rel=1e-12)


def test_frechet_against_matrix_square_root():
    a, b = draw(0, 6, 6), draw(1, 6, 6)
    cov_x, cov_y, mean_x, mean_y = a @ a.T, b @ b.T, draw(2, 6), draw(3, 6)
    cross = np.trace(linalg.sqrtm(cov_x @ cov_y).real)
    expected = np.square(mean_x - mean_y).sum() + np.trace(cov_x) + np.trace(cov_y) - 2 * cross
    assert distances.frechet_gaussians(mean_x, cov_x, mean_y, cov_y) == pytest.approx(expected, rel=1e-8)


def test_frechet_of_samples_fits_unbiased_moments():
    x, y = draw(0, 50, 4), 2.0 * draw(1, 60, 4) + 1.0
    expected = distances.frechet_gaussians(x.mean(0), np.cov(x.T), y.mean(0), np.cov(y.T))
    assert distances.frechet(x, y) == pytest.approx(expected, rel=1e-12)
    assert distances.frechet(x, y) == pytest.approx(distances.frechet(y, x), rel=1e-9)
    assert distances.frechet(x, x) == pytest.approx(0.0, abs=1e-9)
    assert distances.frechet(x, x + 3.0) == pytest.approx(4 * 9.0, rel=1e-9)


def test_frechet_survives_fewer_images_than_features():
    x, y = draw(0, 5, 32), draw(1, 7, 32)
    assert np.isfinite(distances.frechet(x, y))
    assert distances.frechet(x, x) == pytest.approx(0.0, abs=1e-5)


def test_frechet_inf_removes_the_bias_of_the_samples():
    d, shift = 16, 0.1
    truth = d * shift**2
    reference = draw(0, 40_000, d)
    plain, extrapolated = [], []
    for seed in range(4):
        samples = draw(seed + 1, 1_000, d) + shift
        plain.append(distances.frechet(reference, samples))
        extrapolated.append(distances.frechet_inf(reference, samples, seed=seed))
    assert np.mean(plain) - truth > 0.02
    assert abs(np.mean(extrapolated) - truth) < (np.mean(plain) - truth) / 3


@pytest.mark.parametrize(
    ("x", "y", "message"),
    [
        (np.zeros((1, 3)), np.zeros((5, 3)), "at least 2 images"),
        (np.zeros((5, 3)), np.zeros((5, 4)), "features"),
        (np.full((5, 3), np.nan), np.zeros((5, 3)), "finite"),
    ],
)
def test_bad_features_are_refused(x, y, message):
    for function in (distances.frechet, distances.mmd2_unbiased, neighbours.precision_recall_density_coverage):
        with pytest.raises(errors.DataError, match=message):
            function(x, y)


# ---------------------------------------------------------------- kernel distance


def test_mmd2_against_a_loop():
    x, y = draw(0, 7, 3), draw(1, 5, 3) + 0.5

    def kernel(a, b):
        return (float(a @ b) / 3 + 1) ** 3

    own_x = sum(kernel(x[i], x[j]) for i in range(7) for j in range(7) if i != j) / (7 * 6)
    own_y = sum(kernel(y[i], y[j]) for i in range(5) for j in range(5) if i != j) / (5 * 4)
    cross = sum(kernel(a, b) for a in x for b in y) / (7 * 5)
    assert distances.mmd2_unbiased(x, y) == pytest.approx(own_x + own_y - 2 * cross, rel=1e-12)


def test_mmd2_is_unbiased_and_may_be_negative():
    values = np.array([distances.mmd2_unbiased(draw(2 * s, 20, 4), draw(2 * s + 1, 20, 4)) for s in range(400)])
    assert (values < 0).any()
    assert abs(values.mean()) < 3 * values.std() / np.sqrt(len(values))


def test_kid_of_one_full_subset_is_the_statistic():
    x, y = draw(0, 30, 4), draw(1, 30, 4) + 1.0
    result = distances.kid(x, y, subset=30, subsets=1)
    assert result == distances.Kid(pytest.approx(distances.mmd2_unbiased(x, y), rel=1e-9), 0.0, 30, 1)


def test_kid_averages_subsets():
    x, y = draw(0, 200, 4), draw(1, 150, 4) + 0.5
    result = distances.kid(x, y, subset=50, subsets=200, seed=3)
    assert result == distances.kid(x, y, subset=50, subsets=200, seed=3)
    assert result.mean != distances.kid(x, y, subset=50, subsets=200, seed=4).mean
    assert abs(result.mean - distances.mmd2_unbiased(x, y)) < 4 * result.sd / np.sqrt(200)
    assert result.sd > 0


@pytest.mark.parametrize(("subset", "subsets"), [(1, 5), (11, 5), (5, 0)])
def test_kid_subset_must_fit(subset, subsets):
    with pytest.raises(errors.DataError, match="2 to 10"):
        distances.kid(draw(0, 10, 2), draw(1, 12, 2), subset=subset, subsets=subsets)


# ---------------------------------------------------------------- ranks


def test_auc_by_hand():
    assert distances.auc([3.0, 1.0], [2.0, 0.0]) == 0.75
    assert distances.auc([1.0, 1.0], [1.0]) == 0.5
    assert distances.auc([0.0], [1.0, 2.0]) == 0.0


def test_auc_against_mann_whitney():
    x, y = np.round(draw(0, 40) + 0.5, 1), np.round(draw(1, 30), 1)
    assert distances.auc(x, y) == pytest.approx(stats.mannwhitneyu(x, y).statistic / (40 * 30))


@pytest.mark.parametrize("scores", [[], [np.nan]])
def test_auc_needs_finite_scores(scores):
    with pytest.raises(errors.DataError, match="finite scores"):
        distances.auc(scores, [1.0])
