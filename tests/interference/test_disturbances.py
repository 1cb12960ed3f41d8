from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ich_jax import errors
from ich_jax.config import Config, DataConfig, GeneratorConfig
from ich_jax.interference import disturbances
from ich_jax.interference.corruptions.api import image_keys
from ich_jax.interference.disturbances import TABLE, Inputs
from ich_jax.training import sampling
from ich_jax.types import Brief, DesignSpace, Element, ImageSpec
from tests.helpers import count_compiles

SPACE = DesignSpace(("fan", "book", "figurine"), (Element("palette", ("red", "blue", "green")),), ("width", "height"))
N = 64
KEYS = image_keys(jax.random.key(3), 0, N)
CELL = jax.random.key(9)


@pytest.fixture(scope="module")
def inputs() -> Inputs:
    """A small generator's parameters with something in every tensor, noise and briefs."""
    _, shapes = made()
    leaves, tree = jax.tree.flatten(shapes)
    rng = np.random.default_rng(0)
    params = tree.unflatten([jnp.asarray(rng.normal(0, 0.2, leaf.shape).astype(np.float32)) for leaf in leaves])
    return Inputs(params, z(), brief())


def z() -> jax.Array:
    return jnp.asarray(np.random.default_rng(1).normal(size=(N, 4)).astype(np.float32))


def brief() -> Brief:
    rng = np.random.default_rng(2)
    return Brief(
        product=jnp.asarray(rng.integers(0, 3, N), jnp.int32),
        elements=jnp.asarray(rng.integers(0, 3, (N, 1)), jnp.int32),
        axes=jnp.asarray(rng.uniform(-2, 2, (N, 2)), jnp.float32),
        given=jnp.ones((N, 4), jnp.float32),
    )


def made() -> tuple[Any, Any]:
    config = Config(data=DataConfig(size=16), generator=GeneratorConfig(z_dim=4, mapping=16, widths=(8, 8), blocks=1))
    draw = sampling.make_draw(config, ImageSpec(SPACE, 16, 3))
    from ich_jax.models import networks

    module = networks.create_generator(config, ImageSpec(SPACE, 16, 3))
    return draw, jax.eval_shape(module.init, jax.random.key(0), z(), brief())["params"]


SOURCE = disturbances.Source(jax.random.key_data(KEYS), CELL, SPACE)
SOME = ("latent_noise", "condition_noise", "element_swap", "int8_bit_flips", "quantised", "image_contrast")


@pytest.mark.parametrize("kind", SOME)
def test_severity_zero_is_the_identity_and_one_program_serves_all(kind: str, inputs: Inputs) -> None:
    draw, _ = made()
    plain = np.asarray(jax.jit(draw)(*inputs))
    disturbed = jax.jit(disturbances.make_disturbed(draw, SPACE, kind))
    results = [np.asarray(disturbed(inputs, jnp.int32(0), KEYS, CELL))]
    with count_compiles() as compiles:
        results += [np.asarray(disturbed(inputs, jnp.int32(s), KEYS, CELL)) for s in (1, 5)]
    assert compiles.count == 0, compiles.functions
    assert np.abs(results[0] - plain).max() < 1e-5  # another program: the same up to rounding
    moved = [np.abs(result - results[0]).mean() for result in results[1:]]
    assert moved[1] > 0 and moved[0] < moved[1]


@pytest.mark.parametrize("kind", [kind for kind, d in TABLE.items() if d.change is not None])
def test_what_changes_and_what_does_not(kind: str, inputs: Inputs) -> None:
    """What a change does to its inputs; the generator is not needed for that."""
    disturbance = TABLE[kind]
    assert disturbance.change is not None and len(disturbance.grid) == 5
    change = disturbance.change
    compiled = jax.jit(lambda inputs, strength: change(inputs, strength, SOURCE))
    after = [compiled(inputs, jnp.float32(s)) for s in (disturbance.grid[0], disturbance.grid[-1])]
    fields = {"latent": "z", "brief": "brief", "weights": "params"}
    for name in Inputs._fields:
        same = all(
            np.asarray(a).tobytes() == np.asarray(b).tobytes()
            for a, b in zip(
                jax.tree.leaves(getattr(after[-1], name)), jax.tree.leaves(getattr(inputs, name)), strict=True
            )
        )
        assert same == (name != fields[disturbance.on]), name


def test_draws_are_coupled_over_severity(inputs: Inputs) -> None:
    change = TABLE["latent_noise"].change
    assert change is not None
    one, four = (np.asarray(change(inputs, jnp.float32(s), SOURCE).z - inputs.z) for s in (1.0, 4.0))
    np.testing.assert_allclose(4 * one, four, rtol=1e-4, atol=1e-5)
    flip = TABLE["product_flip"].change
    assert flip is not None
    flipped = [
        np.asarray(flip(inputs, jnp.float32(s), SOURCE).brief.product != inputs.brief.product) for s in (0.2, 0.5)
    ]
    assert (flipped[0] <= flipped[1]).all()
    assert 0.3 < flipped[1].mean() < 0.7


def test_dropped_and_swapped_elements(inputs: Inputs) -> None:
    drop, swap = TABLE["element_dropout"].change, TABLE["element_swap"].change
    assert drop is not None and swap is not None
    given = np.asarray(drop(inputs, jnp.float32(0.4), SOURCE).brief.given)
    assert 0.2 < 1 - given[:, 1].mean() < 0.6 and (given[:, [0, 2, 3]] == 1).all()
    all_swapped = np.asarray(swap(inputs, jnp.float32(1.0), SOURCE).brief.elements)
    assert (all_swapped != np.asarray(inputs.brief.elements)).all() and set(np.unique(all_swapped)) == {0, 1, 2}


def test_axes_stay_on_their_scale(inputs: Inputs) -> None:
    bias = TABLE["axis_bias"].change
    assert bias is not None
    moved = np.asarray(bias(inputs, jnp.float32(2.0), SOURCE).brief.axes)
    assert np.abs(moved).max() <= 3
    expected = [np.clip(np.asarray(inputs.brief.axes) + s, -3, 3) for s in (-2, 2)]
    assert all(
        (np.abs(row - expected[0][i]).max() < 1e-6) != (np.abs(row - expected[1][i]).max() < 1e-6)
        for i, row in enumerate(moved)
    )


def test_rates_of_flipped_bits() -> None:
    words = jax.random.key_data(jax.random.key(0)).reshape(1, 2)
    masks = np.asarray(disturbances._flipped_bits(words, (50_000,), 8, jnp.float32(0.1)))
    share = [((masks >> b) & 1).mean() for b in range(8)]
    np.testing.assert_allclose(share, 0.1, atol=0.006)
    assert masks.max() < 256
    rare = np.asarray(disturbances._flipped_bits(words, (2_000_000,), 32, jnp.float32(1e-6)))
    assert 40 < np.bitwise_count(rare).sum() < 95  # 64 expected


def test_mantissa_flips_keep_sign_and_exponent(inputs: Inputs) -> None:
    change = TABLE["mantissa_bit_flips"].change
    assert change is not None
    for before, after in zip(
        *(jax.tree.leaves(p) for p in (inputs.params, change(inputs, jnp.float32(0.5), SOURCE).params)), strict=True
    ):
        ratio = np.asarray(after) / np.asarray(before)
        assert ((ratio > 0.5) & (ratio < 2)).all()


def test_four_bits_leave_fifteen_values(inputs: Inputs) -> None:
    change = TABLE["quantised"].change
    assert change is not None
    kernel = np.asarray(change(inputs, jnp.float32(4), SOURCE).params["base"]["kernel"])
    assert max(len(np.unique(kernel[:, i])) for i in range(kernel.shape[1])) <= 15
    sixteen = np.asarray(change(inputs, jnp.float32(16), SOURCE).params["base"]["kernel"])
    exact = np.asarray(inputs.params["base"]["kernel"])
    assert 0 < np.abs(sixteen / exact - 1).max() < 2**-8


def test_an_unknown_kind_is_refused() -> None:
    with pytest.raises(errors.ConfigError, match="did you mean 'latent_noise'"):
        disturbances.check(("latent_nose",))
