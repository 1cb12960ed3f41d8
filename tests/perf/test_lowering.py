"""Programs lowered for devices that are not here: a good one passes, and each planted fault is named."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

from ich_jax import errors
from ich_jax.perf import lowering

IMAGE, KERNEL = (4, 8, 8, 16), (3, 3, 16, 32)


def convolve(x, kernel, numbers=("NHWC", "HWIO", "NHWC")):
    return lax.conv_general_dilated(x, kernel, (1, 1), "SAME", dimension_numbers=numbers)


def traced(function, *shapes, dtype=jnp.float32, **options):
    return jax.jit(function, **options).trace(*(jax.ShapeDtypeStruct(shape, dtype) for shape in shapes))


def problems(function, *shapes, platform="cuda", compute="float32", donated=0, **options):
    text = lowering.lower(traced(function, *shapes, **options), platform)
    return lowering.problems(lowering.facts(text, platform), compute=compute, donated=donated)


@pytest.mark.parametrize("platform", ["tpu", "cuda"])
def test_a_training_step_in_small_has_no_problem(platform):
    def step(kernel, x):
        gradient = jax.grad(lambda k: jnp.sum(jnp.tanh(convolve(x, k)) ** 2))(kernel)
        return kernel - 0.1 * gradient

    found = traced(step, KERNEL, IMAGE, donate_argnums=0)
    facts = lowering.facts(lowering.lower(found, platform), platform)
    assert lowering.problems(facts, donated=1) == []
    assert facts.operations["convolution"] == 2 and facts.types >= {"f32"} and facts.donated == 1
    assert facts.layouts["b,0,1,f"] >= 2 and facts.convolution_types == {"f32": 2} and not facts.dynamic
    assert lowering.check(found, ["cpu", platform], compute="float32")[1] == facts


def test_half_precision():
    def half(x, kernel):
        return convolve(x.astype(jnp.bfloat16), kernel.astype(jnp.bfloat16)).astype(jnp.float32)

    assert problems(half, IMAGE, KERNEL, compute="bfloat16") == []
    (line,) = problems(convolve, IMAGE, KERNEL, compute="bfloat16")
    assert "1 convolutions of f32 instead of bf16" in line


def test_a_call_of_the_host_is_seen():
    def called(x):
        return jax.pure_callback(np.sin, jax.ShapeDtypeStruct(x.shape, x.dtype), x)

    def printed(x):
        jax.debug.print("{}", x[0])
        return x

    for function in (called, printed):
        (line,) = problems(function, (4,), platform="cpu")
        assert "calls the host from the device (" in line and "callback" in line


def test_float64_is_seen():
    with jax.enable_x64(True):
        assert problems(lambda x: x * np.pi, (4,), dtype=jnp.float64) == [
            "The program lowered for cuda computes in float64."
        ]


def test_channels_first_is_seen():
    (line,) = problems(lambda x, k: convolve(x, k, ("NCHW", "OIHW", "NCHW")), (4, 16, 8, 8), (32, 16, 3, 3))
    assert "channels do not come last (b,f,0,1)" in line


def test_an_unknown_shape_is_seen():
    text = 'func.func public @main(%arg0: tensor<?x4xf32>) { "stablehlo.custom_call"(%arg0) }'
    assert lowering.facts(text, "tpu").dynamic
    assert "not known before it runs" in lowering.problems(lowering.facts(text, "tpu"))[0]


def test_a_large_constant_is_seen():
    table = np.random.default_rng(0).normal(size=(600, 600)).astype(np.float32)
    (line,) = problems(lambda x: x + table, (600, 600))
    assert "holds 1.4 MiB of constants" in line
    assert problems(lambda x: x + jnp.ones((600, 600)), (600, 600)) == []


def test_lost_donation_is_seen():
    (line,) = problems(lambda x: x + 1.0, (4,), donated=1)
    assert "may write over 0 of its arguments instead of 1" in line
    with pytest.raises(errors.ConfigError, match=r"lowered for tpu may write over 0 .* instead of 2"):
        lowering.check(traced(lambda x: x, (4,)), ["tpu"], compute="float32", donated=2)


def test_an_unknown_platform_is_refused():
    with pytest.raises(errors.ConfigError, match="did you mean 'tpu'"):
        lowering.lower(traced(lambda x: x, (4,)), "tpus")
    with pytest.raises(errors.ConfigError, match="'cuda'"):
        lowering.advice(jax.make_jaxpr(jnp.sin)(1.0), "cudas")


def test_advice_names_widths_that_are_padded():
    narrow = jax.make_jaxpr(convolve)(jnp.zeros(IMAGE), jnp.zeros(KERNEL))
    wide = jax.make_jaxpr(convolve)(jnp.zeros((1, 4, 4, 128)), jnp.zeros((3, 3, 128, 256)))
    colour = jax.make_jaxpr(convolve)(jnp.zeros((1, 4, 4, 3)), jnp.zeros((3, 3, 3, 8)))
    (line,) = lowering.advice(narrow, "tpu")
    assert "no multiple of 128" in line and "16 (1), 32 (1)" in line
    assert lowering.advice(narrow, "cuda") == lowering.advice(narrow, "cpu") == lowering.advice(wide, "tpu") == []
    assert "3 (1)" in lowering.advice(colour, "cuda")[0]


def test_a_digest_tells_programs_apart_and_not_names():
    def one(x):
        return jnp.tanh(x) * 2

    def other(x):
        return jnp.tanh(x) * 2

    def different(x):
        return jnp.tanh(x) * 3

    digests = [lowering.digest(lowering.lower(traced(jax.jit(f), (4,)), "cpu")) for f in (one, other, different)]
    assert digests[0] == digests[1] != digests[2]
