"""The procedural data set: designs with exactly known briefs, drawn on demand."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np

from ich_jax import config
from ich_jax.data import pipeline
from ich_jax.data import sketch as sketch_lib
from ich_jax.data.dataset import Dataset
from ich_jax.data.procedural import renderer
from ich_jax.data.procedural.renderer import Nuisance
from ich_jax.data.procedural.shapes import PRODUCTS, SPACE
from ich_jax.types import AXIS_LIMIT, Batch, Brief


def sample_brief(key: jax.Array, n: int) -> Brief:
    """Draws n briefs: every product, category and axis value equally likely and independent, everything stated."""
    k_product, k_elements, k_axes = jax.random.split(key, 3)
    uniform = jax.random.uniform(k_elements, (n, len(SPACE.elements)))
    return Brief(
        product=jax.random.randint(k_product, (n,), 0, len(PRODUCTS), jnp.int32),
        elements=jnp.floor(uniform * jnp.asarray([SPACE.cardinalities], jnp.float32)).astype(jnp.int32),
        axes=jax.random.uniform(k_axes, (n, len(SPACE.axes)), jnp.float32, -AXIS_LIMIT, AXIS_LIMIT),
        given=jnp.ones((n, SPACE.n_given), jnp.float32),
    )


def sample_nuisance(key: jax.Array, n: int) -> Nuisance:
    """Draws the nuisances of n designs."""
    k_position, k_angle, k_strength, k_backdrop, k_grain = jax.random.split(key, 5)
    angle = jax.random.uniform(k_angle, (n,), jnp.float32, 0.0, 2 * np.pi)
    return Nuisance(
        position=jax.random.uniform(k_position, (n, 2), jnp.float32, -1.0, 1.0),
        light=jnp.stack([angle, jax.random.uniform(k_strength, (n,))], axis=1),
        backdrop=jax.random.uniform(k_backdrop, (n, 4)),
        grain=jax.random.split(k_grain, n),
    )


def draws(brief: Brief, key: jax.Array, n: int, size: int) -> jax.Array:
    """Draws each brief n times with fresh nuisances.

    Returns:
        `[B, n, size, size, 3]` float32 in [-1, 1].
    """
    b = brief.product.shape[0]
    repeated = jax.tree.map(lambda leaf: jnp.repeat(leaf, n, axis=0), brief)
    return _stored(renderer.render(repeated, sample_nuisance(key, b * n), size)).reshape(b, n, size, size, 3)


def _stored(image: jax.Array) -> jax.Array:
    """Rounds to 8 bits, as a stored image would be, and scales to [-1, 1]."""
    return pipeline.to_unit(pipeline.to_uint8(image * 2.0 - 1.0))


_SPLIT = {"train": 0, "validation": 1, "test": 2}
_WORLD = 20_260_101  # seed of the designs themselves: the data set does not depend on the seed of a run


def designs(split: str, index: jax.Array) -> tuple[Brief, Nuisance]:
    """Returns the designs at positions `index` `[B]` of a split: a pure function of both."""
    return _designs(_key(split), index)


def _key(split: str) -> jax.Array:
    return jax.random.fold_in(jax.random.key(_WORLD), _SPLIT[split])


def _designs(key: jax.Array, index: jax.Array) -> tuple[Brief, Nuisance]:
    keys = jax.vmap(lambda i: jax.random.split(jax.random.fold_in(key, i)))(index)
    brief = jax.vmap(lambda k: sample_brief(k, 1))(keys[:, 0])
    nuisance = jax.vmap(lambda k: sample_nuisance(k, 1))(keys[:, 1])
    return jax.tree.map(lambda leaf: leaf[:, 0], (brief, nuisance))


def make(data: config.DataConfig) -> Dataset:
    """Builds the procedural data set: image i is drawn on demand, so nothing is stored or loaded."""
    size = data.size
    space = SPACE if data.sketches == "none" else dataclasses.replace(SPACE, sketches=True)

    @jax.jit
    def draw(key: jax.Array, index: jax.Array) -> Batch:
        brief, nuisance = _designs(key, index)
        image = _stored(renderer.render(brief, nuisance, size))
        if data.sketches == "none":
            return Batch(image, brief)
        drawn = data.sketches == "given"
        page = renderer.draw_sketch(brief, size, nuisance.position) if drawn else sketch_lib.derive(image)
        return Batch(image, _with_entry(brief, 1.0)._replace(sketch=page))

    def briefs(key: jax.Array, n: int) -> Brief:
        brief = sample_brief(key, n)
        return _with_entry(brief, 0.0) if space.sketches else brief

    def sample(arrays: tuple[()], index: jax.Array) -> Batch:
        del arrays
        return draw(_key("train"), index)

    def first_images(split: str, n: int) -> Batch:
        """Draws in blocks so that thousands of images need no more memory than one block."""
        block, key = 256, _key(split)
        batches = [draw(key, jnp.arange(i, i + block)) for i in range(0, n, block)]
        return jax.tree.map(lambda *leaves: jnp.concatenate(leaves)[:n], *batches)

    return Dataset(
        space=space,
        size=size,
        channels=3,
        n_train=data.n_train,
        n_holdout=1 << 30,
        fingerprint=config.fingerprint(
            {"renderer": renderer.VERSION, "size": size, "world": _WORLD, "n_train": data.n_train}
        ),
        simulated=True,
        arrays=(),
        sample=sample,
        host_batches=None,
        holdout=first_images,
        train_images=lambda n: first_images("train", min(n, data.n_train)),
        briefs=briefs,
    )


def _with_entry(brief: Brief, stated: float) -> Brief:
    """Adds to `given` the entry of the sketch."""
    entry = jnp.full((brief.given.shape[0], 1), stated, jnp.float32)
    return brief._replace(given=jnp.concatenate([brief.given, entry], axis=1))
