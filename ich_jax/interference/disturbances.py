"""Interference on a generator: on its noise, its brief, its weights, its activations and its images.

A kind is one function and one row of `TABLE`. The function maps the inputs of the generator, given a strength, to
disturbed inputs. Severity is traced, and 0 is the identity bit for bit. Random draws depend on the key of a design
alone (for weights, on the key of the cell), not on severity, which only scales them: a curve over severity shows the
same designs under ever stronger forms of the same interference.
"""

import dataclasses
import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np

from ich_jax import errors
from ich_jax.interference.corruptions import api as corruptions
from ich_jax.interference.corruptions import draws
from ich_jax.types import AXIS_LIMIT, Brief, DesignSpace, PyTree

SEVERITIES = tuple(range(1, 6))


class Inputs(NamedTuple):
    """Inputs of the generator for B designs.

    Attributes:
        params: The generator's parameters.
        z: Noise, `[B, z_dim]`.
        brief: The briefs.
    """

    params: PyTree
    z: jax.Array
    brief: Brief


class Source(NamedTuple):
    """Source of the random numbers of interference.

    Attributes:
        words: Key of each design, `[B, 2]` uint32.
        cell: Key of the weights' interference, the same for all designs of a sampling seed.
        space: The design space of the briefs.
    """

    words: jax.Array
    cell: jax.Array
    space: DesignSpace


Change = Callable[[Inputs, jax.Array, Source], Inputs]
"""`(inputs, strength, source) -> inputs`."""
Layer = Callable[[str, tuple[Any, ...], jax.Array, Source], jax.Array]
"""`(name of a layer, its arguments, strength, source) -> its first argument, changed`."""


@dataclasses.dataclass(frozen=True)
class Disturbance:
    """One kind of interference.

    Attributes:
        on: Target: latent, brief, weights or image.
        grid: Strength at severities 1 to 5.
        unit: Meaning of the strength.
        change: Change of the inputs of the generator; None: none.
        layer: Change of the input of each of its layers; None: none.
        scored: Whether it enters means and minima. False where accuracy has to fall by construction (another product is
            requested) or where it tests the inspector (images).
    """

    on: str
    grid: tuple[float, ...]
    unit: str
    change: Change | None = None
    layer: Layer | None = None
    scored: bool = True


# ---------------------------------------------------------------- noise and brief


def _latent_noise(inputs: Inputs, strength: jax.Array, source: Source) -> Inputs:
    """Adds noise of this deviation without rescaling the sum: at unit variance it would be just another draw."""
    return inputs._replace(z=inputs.z + strength * draws.normal(source.words, inputs.z.shape[1:]))


def _element_dropout(inputs: Inputs, strength: jax.Array, source: Source) -> Inputs:
    """Leaves each stated element open with this probability."""
    brief, n = inputs.brief, len(source.space.elements)
    kept = jnp.where(draws.uniform(source.words, (n,)) < strength, 0.0, 1.0)
    given = brief.given.at[:, 1 : 1 + n].multiply(kept.astype(brief.given.dtype))
    return inputs._replace(brief=brief._replace(given=given))


def _element_swap(inputs: Inputs, strength: jax.Array, source: Source) -> Inputs:
    """Replaces each element by another category with this probability."""
    brief, sizes = inputs.brief, source.space.cardinalities
    other = [
        (brief.elements[:, i] + 1 + draws.integers(source.words, (), n - 1, 2 + i)) % n for i, n in enumerate(sizes)
    ]
    if not other:
        return inputs
    swapped = draws.uniform(source.words, (len(sizes),)) < strength
    return inputs._replace(brief=brief._replace(elements=jnp.where(swapped, jnp.stack(other, 1), brief.elements)))


def _product_flip(inputs: Inputs, strength: jax.Array, source: Source) -> Inputs:
    """Replaces the product by another with this probability; the reading is still compared with the brief."""
    brief, n = inputs.brief, len(source.space.products)
    other = (brief.product + 1 + draws.integers(source.words, (), n - 1, 1)) % n
    flipped = draws.uniform(source.words, ()) < strength
    return inputs._replace(brief=brief._replace(product=jnp.where(flipped, other, brief.product)))


def _axis_noise(inputs: Inputs, strength: jax.Array, source: Source) -> Inputs:
    """Adds Gaussian noise to each axis, within the scale of briefs."""
    noise = strength * draws.normal(source.words, inputs.brief.axes.shape[1:])
    return _with_axes(inputs, inputs.brief.axes + noise)


def _axis_bias(inputs: Inputs, strength: jax.Array, source: Source) -> Inputs:
    """Shifts all axes of a design by this much, up or down, within the scale of briefs."""
    sign = jnp.where(draws.uniform(source.words, (1,)) < 0.5, -1.0, 1.0)
    return _with_axes(inputs, inputs.brief.axes + strength * sign)


def _with_axes(inputs: Inputs, axes: jax.Array) -> Inputs:
    return inputs._replace(brief=inputs.brief._replace(axes=jnp.clip(axes, -AXIS_LIMIT, AXIS_LIMIT)))


def _condition_noise(name: str, arguments: tuple[Any, ...], strength: jax.Array, source: Source) -> jax.Array:
    """Adds Gaussian noise to the encoded brief, relative to its root mean square."""
    (x,) = arguments
    if name != "mapping_0":  # the layer that noise and encoded brief enter
        return x
    n = _condition_length(source.space)
    condition = x[:, -n:]
    size = jnp.sqrt(jnp.mean(condition**2, axis=1, keepdims=True))
    noise = strength * size * draws.normal(source.words, (n,))
    return jnp.concatenate([x[:, :-n], condition + noise.astype(x.dtype)], axis=1)


def _condition_length(space: DesignSpace) -> int:
    products, axes = len(space.products), len(space.axes)
    return products + sum(space.cardinalities) + axes + products * axes + space.n_given


# ---------------------------------------------------------------- weights and activations


def _each_weight(inputs: Inputs, source: Source, change: Callable[[jax.Array, jax.Array], jax.Array]) -> Inputs:
    """Applies `change(key words [1, 2], weights)` to every tensor of parameters, with separate key words for each."""
    leaves, tree = jax.tree.flatten(inputs.params)
    words = [jax.random.key_data(jax.random.fold_in(source.cell, i)).reshape(1, 2) for i in range(len(leaves))]
    changed = [change(w, leaf) for w, leaf in zip(words, leaves, strict=True)]
    return inputs._replace(params=jax.tree.unflatten(tree, changed))


def _weight_noise(inputs: Inputs, strength: jax.Array, source: Source) -> Inputs:
    """Adds Gaussian noise whose deviation is relative to that of each tensor."""
    return _each_weight(inputs, source, lambda words, w: w + strength * jnp.std(w) * draws.normal(words, w.shape)[0])


def _flipped_bits(words: jax.Array, shape: tuple[int, ...], n: int, rate: jax.Array) -> jax.Array:
    """Returns whole numbers whose lowest n bits are each 1 with probability `rate`."""
    threshold = (rate * 2.0**32).astype(jnp.uint32)

    def add(i: jax.Array, mask: jax.Array) -> jax.Array:
        flip = draws.bits(words, shape, i)[0] < threshold
        return mask | jnp.where(flip, jnp.uint32(1) << i.astype(jnp.uint32), jnp.uint32(0))

    return jax.lax.fori_loop(0, n, add, jnp.zeros(shape, jnp.uint32))


def _int8_bit_flips(inputs: Inputs, strength: jax.Array, source: Source) -> Inputs:
    """Stores weights as 8-bit whole numbers, one scale per tensor, and flips bits at this rate.

    References:
        Stutz et al. (2021), Bit error robustness for energy-efficient DNN accelerators (rounding and clipping aside).
    """

    def change(words: jax.Array, w: jax.Array) -> jax.Array:
        scale = jnp.maximum(jnp.max(jnp.abs(w)), 1e-12) / 127.0
        code = jnp.round(w / scale).astype(jnp.int8)
        flips = _flipped_bits(words, w.shape, 8, strength).astype(jnp.uint8)
        return (
            jax.lax.bitcast_convert_type(jax.lax.bitcast_convert_type(code, jnp.uint8) ^ flips, jnp.int8).astype(
                w.dtype
            )
            * scale
        )

    return _each_weight(inputs, source, change)


def _float32_bit_flips(inputs: Inputs, strength: jax.Array, source: Source, n_bits: int) -> Inputs:
    """Flips the lowest n bits of weights as stored in float32 at this rate; 23 are the mantissa."""

    def change(words: jax.Array, w: jax.Array) -> jax.Array:
        code = jax.lax.bitcast_convert_type(w, jnp.uint32) ^ _flipped_bits(words, w.shape, n_bits, strength)
        return jax.lax.bitcast_convert_type(code, jnp.float32)

    return _each_weight(inputs, source, change)


def _quantise(x: jax.Array, bits: jax.Array, axes: tuple[int, ...]) -> jax.Array:
    """Rounds to whole multiples of a step, 2**bits - 1 of them around 0; 16 bits stand for bfloat16."""
    largest = 2.0 ** (bits - 1.0) - 1.0
    step = jnp.maximum(jnp.max(jnp.abs(x), axis=axes, keepdims=True), 1e-12) / largest.astype(x.dtype)
    rounded = jnp.round(x / step) * step
    return jnp.where(bits == 16.0, x.astype(jnp.bfloat16).astype(x.dtype), rounded)


def _quantised_weights(inputs: Inputs, strength: jax.Array, source: Source) -> Inputs:
    """Rounds weights to this many bits, one scale for each output channel."""
    return _each_weight(
        inputs, source, lambda _, w: _quantise(w, strength, tuple(range(w.ndim - 1)) if w.ndim > 1 else (0,))
    )


def _quantised_activations(name: str, arguments: tuple[Any, ...], strength: jax.Array, source: Source) -> jax.Array:
    """Rounds the input of a layer to this many bits, one scale for each design."""
    del name, source
    x = arguments[0]
    return _quantise(x, strength, tuple(range(1, x.ndim)))


# ---------------------------------------------------------------- the table

TABLE = {
    "latent_noise": Disturbance("latent", (0.25, 0.5, 1, 2, 4), "sd of added noise", _latent_noise),
    "condition_noise": Disturbance(
        "brief", (0.05, 0.1, 0.2, 0.4, 0.8), "sd relative to the encoded brief", layer=_condition_noise
    ),
    "element_dropout": Disturbance("brief", (0.1, 0.2, 0.4, 0.6, 0.8), "probability", _element_dropout),
    "element_swap": Disturbance("brief", (0.05, 0.1, 0.2, 0.3, 0.5), "probability", _element_swap),
    "product_flip": Disturbance("brief", (0.05, 0.1, 0.2, 0.3, 0.5), "probability", _product_flip, scored=False),
    "axis_noise": Disturbance("brief", (0.25, 0.5, 1, 1.5, 2), "sd, axis units", _axis_noise),
    "axis_bias": Disturbance("brief", (0.25, 0.5, 1, 1.5, 2), "shift, axis units", _axis_bias),
    "weight_noise": Disturbance("weights", (0.005, 0.01, 0.02, 0.05, 0.1), "sd relative to a tensor's", _weight_noise),
    "int8_bit_flips": Disturbance("weights", (1e-5, 1e-4, 1e-3, 5e-3, 1e-2), "rate per bit", _int8_bit_flips),
    "float32_bit_flips": Disturbance(
        "weights", (1e-9, 1e-8, 1e-7, 1e-6, 1e-5), "rate per bit", functools.partial(_float32_bit_flips, n_bits=32)
    ),
    "mantissa_bit_flips": Disturbance(
        "weights", (1e-5, 1e-4, 1e-3, 1e-2, 1e-1), "rate per bit", functools.partial(_float32_bit_flips, n_bits=23)
    ),
    "quantised": Disturbance(
        "weights", (16, 8, 6, 5, 4), "bits (16: bfloat16)", _quantised_weights, _quantised_activations
    ),
    **{
        f"image_{kind}": Disturbance("image", SEVERITIES, "severity of the corruption", scored=False)
        for kind in corruptions.COMMON
    },
}
"""Every kind of interference on a generator."""


def check(kinds: tuple[str, ...]) -> None:
    """Refuses unknown kinds.

    Raises:
        ConfigError: A kind is not in the table; the message names the nearest.
    """
    for kind in kinds:
        errors.require(kind, TABLE, "kind of interference")


def make_disturbed(
    draw: Callable[[PyTree, jax.Array, Brief], jax.Array], space: DesignSpace, kind: str
) -> Callable[[Inputs, jax.Array, jax.Array, jax.Array], jax.Array]:
    """Returns a generator under one kind of interference.

    Args:
        draw: `(params, z [B, z_dim], brief) -> images [B, H, W, C]`, as `training.sampling.make_draw` returns it.
        space: The design space of the briefs.
        kind: A name in `TABLE`.

    Returns:
        `draw(inputs, severity, keys [B], cell_key) -> images [B, H, W, C]` float32 in the range of the generator;
        jittable, severity a traced int32 from 0 to 5.

    Raises:
        ConfigError: An unknown kind.
    """
    check((kind,))
    disturbance = TABLE[kind]
    grid = np.array((0.0, *disturbance.grid), np.float32)

    def disturbed(inputs: Inputs, severity: jax.Array, keys: jax.Array, cell_key: jax.Array) -> jax.Array:
        strength = jnp.asarray(grid)[severity]
        source = Source(jax.random.key_data(keys), cell_key, space)
        if disturbance.change is not None:
            changed = disturbance.change(inputs, strength, source)
            inputs = jax.tree.map(lambda new, old: jnp.where(severity == 0, old, new), changed, inputs)
        if disturbance.layer is None:
            images = draw(*inputs)
        else:
            with nn.intercept_methods(functools.partial(_intercept, disturbance.layer, strength, severity, source)):
                images = draw(*inputs)
        if disturbance.on != "image":
            return images
        unit = jnp.clip(0.5 * images + 0.5, 0.0, 1.0)
        corrupted = 2.0 * corruptions.corrupt(unit, kind.removeprefix("image_"), severity, keys) - 1.0
        return jnp.where(severity == 0, images, corrupted)

    return disturbed


def _intercept(
    layer: Layer,
    strength: jax.Array,
    severity: jax.Array,
    source: Source,
    method: Callable[..., Any],
    arguments: tuple[Any, ...],
    named: dict[str, Any],
    context: nn.module.InterceptorContext,
) -> Any:
    """Changes the first argument of every layer that has weights."""
    is_layer = context.module.name is not None and context.method_name == "__call__" and _has_kernel(context.module)
    if not is_layer:
        return method(*arguments, **named)
    changed = layer(str(context.module.name), arguments, strength, source)
    return method(jnp.where(severity == 0, arguments[0], changed), *arguments[1:], **named)


def _has_kernel(module: nn.Module) -> bool:
    return isinstance(module, nn.Dense) or type(module).__name__.startswith("Conv")
