import jax.numpy as jnp
import numpy as np
import pytest

from ich_jax.evaluation import designs, validation
from tests.evaluation.made import CONFIG, EXACT, make_config, make_dataset, perfect, read_cells, real_draws


def validate(sampler, params=1.0, config=CONFIG, draws=real_draws, dataset=None):
    judge = validation.make_validate(config, dataset or make_dataset(), sampler, read_cells, real_draws=draws)
    return judge(jnp.float32(params))


def test_validate():
    found = validate(perfect)
    assert set(found) == {
        *("product_accuracy", "element_accuracy", "axis_mae", "axis_p95", "diversity", "diversity_real", "score")
    }
    assert (found["product_accuracy"], found["element_accuracy"]) == (1.0, 1.0)
    assert found["axis_mae"] < found["axis_p95"] < EXACT
    assert found["diversity"] == pytest.approx(found["diversity_real"], rel=0.05)
    assert found["score"] == found["axis_p95"] + max(0.0, 1.0 - found["diversity"] / found["diversity_real"])


def test_score_is_lower_for_the_better_generator():
    def worse(params, key, brief):
        return perfect(
            jnp.float32(1.0), key, brief._replace(product=jnp.zeros_like(brief.product), axes=brief.axes * params)
        )

    scores = [validate(worse, share)["score"] for share in (1.0, 0.8, 0.2)]
    assert scores == sorted(scores)
    found = validate(worse, 0.8)
    shortfall = max(0.0, 1.0 - found["diversity"] / found["diversity_real"])
    assert found["score"] == pytest.approx((1 - found["product_accuracy"]) + found["axis_p95"] + shortfall)


@pytest.mark.parametrize("draws", [real_draws, None])
def test_validation_sees_that_the_noise_is_ignored(draws):
    same, half = (validate(perfect, share, draws=draws) for share in (0.0, 0.5))
    if draws is not None:  # nothing but noise differs between draws of one brief
        assert same["diversity"] == pytest.approx(0.0, abs=1e-6)
        assert half["diversity"] == pytest.approx(0.5 * half["diversity_real"], rel=0.05)
    assert same["diversity"] < half["diversity"] < validate(perfect, draws=draws)["diversity"]
    assert same["score"] > half["score"]


def test_validation_of_a_set_without_held_out_images_has_no_diversity():
    found = validate(perfect, draws=None, dataset=make_dataset(n_holdout=0))
    assert "diversity" not in found
    assert found["score"] == found["axis_p95"]


def test_validation_briefs_are_not_test_briefs():
    seen = []

    def watch(params, key, brief):
        seen.append(np.asarray(brief.axes))
        return perfect(params, key, brief)

    config = make_config(n_designs=50, n_validation=50)
    validation.make_validate(config, make_dataset(), watch, read_cells)(jnp.float32(1.0))
    (validation_axes,) = seen
    found = designs.evaluate(config, make_dataset(), watch, jnp.float32(1.0), read_cells)
    test = found.record.designs.axes_requested
    assert not np.isclose(validation_axes[:, None, 0], test[None, :, 0]).any()
