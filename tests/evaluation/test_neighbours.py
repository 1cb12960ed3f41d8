import numpy as np
import pytest

from ich_jax import errors
from ich_jax.evaluation import neighbours
from tests import helpers


def draw(seed, *shape):
    return np.random.default_rng(seed).standard_normal(shape)


def reference_prdc(real, samples, k):
    """The definitions, in plain numpy with direct differences."""

    def matrix(a, b):
        return np.linalg.norm(a[:, None] - b[None], axis=-1)

    real_radius = np.sort(matrix(real, real), axis=1)[:, k]  # column 0 is the image itself
    sample_radius = np.sort(matrix(samples, samples), axis=1)[:, k]
    d = matrix(real, samples)
    return (
        (d < real_radius[:, None]).any(axis=0).mean(),
        (d < sample_radius[None, :]).any(axis=1).mean(),
        (d < real_radius[:, None]).sum(axis=0).mean() / k,
        (d.min(axis=1) < real_radius).mean(),
    )


# More than a block of rows, a set that does not fill its last block, and sets of different size.
@pytest.mark.parametrize(("n", "m", "k", "scale"), [(300, 300, 5, 1.0), (270, 300, 3, 0.7), (40, 21, 1, 2.0)])
def test_prdc_against_plain_numpy(n, m, k, scale):
    real, samples = draw(0, n, 6) + 10.0, scale * draw(1, m, 6) + 10.0
    result = neighbours.precision_recall_density_coverage(real, samples, k=k)
    actual = (result.precision, result.recall, result.density, result.coverage)
    np.testing.assert_allclose(actual, reference_prdc(real, samples, k), atol=1e-12)
    assert (result.k, result.n_real, result.n_samples) == (k, n, m)
    assert min(actual) > 0.0


def test_prdc_expectations_for_equal_distributions():
    n, k = 150, 5
    found = [
        neighbours.precision_recall_density_coverage(draw(2 * s, n, 3), draw(2 * s + 1, n, 3), k=k) for s in range(40)
    ]
    density, coverage = np.array([r.density for r in found]), np.array([r.coverage for r in found])
    assert abs(density.mean() - 1.0) < 4 * density.std() / np.sqrt(40)
    assert abs(coverage.mean() - neighbours.expected_coverage(n, n, k)) < 4 * coverage.std() / np.sqrt(40)
    assert neighbours.expected_coverage(10**9, 10**9, 5) == pytest.approx(1 - 2.0**-5)


def test_prdc_sees_lost_modes_and_strays():
    modes = np.repeat([[0.0, 0.0], [50.0, 0.0]], 50, axis=0)
    real = modes + draw(0, 100, 2)
    collapsed = neighbours.precision_recall_density_coverage(real, draw(1, 100, 2))
    assert collapsed.precision > 0.8
    assert collapsed.coverage <= 0.5
    stray = neighbours.precision_recall_density_coverage(real, modes + draw(2, 100, 2) + np.array([0.0, 30.0]))
    assert (stray.precision, stray.density, stray.coverage) == (0.0, 0.0, 0.0)


def test_prdc_counts_copies_of_real_images():
    """Copies lie at distance 0 from each other: a radius of 0 must not come from the image itself."""
    real = draw(0, 60, 3)
    copied = neighbours.precision_recall_density_coverage(real, real)
    assert (copied.precision, copied.recall, copied.coverage) == (1.0, 1.0, 1.0)


@pytest.mark.parametrize("k", [0, 10])
def test_prdc_neighbours_must_exist(k):
    with pytest.raises(errors.DataError, match="allowed 1 to 9"):
        neighbours.precision_recall_density_coverage(draw(0, 10, 2), draw(1, 12, 2), k=k)


def test_prdc_compiles_once():
    sets = [(draw(2 * s, 50, 4), draw(2 * s + 1, 50, 4)) for s in range(2)]
    neighbours.precision_recall_density_coverage(*sets[0])
    with helpers.count_compiles() as compiles:
        neighbours.precision_recall_density_coverage(*sets[1])
    assert compiles.count == 0, compiles.functions


def test_nearest_distances_against_plain_numpy():
    queries, points = draw(0, 300, 5) + 100.0, draw(1, 70, 5) + 100.0
    expected = np.linalg.norm(queries[:, None] - points[None], axis=-1)
    found = neighbours.nearest_distances(queries, points)
    np.testing.assert_allclose(found.distance, expected.min(axis=1), rtol=1e-12)
    np.testing.assert_array_equal(found.index, expected.argmin(axis=1))
    copies = neighbours.nearest_distances(points[::-1], points)
    assert (copies.distance == 0.0).all()
    np.testing.assert_array_equal(copies.index, np.arange(70)[::-1])


def test_memorisation_by_hand():
    result = neighbours.memorisation([0.0, 1.0, 4.0], np.arange(1.0, 101.0), 7)
    assert result == neighbours.Memorisation(1.0, 50.5, 1.0 / 50.5, pytest.approx(1.0), 3, 100, 7)
    assert neighbours.memorisation([1.0, 9.0], np.arange(1.0, 101.0), 7).share_close == 0.5  # 5 % quantile: 5.95
    assert neighbours.memorisation([0.0], [0.0, 0.0], 7).ratio is None


def test_memorisation_tells_copies_from_fresh_draws():
    train, real = draw(0, 400, 4), draw(1, 300, 4)

    def check(samples):
        near = (neighbours.nearest_distances(x, train).distance for x in (samples, real))
        return neighbours.memorisation(*near, len(train))

    fresh = check(draw(2, 300, 4))
    assert fresh.ratio == pytest.approx(1.0, abs=0.15)
    assert fresh.share_close == pytest.approx(0.05, abs=0.05)
    copied = check(train[:100] + 1e-3 * draw(3, 100, 4))
    assert copied.ratio < 0.01
    assert copied.share_close == 1.0
