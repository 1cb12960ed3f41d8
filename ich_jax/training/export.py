"""A trained generator as one file that runs without this package: StableHLO with its weights inside.

    draw = jax.export.deserialize(bytearray(open("generator.jaxexport", "rb").read())).call
    images = draw(z, product, elements, axes, given)

Writing and reading need `flatbuffers` (extra `export`), which JAX itself does not install. The number of designs
is left open, so one file draws any number at once. Releases of JAX read such a file for at least six months after the
release that wrote it.

References:
    JAX documentation, "Exporting and serializing staged-out computations" (compatibility guarantees).
"""

import dataclasses
import importlib.util
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import export as jax_export

from ich_jax import errors, workdir
from ich_jax.training import sampling
from ich_jax.training import state as state_lib
from ich_jax.training.checkpoint import TrainedModel
from ich_jax.types import Brief, Params

PLATFORMS = ("cpu", "cuda", "rocm", "tpu")
_TOLERANCE = 1e-4  # of pixels in [-1, 1]: two compilations of one program may round differently


@dataclasses.dataclass(frozen=True, slots=True)
class Check:
    """Comparison of an exported generator with ours.

    Attributes:
        n: Designs that were drawn by both.
        largest_difference: Of any pixel, in units of [-1, 1].
        bytes: Size of the file.
    """

    n: int
    largest_difference: float
    bytes: int


def export_generator(model: TrainedModel, platforms: Sequence[str] = ("cpu", "cuda", "tpu")) -> bytes:
    """Serialises the drawing function of a trained model, its averaged weights included.

    Args:
        model: From `checkpoint.restore_for_inference`.
        platforms: On which the file can run.

    Returns:
        The file: a function `(z [n, z_dim] float32, product [n] int32, elements [n, E] int32, axes [n, A] float32,
        given [n, 1 + E + A] float32) -> images [n, H, W, C] float32`; real images are in [-1, 1], these are not
        clipped. Inputs are those of `types.Brief`, a last one being `sketch [n, H, W, 1]` where the run has sketches; z
        is standard normal.

    Raises:
        ConfigError: A platform that does not exist, or none; or `flatbuffers` is absent.
        CheckpointError: Another version of this package trained the model.
    """
    if importlib.util.find_spec("flatbuffers") is None:
        raise errors.ConfigError(
            "Exporting a generator needs the package flatbuffers, which is absent: pip install flatbuffers, or "
            'pip install -e ".[export]".'
        )
    if not platforms:
        raise errors.ConfigError(f"platforms: got none. Allowed: {', '.join(PLATFORMS)}.")
    for platform in platforms:
        errors.require(platform, PLATFORMS, "platform")
    expected = state_lib.abstract_state(model.config, model.spec).ema_params
    if _sizes(expected) != _sizes(model.ema_params):
        raise errors.CheckpointError(
            f"The generator of step {model.step} has other parameters than this version of ich_jax gives its config "
            f"({model.config.name}): another version trained it. Export it with that one, or train it again."
        )
    draw = sampling.make_draw(model.config, model.spec)
    params = jax.tree.map(np.asarray, model.ema_params)

    def standing_alone(
        z: jax.Array,
        product: jax.Array,
        elements: jax.Array,
        axes: jax.Array,
        given: jax.Array,
        sketch: jax.Array | None = None,
    ) -> jax.Array:
        return draw(params, z, Brief(product, elements, axes, given, sketch))

    exported = jax_export.export(jax.jit(standing_alone), platforms=tuple(platforms))(*_inputs(model).values())
    return bytes(exported.serialize())


def describe(model: TrainedModel) -> dict[str, Any]:
    """Returns a description for users of the file: shapes, names of products, categories and axes, and the run."""
    space = model.space
    return {
        "inputs": {name: {"shape": ["n", *x.shape[1:]], "dtype": str(x.dtype)} for name, x in _inputs(model).items()},
        "output": {
            "shape": ["n", model.size, model.size, model.channels],
            "dtype": "float32",
            "real images in": [-1, 1],
        },
        "n": "1 or more",
        "numbers": "count from 0; a number that stands for no name is not refused and draws as if none were given",
        "z": "standard normal noise: the same z and brief give the same picture",
        "product": list(space.products),
        "elements": {element.name: list(element.categories) for element in space.elements},
        "axes": {name: "-3 to 3" for name in space.axes},
        "given": "1 where product, each element and each axis is asked for, in this order; 0 where it is left open"
        + ("; last of all, whether the sketch is" if space.sketches else ""),
        "run": {
            "name": model.config.name,
            "step": model.step,
            "style_strength": model.config.evaluation.style_strength,
        },
    }


def check(model: TrainedModel, path: str | Path, *, n: int = 16) -> Check:
    """Reads an exported generator back and compares its designs with those of ours.

    Args:
        model: The model that was exported.
        path: The file.
        n: Designs to draw.

    Raises:
        ConfigError: n is below 1; JAX exports no program for empty arrays.
        WorkdirError: The file cannot be read.
        MismatchError: The file is damaged, or does not draw the same.
    """
    errors.require_within(n, 1, 10**6, "n", whole=True)
    path = Path(path)
    try:
        data = path.read_bytes()
    except OSError as error:
        raise errors.WorkdirError(workdir.explain(error, path, action="read")) from error
    try:
        exported = jax_export.deserialize(bytearray(data)).call
    except Exception as error:  # whatever a damaged flatbuffer makes the reader raise
        raise errors.MismatchError(f"{path} is not an exported generator, or is damaged: {error}.") from error
    rng = np.random.default_rng(0)
    space = model.space
    brief = Brief(
        product=jnp.asarray(rng.integers(0, len(space.products), n), jnp.int32),
        elements=jnp.asarray(rng.integers(0, space.cardinalities or 1, (n, len(space.elements))), jnp.int32),
        axes=jnp.asarray(rng.uniform(-3.0, 3.0, (n, len(space.axes))), jnp.float32),
        given=jnp.asarray(rng.integers(0, 2, (n, space.n_given)), jnp.float32),
        sketch=jnp.asarray(rng.uniform(size=(n, model.size, model.size, 1)), jnp.float32) if space.sketches else None,
    )
    z = jnp.asarray(rng.normal(size=(n, model.config.generator.z_dim)), jnp.float32)
    draw = jax.jit(sampling.make_draw(model.config, model.spec))(model.ema_params, z, brief)
    again = exported(z, *(part for part in brief if part is not None))
    difference = float(np.max(np.abs(np.asarray(again) - np.asarray(draw))))
    if not difference <= _TOLERANCE:
        raise errors.MismatchError(
            f"{path} draws other pictures than the checkpoint of step {model.step}: pixels differ by up to "
            f"{difference:.3g}, more than {_TOLERANCE:g}. Export it again."
        )
    return Check(n, difference, len(data))


def _sizes(params: Params) -> dict[str, tuple[int, ...]]:
    leaves = jax.tree_util.tree_leaves_with_path(params)
    return {jax.tree_util.keystr(path): tuple(leaf.shape) for path, leaf in leaves}


def _inputs(model: TrainedModel) -> dict[str, jax.ShapeDtypeStruct]:
    (n,) = jax_export.symbolic_shape("n")
    space, integer, real = model.space, jnp.int32, jnp.float32
    return {
        "z": jax.ShapeDtypeStruct((n, model.config.generator.z_dim), real),
        "product": jax.ShapeDtypeStruct((n,), integer),
        "elements": jax.ShapeDtypeStruct((n, len(space.elements)), integer),
        "axes": jax.ShapeDtypeStruct((n, len(space.axes)), real),
        "given": jax.ShapeDtypeStruct((n, space.n_given), real),
        **({"sketch": jax.ShapeDtypeStruct((n, model.size, model.size, 1), real)} if space.sketches else {}),
    }
