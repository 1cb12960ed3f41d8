"""One training step as one compiled call: batch, augmentation, both losses, both optimisers, average and metrics.

The call receives state and metrics window as donated buffers and gives them back updated; nothing is copied between
host and device but a batch that comes from the host. Randomness of step n is `fold_in(key(state.seed), n)`, so a
resumed run draws what an uninterrupted one would have drawn.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax

from ich_jax.config import Config, TrainConfig
from ich_jax.data import augment as augment_lib
from ich_jax.data import pipeline
from ich_jax.data.dataset import Dataset
from ich_jax.models import layers, networks
from ich_jax.models.convolutions import DIRECT, Formulation
from ich_jax.training import losses, parallel, penalties
from ich_jax.training import state as state_lib
from ich_jax.training.formulation import AS_WRITTEN, Choice
from ich_jax.training.state import TrainState
from ich_jax.types import Batch, Brief, DesignSpace, Reading

MEANS = (
    "d_loss",  # adversarial part only
    "g_loss",  # adversarial part only
    "penalty",  # weighted
    "reading_real",  # reading loss on real images, every known part
    "reading_fake",  # reading loss on generated images, stated parts
    "reconstruction",  # mean absolute error of real images drawn again, pixels in [-1, 1]; 0 if never done
    "noise_kl",  # nats between the noise read off one real image and standard normal noise; 0 if never done
    "noise_mismatch",  # of the noise read off all real images and standard normal noise; 0 if never done
    "real_beats_fake",  # share of pairs in which the real image scores higher; 0.5 at balance, 1 when D has won
    "d_accuracy",  # share of images on the right side of score 0
    "score_real",
    "score_fake",
    "d_grad_norm",  # before clipping
    "g_grad_norm",
    "pixel_sd_real",  # deviation over the batch, averaged over pixels
    "pixel_sd_fake",
)
"""Metrics that a window averages over its finite steps."""

LAST = ("step", "d_lr", "g_lr", "skipped", "skipped_in_a_row")
"""Values of which a window keeps the newest."""


class Window(NamedTuple):
    """Metrics since the last log line, on the device.

    Attributes:
        sums: Sum of each of `MEANS` over the finite steps.
        last: Newest value of each of `LAST`.
        count: int32, number of finite steps.
    """

    sums: dict[str, jax.Array]
    last: dict[str, jax.Array]
    count: jax.Array  # type: ignore[assignment]  # hides tuple.count, which nobody asks of a window


@jax.jit
def new_window() -> Window:
    """Returns an empty window. Compiled, so that its zeros are made on the device and each has a buffer to donate."""
    return Window(
        sums={name: jnp.zeros((), jnp.float32) for name in MEANS},
        last={name: jnp.zeros((), jnp.float32) for name in LAST},
        count=jnp.zeros((), jnp.int32),
    )


def read_window(window: Window) -> dict[str, float]:
    """Copies a window to the host, in one transfer that waits for the device.

    Returns:
        The mean of each of `MEANS` over the finite steps (NaN if there was none), and the newest of each of `LAST`.
    """
    host = jax.device_get(window)
    count = int(host.count)
    means = {name: float(value) / count if count else float("nan") for name, value in host.sums.items()}
    return means | {name: float(value) for name, value in host.last.items()}


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
) -> Callable[[TrainState, Any, Window], tuple[TrainState, Window]]:
    """Returns the compiled training step of a run, or several steps in one compiled call.

    A step whose batch, losses or gradients are not finite leaves everything as it was but the counters (`step`,
    `skipped`, `skipped_in_a_row`). That is a select inside the compiled call: no branch, no look from the host.

    Args:
        config: The run.
        dataset: Its images. If they are sampled in the step, the step's second argument is `dataset.arrays`, else a
            `Batch` of images, float32 in [-1, 1] or uint8, as `layout.put_batch` makes it.
        layout: The devices; by default the first one.
        choice: How convolutions are computed, and compiler options.
        n_steps: Steps of one call. What the call reads from the host are then their batches one after the other.

    Returns:
        `step(state, arrays_or_batch, window) -> (state, window)`; state and window are donated.
    """
    layout = layout or parallel.single()
    update = _make_update(config, dataset.space, dataset.size, dataset.channels, layout, choice.form)
    batch_size, d_steps = config.train.batch, config.objective.d_steps

    def batches_of(state: TrainState, source: Any) -> list[Batch]:
        """Returns the instance's rows of one batch per discriminator step."""
        if dataset.sample is None:
            return [jax.tree.map(lambda x, i=i: x[i], source) for i in range(d_steps)]
        index = pipeline.batch_indices(pipeline.data_key(state.seed), state.step, d_steps * batch_size, dataset.n_train)
        return [
            dataset.sample(source, layout.mine(index[i * batch_size : (i + 1) * batch_size])) for i in range(d_steps)
        ]

    def step(state: TrainState, source: Any, window: Window) -> tuple[TrainState, Window]:
        batches = [batch._replace(image=pipeline.as_unit(batch.image)) for batch in batches_of(state, source)]
        # Else the compiler copies the code that draws an image into each of its uses: a third of the compilation and a
        # tenth of the step (quick on CPU: 32 to 22 s of processor time, 256 to 224 ms).
        batches = jax.lax.optimization_barrier(batches)
        key = jax.random.fold_in(jax.random.key(state.seed), state.step)
        proposed, means, finite = update(state, batches, key)
        sums = [jnp.sum(x) for batch in batches for x in (batch.image, batch.brief.axes)]
        finite &= jnp.isfinite(layout.mean(jnp.stack(sums))).all()
        new = _keep(finite, proposed, state)
        new = new.replace(
            step=state.step + 1,
            skipped=state.skipped + jnp.where(finite, 0, 1),
            skipped_in_a_row=jnp.where(finite, 0, state.skipped_in_a_row + 1),
        )
        lr = _lr_share(config.train, state.step) * state.lr_scale
        last = (new.step, lr * config.train.d_lr, lr * config.train.g_lr, new.skipped, new.skipped_in_a_row)
        window = Window(
            sums={name: window.sums[name] + jnp.where(finite, means[name], 0.0) for name in MEANS},
            last={name: value.astype(jnp.float32) for name, value in zip(LAST, last, strict=True)},
            count=window.count + jnp.where(finite, 1, 0),
        )
        return new, window

    def call(state: TrainState, source: Any, window: Window) -> tuple[TrainState, Window]:
        def source_of(i: Any) -> Any:
            if dataset.sample is not None:
                return source
            return jax.tree.map(lambda x: jax.lax.dynamic_slice_in_dim(x, i * d_steps, d_steps), source)

        # Products of float32 arrays are products of float32 numbers unless the run says otherwise: left to themselves
        # GPUs of NVIDIA may round the factors to TF32, TPUs to bfloat16.
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


def make_sampler(
    config: Config, space: DesignSpace, size: int, channels: int, form: Formulation = DIRECT
) -> Callable[[Any, jax.Array, Brief], jax.Array]:
    """Returns the compiled drawing function of a trained generator.

    With a style strength w other than 1, what the brief changes in the picture is scaled by w:
    x_open + w (x_given - x_open), where x_open is drawn from the same noise with everything left open.

    Args:
        config: The run; `evaluation.style_strength` is w.
        space: What briefs can ask for.
        size: Height and width of the images.
        channels: 1 or 3.
        form: How convolutions are computed.

    Returns:
        `sample(params, key, brief) -> [B, H, W, C]` float32; real images are in [-1, 1], these are not clipped.

    References:
        Ho and Salimans, Classifier-free diffusion guidance, 2022, eq. 6; here on pictures, not on scores.
    """
    draw = make_draw(config, space, size, channels, form)

    @jax.jit
    def sample(params: Any, key: jax.Array, brief: Brief) -> jax.Array:
        z = jax.random.normal(key, (brief.product.shape[0], config.generator.z_dim), jnp.float32)
        return draw(params, z, brief)

    return sample


def make_draw(
    config: Config, space: DesignSpace, size: int, channels: int, form: Formulation = DIRECT
) -> Callable[[Any, jax.Array, Brief], jax.Array]:
    """As `make_sampler`, not compiled, of given noise: `draw(params, z [B, z_dim], brief) -> [B, H, W, C]`."""
    module = networks.create_generator(config, space, size, channels, form)
    strength = config.evaluation.style_strength

    def draw(params: Any, z: jax.Array, brief: Brief) -> jax.Array:
        given = module.apply({"params": params}, z, brief)
        if strength == 1.0:
            return given
        left_open = module.apply({"params": params}, z, brief._replace(given=jnp.zeros_like(brief.given)))
        return left_open + strength * (given - left_open)

    return draw


# ---------------------------------------------------------------- the update


class _Drawn(NamedTuple):
    image: jax.Array  # [B, H, W, C]
    reconstruction: jax.Array  # mean absolute error of the real images that were drawn again
    noise_kl: jax.Array
    noise_mismatch: jax.Array


class _Judged(NamedTuple):
    real_score: jax.Array  # [B]
    fake_score: jax.Array  # [B]
    real_reading: Reading
    fake_reading: Reading
    real_square: jax.Array  # [B], half the squared norm of the score's gradient; zeros unless all images have one
    fake_square: jax.Array  # [B]


def _make_update(
    config: Config, space: DesignSpace, size: int, channels: int, layout: parallel.Layout, form: Formulation
) -> Callable[..., Any]:
    """Returns `update(state, batches, key) -> (proposed state, means, finite)`.

    Random numbers are drawn for the whole batch, of which `layout.mine` takes the instance's rows; `batches` hold those
    rows only. Where two sets of rows meet they alternate, which leaves every row on its device.
    """
    g_module = networks.create_generator(config, space, size, channels, form)
    d_module = networks.create_discriminator(config, space, form)
    e_module = networks.create_encoder(config, space, form)
    augment = augment_lib.make_augment(config.data.augment)
    objective = config.objective
    adversarial = losses.adversarial(objective.loss)
    penalise = penalties.of_all(config)
    batch_size = config.train.batch

    def draw(ge_params: tuple[Any, Any], key: jax.Array, real: jax.Array, brief: Brief) -> _Drawn:
        """Draws the briefs; every other one from noise that the encoder reads off the real image of that brief.

        To draw those images again the generator must put what varies at a fixed brief (position, light, backdrop)
        under the control of its noise; adversarial losses alone let it settle on one picture per brief.
        """
        g_params, e_params = ge_params
        z = layout.mine(jax.random.normal(key, (batch_size, config.generator.z_dim), jnp.float32))
        zero = jnp.zeros((), jnp.float32)
        if not objective.reconstruction:
            return _Drawn(g_module.apply({"params": g_params}, z, brief), zero, zero, zero)
        again = slice(None, None, 2)
        mean, log_sd = e_module.apply({"params": e_params}, *jax.tree.map(lambda x: x[again], (real, brief)))
        read = mean + jnp.exp(log_sd) * z[again]
        image = g_module.apply({"params": g_params}, layers.interleave(read, z[1::2]), brief)
        image = jax.lax.optimization_barrier(image)  # as for real images: computed once for all of its uses
        return _Drawn(
            image=image,
            reconstruction=jnp.mean(jnp.abs(image[again] - real[again])),
            noise_kl=jnp.mean(losses.noise_kl(mean, log_sd)),
            noise_mismatch=losses.noise_mismatch(layout.everyone(read)),
        )

    def network(d_params: Any, images: jax.Array, brief: Brief) -> tuple[jax.Array, Reading]:
        score, reading = d_module.apply({"params": d_params}, images, brief)
        return score, reading

    def prepare(images: jax.Array, keys: jax.Array) -> jax.Array:
        return augment(keys, images)

    def judge(
        d_params: Any, key: jax.Array, real: jax.Array, fake: jax.Array, brief: Brief, *, squares: bool = True
    ) -> _Judged:
        """Scores and reads real and generated images, augmented, with their penalties if all of them have one.

        In a pass each, so that the generator's gradient need not go back through the real ones: 3 to 8 % less work than
        one pass for both, and never slower (benchmark_32 on CPU: 573 against 611 ms a step).
        """
        keys = layout.mine(jax.random.split(key, (batch_size, 2)))
        if squares and penalise is not None:
            images, draws = layers.interleave(real, fake), layers.interleave(keys[:, 0], keys[:, 1])
            judged = penalise(network, prepare, d_params, images, draws, jax.tree.map(_twice, brief))
            of_real, of_fake = (jax.tree.map(lambda x, i=i: x[i::2], judged) for i in range(2))
        else:
            zero = jnp.zeros((real.shape[0],), jnp.float32)
            of_real, of_fake = (
                (*network(d_params, prepare(images, keys[:, i]), brief), zero) for i, images in enumerate((real, fake))
            )
        return _Judged(*(part for pair in zip(of_real, of_fake, strict=True) for part in pair))

    def penalty(
        step: jax.Array, d_params: Any, key: jax.Array, judged: _Judged, real: jax.Array, fake: jax.Array, brief: Brief
    ) -> jax.Array:
        """The weighted penalty: on all images from their common pass, else on some in passes of its own."""
        if objective.penalty == "none":
            return jnp.zeros((), jnp.float32)
        if penalise is not None:
            each = judged.real_square + (judged.fake_square if objective.penalty == "r1_r2" else 0.0)
            return objective.penalty_weight * jnp.mean(each)
        interval = objective.penalty_interval
        if interval == 1:
            return penalty_of_some(d_params, key, real, fake, brief)
        return jax.lax.cond(
            step % interval == 0,
            lambda: interval * penalty_of_some(d_params, key, real, fake, brief),
            lambda: jnp.zeros((), jnp.float32),
        )

    def penalty_of_some(d_params: Any, key: jax.Array, real: jax.Array, fake: jax.Array, brief: Brief) -> jax.Array:
        n_penalised = layout.share(penalties.n_penalised(batch_size, objective.penalty_share))
        every = layout.share(batch_size) // n_penalised
        augment_key, pair_key = jax.random.split(key)
        keys = layout.mine(jax.random.split(augment_key, batch_size))
        share = layout.mine(jax.random.uniform(pair_key, (batch_size, 1, 1, 1)))
        real, fake, brief, keys, share = jax.tree.map(
            lambda x: x[::every][:n_penalised], (real, fake, brief, keys, share)
        )

        def score(images: jax.Array) -> jax.Array:
            each = (keys, brief)
            asked = each if images.shape[0] == n_penalised else jax.tree.map(_twice, each)
            return d_module.apply({"params": d_params}, augment(asked[0], images), asked[1])[0]

        if objective.penalty == "r1":
            each = penalties.r1(score, real)
        elif objective.penalty == "r1_r2":
            each = penalties.r1_r2(score, real, fake)
        else:
            each = penalties.wgan_gp(share, score, real, fake)
        return objective.penalty_weight * jnp.mean(each)

    def d_parts(
        step: jax.Array, d_params: Any, key: jax.Array, judged: _Judged, batch: Batch, fake: jax.Array, brief: Brief
    ) -> Any:
        """The discriminator's loss and its parts. It learns to read every known part, stated in `brief` or not."""
        parts = {
            "d_loss": jnp.mean(adversarial.discriminator(judged.real_score, judged.fake_score)),
            "penalty": penalty(step, d_params, key, judged, batch.image, fake, brief),
            "reading_real": jnp.mean(losses.reading_loss(judged.real_reading, batch.brief)),
        }
        return _total(parts, d_loss=1.0, penalty=1.0, reading_real=objective.reading_d), parts

    def g_parts(step: jax.Array, judged: _Judged, drawn: _Drawn, brief: Brief) -> Any:
        """The loss of generator and encoder, and its parts. The generator is asked for what `brief` states only.

        What the noise says about an image costs less and less: early it would say what the brief says already and the
        generator cannot draw yet, late it is needed for small things such as the backdrop's tint.
        """
        parts = {
            "g_loss": jnp.mean(adversarial.generator(judged.real_score, judged.fake_score)),
            "reading_fake": jnp.mean(losses.reading_loss(judged.fake_reading, brief)),
            "reconstruction": drawn.reconstruction,
            "noise_kl": drawn.noise_kl,
            "noise_mismatch": drawn.noise_mismatch,
        }
        noise_kl = objective.noise_kl * objective.noise_kl_final ** (step / config.train.steps)
        total = _total(
            parts,
            g_loss=1.0,
            reading_fake=objective.reading_g,
            reconstruction=objective.reconstruction,
            noise_kl=noise_kl if objective.reconstruction else 0.0,
            noise_mismatch=objective.noise_mismatch,
        )
        return total, parts

    def simultaneous(
        state: TrainState, batches: list[Batch], key: jax.Array
    ) -> tuple[TrainState, dict[str, jax.Array], Any]:
        """All networks from one pair of forward passes: two pulls of the same tape, one per loss."""
        (batch,) = batches
        z_key, open_key, judge_key, penalty_key = jax.random.split(key, 4)
        brief = _leave_open(layout, open_key, batch.brief, batch_size, objective.condition_dropout)

        def forward(ge_params: Any, d_params: Any) -> Any:
            drawn = draw(ge_params, z_key, batch.image, brief)
            judged = judge(d_params, judge_key, batch.image, drawn.image, brief)
            d_total, d_means = d_parts(state.step, d_params, penalty_key, judged, batch, drawn.image, brief)
            g_total, g_means = g_parts(state.step, judged, drawn, brief)
            return (d_total, g_total), (d_means | g_means, judged, drawn.image)

        ge_params = (state.g_params, state.e_params)
        totals, pull, (means, judged, fake) = jax.vjp(forward, ge_params, state.d_params, has_aux=True)
        one, zero = jnp.ones((), jnp.float32), jnp.zeros((), jnp.float32)
        _, d_gradient = layout.mean(pull((one, zero)))
        ge_gradient, _ = layout.mean(pull((zero, one)))
        state, d_norm = _descend_d(config.train, state, d_gradient)
        state, g_norm = _descend_ge(config.train, state, ge_gradient)
        means = layout.mean(means | _describe(layout, judged, batch.image, fake))
        means |= {"d_grad_norm": d_norm, "g_grad_norm": g_norm}
        return state, means, jnp.isfinite(jnp.stack([*layout.mean(totals), d_norm, g_norm])).all()

    def alternate(
        state: TrainState, batches: list[Batch], key: jax.Array
    ) -> tuple[TrainState, dict[str, jax.Array], Any]:
        """Discriminator steps, each on a batch and noise of its own, then a generator step against the new one."""
        g_key, *d_keys = jax.random.split(key, 1 + objective.d_steps)
        step = state.step
        checks = []
        for batch, d_key in zip(batches, d_keys, strict=True):
            z_key, open_key, judge_key, penalty_key = jax.random.split(d_key, 4)
            brief = _leave_open(layout, open_key, batch.brief, batch_size, objective.condition_dropout)
            fake = draw((state.g_params, state.e_params), z_key, batch.image, brief).image

            def d_forward(
                d_params: Any,
                batch: Batch = batch,
                brief: Brief = brief,
                fake: jax.Array = fake,
                keys: tuple[jax.Array, jax.Array] = (judge_key, penalty_key),
            ) -> Any:
                judged = judge(d_params, keys[0], batch.image, fake, brief)
                total, means = d_parts(step, d_params, keys[1], judged, batch, fake, brief)
                return total, (means, judged)

            (total, (means, judged)), gradient = jax.value_and_grad(d_forward, has_aux=True)(state.d_params)
            state, d_norm = _descend_d(config.train, state, layout.mean(gradient))
            checks += [layout.mean(total), d_norm]

        z_key, judge_key = jax.random.split(g_key)

        def g_forward(ge_params: Any) -> Any:
            drawn = draw(ge_params, z_key, batch.image, brief)
            judged = judge(state.d_params, judge_key, batch.image, drawn.image, brief, squares=False)
            total, means = g_parts(state.step, judged, drawn, brief)
            return total, (means, drawn.image)

        ge_params = (state.g_params, state.e_params)
        (total, (g_means, fake)), gradient = jax.value_and_grad(g_forward, has_aux=True)(ge_params)
        state, g_norm = _descend_ge(config.train, state, layout.mean(gradient))
        means = layout.mean(means | g_means | _describe(layout, judged, batch.image, fake))
        means |= {"d_grad_norm": d_norm, "g_grad_norm": g_norm}
        return state, means, jnp.isfinite(jnp.stack([*checks, layout.mean(total), g_norm])).all()

    return simultaneous if objective.update == "simultaneous" else alternate


def _describe(layout: parallel.Layout, judged: _Judged, real: jax.Array, fake: jax.Array) -> dict[str, jax.Array]:
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


def _total(parts: dict[str, jax.Array], **weights: Any) -> jax.Array:
    """Weighs the parts of a loss. One of no weight is left out: a product with 0 still has a gradient to compute."""
    return sum(
        (weight * parts[name] for name, weight in weights.items() if not (isinstance(weight, float) and weight == 0.0)),
        start=jnp.zeros((), jnp.float32),
    )


def _twice(x: jax.Array) -> jax.Array:
    return layers.interleave(x, x)


def _keep(finite: jax.Array, proposed: TrainState, state: TrainState) -> TrainState:
    return jax.tree.map(lambda new, old: jnp.where(finite, new, old), proposed, state)


def _leave_open(layout: parallel.Layout, key: jax.Array, brief: Brief, batch: int, probability: float) -> Brief:
    """Leaves each stated part open with the given probability.

    Half of it falls on whole briefs, so that the generator also learns pictures of nothing in particular, which style
    strength extrapolates from; the rest falls on parts independently.
    """
    whole_key, part_key = jax.random.split(key)
    whole = probability / 2
    part = (probability - whole) / (1 - whole)
    keep_whole = jax.random.bernoulli(whole_key, 1 - whole, (batch, 1))
    keep_part = jax.random.bernoulli(part_key, 1 - part, (batch, brief.given.shape[1]))
    return brief._replace(given=brief.given * layout.mine(keep_whole & keep_part).astype(jnp.float32))


# ---------------------------------------------------------------- optimisers


def _lr_share(config: TrainConfig, step: jax.Array) -> jax.Array:
    """Step size at a step as a share of the peak: linear warm-up (at most half the run) times cosine to `final_lr`."""
    warmup = max(1, min(config.warmup, config.steps // 2))
    step = step.astype(jnp.float32)
    rise = jnp.minimum(1.0, (step + 1) / warmup)
    fall = 0.5 * (1 + jnp.cos(jnp.pi * jnp.minimum(1.0, step / config.steps)))
    return rise * (config.final_lr + (1 - config.final_lr) * fall)


def _descend(config: TrainConfig, params: Any, opt: Any, gradient: Any, lr: jax.Array) -> tuple[Any, Any, jax.Array]:
    """Clips by global norm and takes one step of Adam; also returns the norm before clipping."""
    norm = optax.tree.norm(gradient)
    if config.clip > 0:
        shrink = config.clip / jnp.maximum(norm, config.clip)
        gradient = jax.tree.map(lambda g: g * shrink, gradient)
    with jax.numpy_dtype_promotion("standard"):  # optax raises a float to an int32 count
        direction, opt = state_lib.adam(config).update(gradient, opt)
    return jax.tree.map(lambda p, u: p - lr * u, params, direction), opt, norm


def _descend_d(config: TrainConfig, state: TrainState, gradient: Any) -> tuple[TrainState, jax.Array]:
    lr = config.d_lr * _lr_share(config, state.step) * state.lr_scale
    params, opt, norm = _descend(config, state.d_params, state.d_opt, gradient, lr)
    return state.replace(d_params=params, d_opt=opt), norm


def _descend_ge(config: TrainConfig, state: TrainState, gradient: tuple[Any, Any]) -> tuple[TrainState, jax.Array]:
    """Updates generator and encoder, and the generator's average; returns the norm of the generator's gradient.

    The average's decay rises to `ema`, so that it forgets the first steps.
    """
    lr = config.g_lr * _lr_share(config, state.step) * state.lr_scale
    g_gradient, e_gradient = gradient
    params, opt, norm = _descend(config, state.g_params, state.g_opt, g_gradient, lr)
    step = state.step.astype(jnp.float32)
    decay = jnp.minimum(config.ema, (1 + step) / (10 + step))
    ema = jax.tree.map(lambda old, new: decay * old + (1 - decay) * new, state.ema_params, params)
    state = state.replace(g_params=params, g_opt=opt, ema_params=ema)
    if state.e_params:
        e_params, e_opt, e_norm = _descend(config, state.e_params, state.e_opt, e_gradient, lr)
        # Its norm joins the other one only if it is not finite: then the step must not count.
        state, norm = state.replace(e_params=e_params, e_opt=e_opt), norm + 0.0 * e_norm
    return state, norm
