import jax.numpy as jnp
import pytest

from ich_jax import errors
from ich_jax.evaluation import designs
from tests.evaluation.made import CONFIG, make_config, make_dataset, perfect, read_cells


def test_diversity_of_a_perfect_generator(ideal):
    found = ideal.diversity
    assert found.reference == "same brief"
    assert (found.n_briefs, found.n_draws) == (20, 12)
    # Half of the pixels are noise of sd 0.5, clipped at +-1 (which takes its sd to 0.4796); the others are fixed.
    assert found.generated == pytest.approx(0.4796 / 2, rel=0.05)
    assert found.ratio == pytest.approx(1.0, abs=0.05)
    assert found.within_product_generated > found.generated
    assert found.within_product_generated == pytest.approx(found.within_product_real, rel=0.1)


def test_without_real_draws_diversity_is_held_against_the_product():
    found = designs.evaluate(CONFIG, make_dataset(), perfect, jnp.float32(1.0), read_cells).diversity
    assert found.reference == "same product"
    assert found.real == found.within_product_real
    assert found.ratio == pytest.approx(found.generated / found.real)
    assert found.ratio < 1.0


def test_diversity_needs_two_draws():
    with pytest.raises(errors.ConfigError, match="diversity_draws"):
        designs.evaluate(make_config(diversity_draws=1), make_dataset(), perfect, jnp.float32(1.0), read_cells)
