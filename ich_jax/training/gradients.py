"""Gradients of the training objective at a state, as the training step itself computes them."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from ich_jax.config import Config
from ich_jax.data.dataset import Dataset
from ich_jax.training import formulation, parallel
from ich_jax.training import state as state_lib
from ich_jax.training import step as step_lib
from ich_jax.training import window as window_lib
from ich_jax.training.state import TrainState
from ich_jax.types import PyTree

NetworkGradients = tuple[Any, Any]
"""Gradients of generator and discriminator: trees like their parameters."""


def make_gradients(
    config: Config, dataset: Dataset, make_step: Callable[..., Any] | None = None
) -> Callable[[TrainState], NetworkGradients]:
    """Returns a function that computes the gradients of the step that a state is about to take.

    After one step a fresh Adam holds 1 - beta1 times the gradient that it was given, so the training step itself yields
    its gradients, for any objective, without a second implementation; runs that differ in the seed only share the
    compiled program. Clipping is undone by the norms that the step reports.

    Args:
        config: The run; one discriminator step per generator step.
        dataset: Its images, sampled in the step.
        make_step: As for `loop.train`.
    """
    layout = parallel.make_layout(config)  # placed as the loop places them, so that the same program is compiled
    choice = formulation.choose(config)  # as the loop, too
    step = (make_step or step_lib.make_step)(config, dataset, layout, choice=choice)
    arrays, adam = layout.put(dataset.arrays), state_lib.adam(config.train)

    def gradients(state: TrainState) -> NetworkGradients:
        fresh = state.replace(g_opt=adam.init(state.g_params), d_opt=adam.init(state.d_params))
        fresh = layout.put_state(jax.tree.map(jnp.copy, fresh))
        after, window = step(fresh, arrays, layout.put(window_lib.new_window()))
        metrics = window_lib.read_window(window)  # not a number if the step was not finite

        def unclipped(opt: PyTree, norm: float) -> Any:
            shrink = min(1.0, config.train.clip / norm) if config.train.clip else 1.0
            return jax.tree.map(lambda mu: mu / jnp.float32((1.0 - config.train.beta1) * shrink), opt.mu)

        return unclipped(after.g_opt, metrics["g_grad_norm"]), unclipped(after.d_opt, metrics["d_grad_norm"])

    return gradients
