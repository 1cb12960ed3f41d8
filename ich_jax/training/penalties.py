"""Penalties on the discriminator's gradient with respect to its input, per example.

A penalty is a gradient inside a loss, so differentiating it costs about as much as four more passes over the
discriminator. It is a mean over the batch, and the mean over any fixed part of an independently drawn batch has the
same expectation: `config.objective.penalty_share` takes it on the first images only. That is an unbiased estimate at
less memory and time, and unlike a penalty on every k-th step it makes all steps alike (no branch in the compiled step,
no pulses in Adam's moments).
"""

import functools
from collections.abc import Callable
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax.custom_derivatives import SymbolicZero

from ich_jax import errors
from ich_jax.config import Config
from ich_jax.models import layers
from ich_jax.types import Params, PyTree

Score = Callable[[jax.Array], jax.Array]
"""`[B, H, W, C]` images to `[B]` scores, each of which depends on its own image only."""

Network = Callable[[Params, jax.Array, PyTree], tuple[jax.Array, PyTree]]
"""`(params, images, given) -> (score [B], rest)`: a network of Flax modules."""

Prepare = Callable[[jax.Array, PyTree], jax.Array]
"""`(images, draws) -> images`: preparation of images before the network sees them; affine in the images."""


def n_penalised(batch: int, share: float) -> int:
    """Returns how many images of a batch the penalty is taken on: the nearest whole number, at least one."""
    return min(batch, max(1, round(share * batch)))


def gradient_square(score: Score, images: jax.Array) -> jax.Array:
    """Returns |d score_i / d image_i|^2, `[B]`, summed over height, width and channels."""
    gradient = jax.grad(lambda x: jnp.sum(score(x)))(images)
    return jnp.sum(gradient**2, axis=(1, 2, 3))


def r1(score: Score, real: jax.Array) -> jax.Array:
    """(1/2) |grad_x D(x)|^2 on real images, `[B]`; times gamma it is the R1 penalty.

    References:
        Mescheder et al., Which training methods for GANs do actually converge?, 2018, eq. 9.
    """
    return 0.5 * gradient_square(score, real)


def r1_r2(score: Score, real: jax.Array, fake: jax.Array) -> jax.Array:
    """(1/2) (|grad_x D(x)|^2 + |grad_x D(G(z))|^2), `[B]`, for generated images that are constants.

    `score` is called once, on `[2B, H, W, C]`: real and generated images alternately. Two calls would compile the
    gradient of the discriminator's gradient twice.

    References:
        Mescheder et al., 2018, eq. 9 and 10; Huang et al., R3GAN, 2024 (both together).
    """
    both = r1(score, layers.interleave(real, jax.lax.stop_gradient(fake)))
    return both[::2] + both[1::2]


def wgan_gp(u: jax.Array, score: Score, real: jax.Array, fake: jax.Array) -> jax.Array:
    """(|grad_x D(x)| - 1)^2 at x = u real + (1 - u) fake, `[B]`; u `[B, 1, 1, 1]` is uniform in [0, 1].

    References:
        Gulrajani et al., Improved training of Wasserstein GANs, 2017, eq. 3.
    """
    between = u * real + (1.0 - u) * jax.lax.stop_gradient(fake)
    # The root has no derivative at 0; the summand keeps the gradient of a flat discriminator finite.
    norm = jnp.sqrt(gradient_square(score, between) + 1e-12)
    return (norm - 1.0) ** 2


# ---------------------------------------------------------------- scores and penalty of all images together


def of_all(config: Config) -> Callable[..., tuple[jax.Array, PyTree, jax.Array]] | None:
    """Returns how a run takes the penalty on all images in the pass that scores them: `exact` or `by_autodiff`.

    None where it does not: no penalty of that kind, on a share of the images, or not in every step.

    Raises:
        ConfigError: `config.compute.penalty_rule` is `exact` where that rule does not hold or saves nothing.
    """
    objective, rule = config.objective, config.compute.penalty_rule
    together = objective.penalty in ("r1", "r1_r2") and objective.penalty_share == 1.0
    together &= objective.penalty_interval == 1
    if rule == "exact":
        require_slope(config.discriminator.activation)
        if not together:
            raise errors.ConfigError(
                "--config.compute.penalty_rule=exact saves passes where every image is scored and penalised in every "
                "step: it needs --config.objective.penalty 'r1' or 'r1_r2', penalty_share=1.0 and penalty_interval=1; "
                f"got {objective.penalty!r}, {objective.penalty_share} and {objective.penalty_interval}."
            )
    if not together:
        return None
    # A discriminator that also learns to read needs a second backward pass for that, after which nothing is saved.
    saves = config.discriminator.activation in layers.SLOPES and objective.reading_d == 0.0
    return exact if rule == "exact" or (rule == "auto" and saves) else by_autodiff


def by_autodiff(
    network: Network, prepare: Prepare, params: Params, images: jax.Array, draws: PyTree, given: PyTree
) -> tuple[jax.Array, PyTree, jax.Array]:
    """Scores images and takes the penalty on each of them.

    Args:
        network: The discriminator.
        prepare: The augmentation.
        params: Parameters of the network.
        images: `[B, H, W, C]`; the penalty takes them as constants.
        draws: Second argument of `prepare`.
        given: Third argument of the network.

    Returns:
        Scores `[B]`, the other outputs of the network, and (1/2) |d score_i / d image_i|^2 `[B]`.
    """
    score, rest = network(params, prepare(images, draws), given)
    square = gradient_square(lambda x: network(params, prepare(x, draws), given)[0], jax.lax.stop_gradient(images))
    return score, rest, 0.5 * square


def _record(
    network: Network, params: Params, x: jax.Array, given: PyTree
) -> tuple[tuple[jax.Array, PyTree], list[jax.Array]]:
    """Runs the network and records for every activation where its argument was on the upper side."""
    masks: list[jax.Array] = []

    def watch(
        call: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any], context: nn.module.InterceptorContext
    ) -> Any:
        module = context.module
        if isinstance(module, layers.Activation):
            masks.append(args[0] > 0 if require_slope(module.kind) == 0.0 else args[0] >= 0)
        return call(*args, **kwargs)

    with nn.intercept_methods(watch):
        return network(params, x, given), masks


def _masked(
    network: Network, params: Params, x: jax.Array, given: PyTree, masks: list[jax.Array], scale: jax.Array
) -> jax.Array:
    """Scores of the linear network that the activations' masks leave, each row's biases multiplied by its `scale`."""
    left = iter(masks)

    def replace(
        call: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any], context: nn.module.InterceptorContext
    ) -> Any:
        module = context.module
        if isinstance(module, layers.Activation):
            (h,) = args
            return h * jnp.where(next(left), 1.0, layers.SLOPES[module.kind]).astype(h.dtype)
        y = call(*args, **kwargs)
        if not module.has_variable("params", "bias"):
            return y
        more = (scale - 1.0).astype(y.dtype).reshape(-1, *(1,) * (y.ndim - 1))
        return y + more * module.get_variable("params", "bias").astype(y.dtype)[(None,) * (y.ndim - 1)]

    with nn.intercept_methods(replace):
        return network(params, x, given)[0]


def require_slope(kind: str) -> float:
    """Returns the slope below zero of an activation that is linear on either side of it.

    Raises:
        ConfigError: It is not.
    """
    if kind not in layers.SLOPES:
        raise errors.ConfigError(
            f"--config.compute.penalty_rule=exact holds for piecewise linear discriminators only, and {kind!r} is not: "
            f"set --config.discriminator.activation to one of {', '.join(layers.SLOPES)}, or "
            "--config.compute.penalty_rule=autodiff."
        )
    return layers.SLOPES[kind]


@functools.partial(jax.custom_vjp, nondiff_argnums=(0, 1))
def exact(
    network: Network, prepare: Prepare, params: Params, images: jax.Array, draws: PyTree, given: PyTree
) -> tuple[jax.Array, PyTree, jax.Array]:
    """`by_autodiff` for a piecewise linear network, with gradients at two thirds of the work.

    Almost everywhere such a network is linear near each image, s(x) = v.x + ..., and with l' the derivative of a loss
    by s and p that by (1/2) |v|^2, the gradient of both with respect to a layer's kernel is c u^T: c is the derivative
    of s by the layer's output, which v has needed already, and u the layer's input in the masked linear network on
    l' x + p v with biases times l'. So a forward pass, one back to the images, one forward with masks and the
    products c u^T: four passes where automatic differentiation takes six. The compiler finds that the second pass
    back, written below as the gradient of the masked network, is the first one again.

    Args and returns: as `by_autodiff`. Gradients flow to `params` and `images`; not differentiable twice.

    Raises:
        ConfigError: An activation is not linear on either side of zero.
    """
    return _exact_forward(network, prepare, params, images, draws, given)[0]


def _exact_forward(
    network: Network, prepare: Prepare, params: Params, images: PyTree, draws: PyTree, given: PyTree
) -> PyTree:
    params, images, draws, given = jax.tree.map(lambda x: getattr(x, "value", x), (params, images, draws, given))
    x = prepare(images, draws)
    (score, rest), masks = _record(network, params, x, given)
    cotangent = jnp.ones_like(score)
    _, pull = jax.vjp(lambda x: _masked(network, params, x, given, masks, cotangent), x)
    (to_x,) = pull(cotangent)
    _, pull = jax.vjp(lambda images: prepare(images, draws), images)
    (v,) = pull(to_x)
    v32 = v.astype(jnp.float32) if v.dtype != jnp.float64 else v
    square = 0.5 * jnp.sum(v32**2, axis=tuple(range(1, v.ndim)))
    return (score, rest, square), (params, images, draws, given, x, masks, v)


def _exact_backward(network: Network, prepare: Prepare, residuals: PyTree, cotangents: PyTree) -> PyTree:
    params, images, draws, given, x, masks, v = residuals
    to_score, to_rest, to_square = cotangents
    n = (-1,) + (1,) * (x.ndim - 1)
    zero = jnp.zeros(images.shape[0], jnp.float32)
    by_score = zero if isinstance(to_score, SymbolicZero) else to_score
    u = by_score.reshape(n) * x
    if not isinstance(to_square, SymbolicZero):
        along = to_square.reshape(n) * v
        u += jax.jvp(lambda images: prepare(images, draws), (images,), (along,))[1]
    _, pull = jax.vjp(lambda params: _masked(network, params, u, given, masks, by_score), params)
    (to_params,) = pull(jnp.ones_like(by_score))
    to_images = by_score.reshape(n) * v
    if not all(isinstance(c, SymbolicZero) for c in jax.tree.leaves(to_rest, is_leaf=_is_symbolic)):
        to_rest = jax.tree.map(
            lambda c: jnp.zeros(c.shape, c.dtype) if _is_symbolic(c) else c, to_rest, is_leaf=_is_symbolic
        )
        _, pull = jax.vjp(lambda params, images: network(params, prepare(images, draws), given)[1], params, images)
        to_params, to_images = jax.tree.map(jnp.add, (to_params, to_images), pull(to_rest))
    return to_params, to_images, None, None


def _is_symbolic(x: object) -> bool:
    return isinstance(x, SymbolicZero)


exact.defvjp(_exact_forward, _exact_backward, symbolic_zeros=True)
