import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ich_jax import errors
from ich_jax.uncertainty import measurement


def mean_square(values: jax.Array) -> jax.Array:
    return jnp.mean(values**2, axis=0)


def mean_size(values: jax.Array) -> jax.Array:
    return jnp.mean(jnp.abs(values), axis=0)


def test_the_variance_of_the_error_is_taken_off_a_mean_square() -> None:
    """E (e + sqrt(f) u)^2 is a line in f, so the extrapolation is exact up to the draws: mean e^2 - sd^2."""
    values, sd = np.random.default_rng(0).normal(0, [1.0, 2.0], (400, 2)), np.array([0.5, 0.2])
    found = measurement.simex(jax.random.key(0), mean_square, values, sd, n_simulations=2000)
    assert found.naive == pytest.approx((values**2).mean(axis=0), rel=1e-12)
    assert found.corrected == pytest.approx((values**2).mean(axis=0) - sd**2, abs=0.01)
    assert found.added.shape == (4, 2)


def test_against_a_loop_with_numpy() -> None:
    values, sd, factors = np.random.default_rng(1).normal(0, 0.3, 50), 0.2, (0.5, 1.0, 2.0)
    key, n = jax.random.key(3), 7
    found = measurement.simex(key, mean_size, values, sd, factors=factors, n_simulations=n)
    with jax.enable_x64(True):
        noise = np.array([jax.random.normal(jax.random.fold_in(key, i), (50,), jnp.float64) for i in range(n)])
    curve = [np.abs(values).mean(), *(np.abs(values + np.sqrt(f) * sd * noise).mean() for f in factors)]
    assert found.added == pytest.approx(curve[1:], rel=1e-12)
    assert found.corrected == pytest.approx(np.polyval(np.polyfit((0, *factors), curve, 2), -1.0), rel=1e-9)


def test_mean_size_of_normal_errors_is_recovered() -> None:
    """|e| of sd 0.3 read with an error of sd 0.15: the mean of |e| is 0.3 sqrt(2 / pi)."""
    rng = np.random.default_rng(2)
    read = rng.normal(0, 0.3, 20_000) + rng.normal(0, 0.15, 20_000)
    found = measurement.simex(jax.random.key(0), mean_size, read, 0.15, n_simulations=50)
    truth = 0.3 * np.sqrt(2 / np.pi)
    assert abs(found.corrected - truth) < 0.004 < 0.02 < found.naive - truth


def test_no_error_changes_nothing() -> None:
    values = np.arange(5.0)
    found = measurement.simex(jax.random.key(0), mean_size, values, 0.0, n_simulations=3)
    assert found.corrected == pytest.approx(found.naive, rel=1e-12)


def test_refusals() -> None:
    with pytest.raises(errors.ConfigError, match="two or more"):
        measurement.simex(jax.random.key(0), mean_size, [1.0, 2.0], 0.1, factors=(1.0,))
    with pytest.raises(errors.DataError, match="negative"):
        measurement.simex(jax.random.key(0), mean_size, [1.0, 2.0], -0.1)
    with pytest.raises(errors.DataError, match="not finite"):
        measurement.simex(jax.random.key(0), mean_size, [1.0, np.nan], 0.1)
