"""The training objective: images drawn and judged, the penalty, and the losses of generator and discriminator.

Functions here take the `Networks` of a run, arrays and keys, and run inside the compiled step. Random numbers are drawn
for the whole batch, of which `layout.local_rows` takes the instance's rows; batches hold those rows only. Where two
sets of rows are joined they alternate, which leaves every row on its device.
"""

import dataclasses
from collections.abc import Callable
from typing import Any, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp

from ich_jax.adversarial import OBJECTIVES, Adversarial
from ich_jax.config import Config
from ich_jax.data import augment as augment_lib
from ich_jax.models import layers, networks
from ich_jax.models.convolutions import Formulation
from ich_jax.training import losses, parallel, penalties
from ich_jax.types import Batch, Brief, ImageSpec, Params, Reading


@dataclasses.dataclass(frozen=True)
class Networks:
    """The networks of a run and the rules of their training.

    Attributes:
        config: The run.
        layout: The devices.
        generator: Draws images from noise and briefs.
        discriminator: Scores and reads images.
        encoder: Infers from a real image the noise that would draw it again.
        augment: `augment(keys, images)`, differentiable.
        augment_sketch: The same of sketches, `augment_sketch(keys, sketches)`.
        adversarial: Losses of score pairs.
        penalise: Scores, readings and penalties of all images in one pass; None if the penalty takes separate passes.
    """

    config: Config
    layout: parallel.Layout
    generator: nn.Module
    discriminator: nn.Module
    encoder: nn.Module
    augment: Callable[[jax.Array, jax.Array], jax.Array]
    augment_sketch: Callable[[jax.Array, jax.Array], jax.Array]
    adversarial: Adversarial
    penalise: Callable[..., Any] | None

    def score_and_read(self, d_params: Params, images: jax.Array, brief: Brief) -> tuple[jax.Array, Reading]:
        """Applies the discriminator: scores `[B]` of images under their briefs, and its readings."""
        score, reading = self.discriminator.apply({"params": d_params}, images, brief)
        return score, reading

    def prepare(self, images: jax.Array, keys: jax.Array) -> jax.Array:
        """Augments images as the discriminator sees them."""
        return self.augment(keys, images)

    def beside(self, keys: jax.Array, brief: Brief) -> Brief:
        """Returns briefs as they go with images that were augmented by `keys`: sketches move with their images."""
        return brief if brief.sketch is None else brief._replace(sketch=self.augment_sketch(keys, brief.sketch))


def create_networks(config: Config, spec: ImageSpec, layout: parallel.Layout, form: Formulation) -> Networks:
    """Returns the networks of a run and the rules that its config names."""
    return Networks(
        config=config,
        layout=layout,
        generator=networks.create_generator(config, spec, form),
        discriminator=networks.create_discriminator(config, spec.space, form),
        encoder=networks.create_encoder(config, spec.space, form),
        augment=augment_lib.make_augment(config.data.augment),
        augment_sketch=augment_lib.make_augment_sketch(config.data.augment),
        adversarial=OBJECTIVES[config.objective.loss],
        penalise=penalties.of_all(config),
    )


class Drawn(NamedTuple):
    """Generated images of a batch, and figures of the reconstruction of its real images.

    Attributes:
        image: `[B, H, W, C]`.
        reconstruction: Mean absolute error of the reconstructed real images.
        noise_kl: Nats between the noise inferred from one image and standard normal noise.
        noise_mismatch: The same of the noise inferred from all images.
    """

    image: jax.Array
    reconstruction: jax.Array
    noise_kl: jax.Array
    noise_mismatch: jax.Array


class Judged(NamedTuple):
    """Scores, readings and penalties of a batch.

    Attributes:
        real_score: `[B]`.
        fake_score: `[B]`.
        real_reading: Of the real images.
        fake_reading: Of the generated images.
        real_square: `[B]`, half the squared norm of the score's gradient; zeros unless all images have one.
        fake_square: `[B]`, the same of the generated images.
    """

    real_score: jax.Array
    fake_score: jax.Array
    real_reading: Reading
    fake_reading: Reading
    real_square: jax.Array
    fake_square: jax.Array


def draw(trained: Networks, ge_params: tuple[Params, Params], key: jax.Array, real: jax.Array, brief: Brief) -> Drawn:
    """Draws the briefs; every other one from noise that the encoder infers from the real image of that brief.

    To reconstruct those images the generator must let its noise control everything that varies at a fixed brief
    (position, light, backdrop); adversarial losses alone let it settle on one picture per brief.
    """
    config, layout = trained.config, trained.layout
    objective, batch_size = config.objective, config.train.batch
    g_params, e_params = ge_params
    z = layout.local_rows(jax.random.normal(key, (batch_size, config.generator.z_dim), jnp.float32))
    zero = jnp.zeros((), jnp.float32)
    if not objective.reconstruction:
        return Drawn(trained.generator.apply({"params": g_params}, z, brief), zero, zero, zero)
    again = slice(None, None, 2)
    mean, log_sd = trained.encoder.apply({"params": e_params}, *jax.tree.map(lambda x: x[again], (real, brief)))
    read = mean + jnp.exp(log_sd) * z[again]
    image = trained.generator.apply({"params": g_params}, layers.interleave(read, z[1::2]), brief)
    image = jax.lax.optimization_barrier(image)  # as for real images: computed once for all of its uses
    return Drawn(
        image=image,
        reconstruction=jnp.mean(jnp.abs(image[again] - real[again])),
        noise_kl=jnp.mean(losses.noise_kl(mean, log_sd)),
        noise_mismatch=losses.noise_mismatch(layout.all_rows(read)),
    )


def judge(
    trained: Networks,
    d_params: Params,
    key: jax.Array,
    real: jax.Array,
    fake: jax.Array,
    brief: Brief,
    *,
    squares: bool = True,
) -> Judged:
    """Scores and reads real and generated images, augmented, with their penalties if all of them have one.

    Each kind takes its own pass, so that the generator's gradient need not go back through the real ones: 3 to 8 % less
    work than one pass for both, and never slower (benchmark_32 on CPU: 573 against 611 ms a step).
    """
    layout, batch_size = trained.layout, trained.config.train.batch
    keys = layout.local_rows(jax.random.split(key, (batch_size, 2)))
    if squares and trained.penalise is not None:
        images, draws = layers.interleave(real, fake), layers.interleave(keys[:, 0], keys[:, 1])
        asked = trained.beside(draws, jax.tree.map(doubled, brief))
        judged = trained.penalise(trained.score_and_read, trained.prepare, d_params, images, draws, asked)
        of_real, of_fake = (jax.tree.map(lambda x, i=i: x[i::2], judged) for i in range(2))
    else:
        zero = jnp.zeros((real.shape[0],), jnp.float32)
        of_real, of_fake = (
            (
                *trained.score_and_read(
                    d_params, trained.prepare(images, keys[:, i]), trained.beside(keys[:, i], brief)
                ),
                zero,
            )
            for i, images in enumerate((real, fake))
        )
    return Judged(*(part for pair in zip(of_real, of_fake, strict=True) for part in pair))


def penalty(
    trained: Networks,
    step: jax.Array,
    d_params: Params,
    key: jax.Array,
    judged: Judged,
    real: jax.Array,
    fake: jax.Array,
    brief: Brief,
) -> jax.Array:
    """The weighted penalty: on all images from their common pass, else on some in separate passes."""
    objective = trained.config.objective
    if objective.penalty == "none":
        return jnp.zeros((), jnp.float32)
    if trained.penalise is not None:
        each = judged.real_square + (judged.fake_square if objective.penalty == "r1_r2" else 0.0)
        return objective.penalty_weight * jnp.mean(each)
    interval = objective.penalty_interval
    if interval == 1:
        return penalty_on_share(trained, d_params, key, real, fake, brief)
    return jax.lax.cond(
        step % interval == 0,
        lambda: interval * penalty_on_share(trained, d_params, key, real, fake, brief),
        lambda: jnp.zeros((), jnp.float32),
    )


def penalty_on_share(
    trained: Networks, d_params: Params, key: jax.Array, real: jax.Array, fake: jax.Array, brief: Brief
) -> jax.Array:
    """The weighted penalty on the first of every few images, in separate passes."""
    layout, objective, batch_size = trained.layout, trained.config.objective, trained.config.train.batch
    n_penalised = layout.share(penalties.n_penalised(batch_size, objective.penalty_share))
    every = layout.share(batch_size) // n_penalised
    augment_key, pair_key = jax.random.split(key)
    keys = layout.local_rows(jax.random.split(augment_key, batch_size))
    share = layout.local_rows(jax.random.uniform(pair_key, (batch_size, 1, 1, 1)))
    real, fake, brief, keys, share = jax.tree.map(lambda x: x[::every][:n_penalised], (real, fake, brief, keys, share))

    def score(images: jax.Array) -> jax.Array:
        each = (keys, brief)
        asked = each if images.shape[0] == n_penalised else jax.tree.map(doubled, each)
        seen = trained.augment(asked[0], images), trained.beside(*asked)
        return trained.discriminator.apply({"params": d_params}, *seen)[0]

    if objective.penalty == "r1":
        each = penalties.r1(score, real)
    elif objective.penalty == "r1_r2":
        each = penalties.r1_r2(score, real, fake)
    else:
        each = penalties.wgan_gp(share, score, real, fake)
    return objective.penalty_weight * jnp.mean(each)


def discriminator_loss(
    trained: Networks,
    step: jax.Array,
    d_params: Params,
    key: jax.Array,
    judged: Judged,
    batch: Batch,
    fake: jax.Array,
    brief: Brief,
) -> Any:
    """The discriminator's loss and its parts. It learns to read every known part, stated in `brief` or not."""
    objective = trained.config.objective
    parts = {
        "d_loss": jnp.mean(trained.adversarial.discriminator(judged.real_score, judged.fake_score)),
        "penalty": penalty(trained, step, d_params, key, judged, batch.image, fake, brief),
        "reading_real": jnp.mean(losses.reading_loss(judged.real_reading, batch.brief)),
    }
    return weigh(parts, d_loss=1.0, penalty=1.0, reading_real=objective.reading_d), parts


def generator_loss(trained: Networks, step: jax.Array, judged: Judged, drawn: Drawn, brief: Brief) -> Any:
    """The loss of generator and encoder, and its parts. The generator is asked for what `brief` states only.

    Information about the image in the noise costs less and less: early it would repeat the brief, which the generator
    cannot draw yet; late it is needed for details such as the tint of the backdrop.
    """
    config, objective = trained.config, trained.config.objective
    parts = {
        "g_loss": jnp.mean(trained.adversarial.generator(judged.real_score, judged.fake_score)),
        "reading_fake": jnp.mean(losses.reading_loss(judged.fake_reading, brief)),
        "reconstruction": drawn.reconstruction,
        "noise_kl": drawn.noise_kl,
        "noise_mismatch": drawn.noise_mismatch,
    }
    noise_kl = objective.noise_kl * objective.noise_kl_final ** (step / config.train.steps)
    weighted = weigh(
        parts,
        g_loss=1.0,
        reading_fake=objective.reading_g,
        reconstruction=objective.reconstruction,
        noise_kl=noise_kl if objective.reconstruction else 0.0,
        noise_mismatch=objective.noise_mismatch,
    )
    return weighted, parts


def weigh(parts: dict[str, jax.Array], **weights: float | jax.Array) -> jax.Array:
    """Weighs the parts of a loss. A part of weight 0 is left out: a product with 0 still has a gradient to compute."""
    return sum(
        (weight * parts[name] for name, weight in weights.items() if not (isinstance(weight, float) and weight == 0.0)),
        start=jnp.zeros((), jnp.float32),
    )


def doubled(x: jax.Array) -> jax.Array:
    """Returns each row twice in a row, as real and generated images alternate."""
    return layers.interleave(x, x)


def leave_open(
    layout: parallel.Layout,
    key: jax.Array,
    brief: Brief,
    batch: int,
    probability: float,
    sketch_probability: float = 0.0,
) -> Brief:
    """Leaves each stated part open with the given probability, and sketches with another one besides.

    Half of it falls on whole briefs, so that the generator also learns unconditional pictures, from which style
    strength extrapolates; the rest falls on parts independently.
    """
    whole_key, part_key = jax.random.split(key)
    open_whole = probability / 2
    open_part = (probability - open_whole) / (1 - open_whole)
    keep_brief = jax.random.bernoulli(whole_key, 1 - open_whole, (batch, 1))
    keep_part = jax.random.bernoulli(part_key, 1 - open_part, (batch, brief.given.shape[1]))
    keep = keep_brief & keep_part
    if brief.sketch is not None and sketch_probability:
        kept = jax.random.bernoulli(jax.random.fold_in(part_key, 1), 1 - sketch_probability, (batch,))
        keep = keep.at[:, -1].set(keep[:, -1] & kept)
    return brief._replace(given=brief.given * layout.local_rows(keep).astype(jnp.float32))
