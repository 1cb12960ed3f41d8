"""Every way of computing a convolution gives the values, gradients and gradients of gradients of the plain one."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ich_jax.models import convolutions
from ich_jax.models.convolutions import DIRECT, Formulation

FORMS = [
    *(Formulation(merged=True), Formulation(taps=9), Formulation(merged=True, taps=4), Formulation(True, 9)),
    Formulation(narrow=4),
]
FUNCTIONS: dict[str, tuple[Callable[..., jax.Array], tuple[int, ...]]] = {
    "conv3x3": (convolutions.conv3x3, (3, 3, 2, 5)),
    "conv3x3_to_few": (convolutions.conv3x3, (3, 3, 2, 1)),
    "upsample_conv3x3": (convolutions.upsample_conv3x3, (3, 3, 2, 5)),
    "conv3x3_pool": (convolutions.conv3x3_pool, (3, 3, 2, 5)),
    "upsample_conv1x1": (convolutions.upsample_conv1x1, (2, 5)),
    "conv1x1_pool": (convolutions.conv1x1_pool, (2, 5)),
    "grouped_conv3x3": (convolutions.grouped_conv3x3, (3, 3, 1, 4)),
    "upsample_bilinear": (lambda x, _, form: convolutions.upsample_bilinear(x, form), (1,)),
    "downsample_bilinear": (lambda x, _, form: convolutions.downsample_bilinear(x, form), (1,)),
}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_forms_agree_in_float64(name: str) -> None:
    function, shape = FUNCTIONS[name]

    def total(x: jax.Array, kernel: jax.Array, form: Formulation) -> jax.Array:
        return jnp.sum(jnp.sin(function(x, kernel, form)))

    def penalty(x: jax.Array, kernel: jax.Array, form: Formulation) -> jax.Array:
        return jnp.sum(jax.grad(total)(x, kernel, form) ** 2)

    def everything(form: Formulation) -> list[jax.Array]:
        return jax.tree.leaves(
            [
                function(x, kernel, form),
                jax.grad(total, (0, 1))(x, kernel, form),
                jax.grad(penalty, (0, 1))(x, kernel, form),
            ]
        )

    with jax.enable_x64(True):
        x, kernel = (jax.random.normal(jax.random.key(i), s, jnp.float64) for i, s in enumerate([(2, 6, 4, 2), shape]))
        expected = everything(DIRECT)
        for form in FORMS:
            for a, b in zip(everything(form), expected, strict=True):
                assert a.dtype == jnp.float64
                np.testing.assert_allclose(a, b, atol=1e-12 * np.abs(b).max(), err_msg=str(form))


def test_upsampling_by_hand() -> None:
    x = jnp.array([4.0, 8.0]).reshape(1, 1, 2, 1)
    for form in (DIRECT, Formulation(merged=True)):
        y = convolutions.upsample_bilinear(x, form)
        np.testing.assert_allclose(y[0, :, :, 0], 0.75 * np.array([[3, 5, 7, 6]] * 2), rtol=1e-6)
        line = jnp.array([8.0, 16.0, 24.0, 32.0]).reshape(1, 1, 4, 1).repeat(2, 1)
        down = convolutions.downsample_bilinear(line, form)  # (3 * 8 + 3 * 16 + 24) / 8 along, 6 / 8 across
        np.testing.assert_allclose(down[0, 0, :, 0], [0.75 * 12.0, 0.75 * 23.0], rtol=1e-6)


def test_merged_forms_multiply_less() -> None:
    """Counts of the compiled programs: 16 multiplications for 36 in a 3x3, a quarter in a 1x1."""
    x = jax.ShapeDtypeStruct((2, 16, 16, 8), jnp.float32)

    def flops(name: str, form: Formulation) -> float:
        function, shape = FUNCTIONS[name]
        shape = (*shape[:-2], 8, 8)
        compiled = (
            jax.jit(function, static_argnums=2).lower(x, jax.ShapeDtypeStruct(shape, jnp.float32), form).compile()
        )
        return compiled.cost_analysis()["flops"]

    for name, share in [("upsample_conv3x3", 16 / 36), ("conv3x3_pool", 16 / 36), ("conv1x1_pool", 0.25)]:
        ratio = flops(name, Formulation(merged=True)) / flops(name, DIRECT)
        assert share < ratio < 1.4 * share, (name, ratio)


def test_bias_and_its_gradients() -> None:
    x, bias = jax.random.normal(jax.random.key(0), (2, 3, 4, 5)), jnp.arange(5.0)
    np.testing.assert_array_equal(convolutions.add_bias(x, bias), x + bias.reshape(1, 1, 1, 5))
    g = jax.random.normal(jax.random.key(1), x.shape)
    to_x, to_bias = jax.vjp(convolutions.add_bias, x, bias)[1](g)
    np.testing.assert_array_equal(to_x, g)
    np.testing.assert_allclose(to_bias, g.sum((0, 1, 2)), rtol=1e-5)
