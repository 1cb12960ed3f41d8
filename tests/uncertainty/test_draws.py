import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ich_jax.uncertainty import draws, float64


@pytest.mark.parametrize(("n", "work"), [(1, 1), (7, 10), (7, 2**21), (7, 2**30), (9000, 1)])
def test_every_index_once_in_order(n, work):
    with float64.enabled():
        values = draws.each(lambda i: {"i": i, "pair": jnp.stack([i, i**2])}, n, work)
    np.testing.assert_array_equal(values["i"], np.arange(n))
    np.testing.assert_array_equal(values["pair"], np.stack([np.arange(n), np.arange(n) ** 2], axis=1))


def test_draws_do_not_depend_on_their_number_or_the_chunks():
    key = jax.random.key(0)
    with float64.enabled():
        few, many, chunked = (
            np.asarray(draws.each(lambda i: jax.random.normal(jax.random.fold_in(key, i)), n, work))
            for n, work in ((5, 1), (50, 1), (50, 2**20))
        )
    np.testing.assert_array_equal(few, many[:5])
    np.testing.assert_array_equal(many, chunked)


def test_error_of_a_deviation_is_that_of_repeated_draws():
    rng = np.random.default_rng(0)
    for draw in (rng.normal, rng.exponential, rng.uniform):
        samples = draw(size=(4000, 300))
        errors = [draws.error_of_deviation(sample) for sample in samples[:200]]
        np.testing.assert_allclose(np.mean(errors), samples.std(axis=1).std(), rtol=0.12)
    assert draws.error_of_deviation(np.full(5, 2.0)) == 0.0
