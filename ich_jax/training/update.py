"""The update of a step: gradients of the losses, and the state after one step of each optimiser."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from ich_jax.training import optimiser, parallel
from ich_jax.training.objective import Judged, Networks, discriminator_loss, draw, generator_loss, judge, leave_open
from ich_jax.training.state import TrainState
from ich_jax.types import Batch, Brief, Params

Update = Callable[[TrainState, list[Batch], jax.Array], tuple[TrainState, dict[str, jax.Array], jax.Array]]
"""`update(state, batches, key) -> (proposed state, means, finite)`; one batch per discriminator step."""


def make_update(trained: Networks) -> Update:
    """Returns the update that the config asks for."""
    update = simultaneous if trained.config.objective.update == "simultaneous" else alternate
    return lambda state, batches, key: update(trained, state, batches, key)


def simultaneous(
    trained: Networks, state: TrainState, batches: list[Batch], key: jax.Array
) -> tuple[TrainState, dict[str, jax.Array], jax.Array]:
    """All networks from one pair of forward passes: two pulls of the same tape, one per loss."""
    config, layout = trained.config, trained.layout
    objective, batch_size = config.objective, config.train.batch
    (batch,) = batches
    z_key, open_key, judge_key, penalty_key = jax.random.split(key, 4)
    brief = leave_open(layout, open_key, batch.brief, batch_size, objective.condition_dropout, objective.sketch_dropout)

    def forward(ge_params: Params, d_params: Params) -> Any:
        drawn = draw(trained, ge_params, z_key, batch.image, brief)
        judged = judge(trained, d_params, judge_key, batch.image, drawn.image, brief)
        d_total, d_means = discriminator_loss(
            trained, state.step, d_params, penalty_key, judged, batch, drawn.image, brief
        )
        g_total, g_means = generator_loss(trained, state.step, judged, drawn, brief)
        return (d_total, g_total), (d_means | g_means, judged, drawn.image)

    ge_params = (state.g_params, state.e_params)
    totals, pull, (means, judged, fake) = jax.vjp(forward, ge_params, state.d_params, has_aux=True)
    one, zero = jnp.ones((), jnp.float32), jnp.zeros((), jnp.float32)
    _, d_gradient = layout.mean(pull((one, zero)))
    ge_gradient, _ = layout.mean(pull((zero, one)))
    state, d_norm = optimiser.descend_d(config.train, state, d_gradient)
    state, g_norm = optimiser.descend_ge(config.train, state, ge_gradient)
    means = layout.mean(means | balance_of(layout, judged, batch.image, fake))
    means |= {"d_grad_norm": d_norm, "g_grad_norm": g_norm}
    return state, means, jnp.isfinite(jnp.stack([*layout.mean(totals), d_norm, g_norm])).all()


def alternate(
    trained: Networks, state: TrainState, batches: list[Batch], key: jax.Array
) -> tuple[TrainState, dict[str, jax.Array], jax.Array]:
    """Discriminator steps, each on its own batch and noise, then a generator step against the new discriminator."""
    config, layout = trained.config, trained.layout
    objective, batch_size = config.objective, config.train.batch
    g_key, *d_keys = jax.random.split(key, 1 + objective.d_steps)
    step = state.step
    checks = []
    for batch, d_key in zip(batches, d_keys, strict=True):
        z_key, open_key, judge_key, penalty_key = jax.random.split(d_key, 4)
        brief = leave_open(
            layout, open_key, batch.brief, batch_size, objective.condition_dropout, objective.sketch_dropout
        )
        fake = draw(trained, (state.g_params, state.e_params), z_key, batch.image, brief).image

        def d_forward(
            d_params: Params,
            batch: Batch = batch,
            brief: Brief = brief,
            fake: jax.Array = fake,
            keys: tuple[jax.Array, jax.Array] = (judge_key, penalty_key),
        ) -> Any:
            judged = judge(trained, d_params, keys[0], batch.image, fake, brief)
            loss, means = discriminator_loss(trained, step, d_params, keys[1], judged, batch, fake, brief)
            return loss, (means, judged)

        (loss, (means, judged)), gradient = jax.value_and_grad(d_forward, has_aux=True)(state.d_params)
        state, d_norm = optimiser.descend_d(config.train, state, layout.mean(gradient))
        checks += [layout.mean(loss), d_norm]

    z_key, judge_key = jax.random.split(g_key)

    def g_forward(ge_params: Params) -> Any:
        drawn = draw(trained, ge_params, z_key, batch.image, brief)
        judged = judge(trained, state.d_params, judge_key, batch.image, drawn.image, brief, squares=False)
        loss, means = generator_loss(trained, state.step, judged, drawn, brief)
        return loss, (means, drawn.image)

    ge_params = (state.g_params, state.e_params)
    (loss, (g_means, fake)), gradient = jax.value_and_grad(g_forward, has_aux=True)(ge_params)
    state, g_norm = optimiser.descend_ge(config.train, state, layout.mean(gradient))
    means = layout.mean(means | g_means | balance_of(layout, judged, batch.image, fake))
    means |= {"d_grad_norm": d_norm, "g_grad_norm": g_norm}
    return state, means, jnp.isfinite(jnp.stack([*checks, layout.mean(loss), g_norm])).all()


def balance_of(layout: parallel.Layout, judged: Judged, real: jax.Array, fake: jax.Array) -> dict[str, jax.Array]:
    """Means that describe the balance between the two networks, and how much the images of a batch differ."""
    real_score, fake_score = judged.real_score, judged.fake_score

    def spread(images: jax.Array) -> jax.Array:
        mean = layout.mean(jnp.mean(images, axis=0))
        return jnp.mean(jnp.sqrt(layout.mean(jnp.mean((images - mean[None]) ** 2, axis=0))))

    return {
        "real_beats_fake": jnp.mean((real_score > fake_score).astype(jnp.float32)),
        "d_accuracy": jnp.mean(jnp.concatenate([real_score > 0, fake_score < 0]).astype(jnp.float32)),
        "score_real": jnp.mean(real_score),
        "score_fake": jnp.mean(fake_score),
        "pixel_sd_real": spread(real),
        "pixel_sd_fake": spread(fake),
    }
