"""One training step as one compiled call: batch, augmentation, both losses, both optimisers, average and metrics.

The call receives state and metrics window as donated buffers and gives them back updated; nothing is copied between
host and device but a batch that comes from the host. Randomness of step n is `fold_in(key(state.seed), n)`, so a
resumed run draws the same numbers as an uninterrupted one.
"""

from collections.abc import Callable

import jax
import jax.numpy as jnp

from ich_jax.config import Config
from ich_jax.data import pipeline
from ich_jax.data.dataset import Dataset
from ich_jax.training import parallel
from ich_jax.training.formulation import AS_WRITTEN, Choice
from ich_jax.training.objective import create_networks
from ich_jax.training.optimiser import keep, lr_share
from ich_jax.training.state import TrainState
from ich_jax.training.update import make_update
from ich_jax.training.window import LAST, MEANS, Window
from ich_jax.types import Batch, PyTree


def images_per_step(config: Config) -> int:
    """Returns how many real images a step draws: every discriminator step of an alternate update has its own batch."""
    return config.train.batch * config.objective.d_steps


def make_step(
    config: Config,
    dataset: Dataset,
    layout: parallel.Layout | None = None,
    choice: Choice = AS_WRITTEN,
    *,
    n_steps: int = 1,
) -> Callable[[TrainState, PyTree, Window], tuple[TrainState, Window]]:
    """Returns the compiled training step of a run, or several steps in one compiled call.

    A step whose batch, losses or gradients are not finite leaves everything as it was but the counters (`step`,
    `skipped`, `skipped_in_a_row`). That is a select inside the compiled call: no branch, and the host takes no part.

    Args:
        config: The run.
        dataset: Its images. If they are sampled in the step, the step's second argument is `dataset.arrays`, else a
            `Batch` of images, float32 in [-1, 1] or uint8, as `layout.put_batch` makes it.
        layout: The devices; by default the first one.
        choice: How convolutions are computed, and compiler options.
        n_steps: Steps of one call. A batch from the host then holds the batches of all steps in their order.

    Returns:
        `step(state, arrays_or_batch, window) -> (state, window)`; state and window are donated.
    """
    # Over 60 lines: one function is compiled, and its parts share the constants of a run.
    layout = layout or parallel.single()
    trained = create_networks(config, dataset.spec, layout, choice.form)
    update = make_update(trained)
    batch_size, d_steps = config.train.batch, config.objective.d_steps

    def batches_of(state: TrainState, source: PyTree) -> list[Batch]:
        """Returns the instance's rows of one batch per discriminator step."""
        if dataset.sample is None:
            return [jax.tree.map(lambda x, i=i: x[i], source) for i in range(d_steps)]
        index = pipeline.batch_indices(pipeline.data_key(state.seed), state.step, d_steps * batch_size, dataset.n_train)
        return [
            dataset.sample(source, layout.local_rows(index[i * batch_size : (i + 1) * batch_size]))
            for i in range(d_steps)
        ]

    def step(state: TrainState, source: PyTree, window: Window) -> tuple[TrainState, Window]:
        batches = [batch._replace(image=pipeline.as_unit(batch.image)) for batch in batches_of(state, source)]
        # Else the compiler copies the code that draws an image into each of its uses: a third of the compilation and a
        # tenth of the step (quick on CPU: 32 to 22 s of processor time, 256 to 224 ms).
        batches = jax.lax.optimization_barrier(batches)
        key = jax.random.fold_in(jax.random.key(state.seed), state.step)
        proposed, means, finite = update(state, batches, key)
        sums = [jnp.sum(x) for batch in batches for x in (batch.image, batch.brief.axes)]
        finite &= jnp.isfinite(layout.mean(jnp.stack(sums))).all()
        new = keep(finite, proposed, state)
        new = new.replace(
            step=state.step + 1,
            skipped=state.skipped + jnp.where(finite, 0, 1),
            skipped_in_a_row=jnp.where(finite, 0, state.skipped_in_a_row + 1),
        )
        lr = lr_share(config.train, state.step) * state.lr_scale
        last = (new.step, lr * config.train.d_lr, lr * config.train.g_lr, new.skipped, new.skipped_in_a_row)
        window = Window(
            sums={name: window.sums[name] + jnp.where(finite, means[name], 0.0) for name in MEANS},
            last={name: value.astype(jnp.float32) for name, value in zip(LAST, last, strict=True)},
            count=window.count + jnp.where(finite, 1, 0),
        )
        return new, window

    def call(state: TrainState, source: PyTree, window: Window) -> tuple[TrainState, Window]:
        def source_of(i: int | jax.Array) -> PyTree:
            if dataset.sample is not None:
                return source
            return jax.tree.map(lambda x: jax.lax.dynamic_slice_in_dim(x, i * d_steps, d_steps), source)

        # Products of float32 arrays keep the precision of float32 unless the run says otherwise: by default, GPUs of
        # NVIDIA may round the factors to TF32, and TPUs to bfloat16.
        with jax.default_matmul_precision("tensorfloat32" if config.compute.tf32 else "float32"):
            if n_steps == 1:
                return step(state, source, window)
            if layout.loops:
                carry = (state, window)
                for_each = jnp.arange(n_steps)
                return jax.lax.scan(lambda carry, i: (step(carry[0], source_of(i), carry[1]), None), carry, for_each)[0]
            for i in range(n_steps):
                state, window = step(state, source_of(i), window)
            return state, window

    return layout.compile(call, from_host=dataset.sample is None, options=dict(choice.options))
