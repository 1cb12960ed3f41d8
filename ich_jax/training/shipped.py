"""The trained generator that the package ships, with the discriminator that reads its candidates.

A folder of plain arrays in float16 beside the weights of the inspector: `generator.npz` (averaged parameters),
`discriminator.npz`, and `about.json` with the run's config, its design space, the command that made the folder and the
quality that was measured. `scripts/ship_generator.py` writes it.
"""

import dataclasses
import io
import json
import zipfile
import zlib
from pathlib import Path
from typing import Any

import flax
import jax
import jax.numpy as jnp
import numpy as np

from ich_jax import config as config_lib
from ich_jax import errors, workdir
from ich_jax.data import make
from ich_jax.models import generator as network
from ich_jax.training import data_description, state
from ich_jax.training.checkpoint import TrainedModel
from ich_jax.types import Params

FOLDER = Path(network.__file__).parent / "weights" / "generator"
LARGEST_FILE = 2 << 20
"""Bytes: a wheel and a clone stay small."""

_ABOUT = "about.json"
_PARAMS = {"ema_params": "generator.npz", "d_params": "discriminator.npz"}
_STORED = np.float16


def load(folder: str | Path = FOLDER) -> TrainedModel:
    """Loads the shipped generator; its `g_params` are the averaged ones, too.

    Args:
        folder: Where `save` wrote.

    Raises:
        CheckpointError: It was trained on images that this version draws otherwise, has other networks, or is damaged.
    """
    folder = Path(folder)
    stored = about(folder)
    try:
        config = config_lib.resolve(stored["config"])
        data = stored["data"]
        params = {name: _read(folder / file) for name, file in _PARAMS.items()}
        step, score = int(stored["step"]), stored["score"]
    except (OSError, KeyError, TypeError, ValueError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        raise errors.CheckpointError(
            f"The shipped generator in {folder} is damaged: {error!r}. {_OTHERWISE}"
        ) from error
    dataset = make.make(config.data, seed=config.seed)
    if dataset.fingerprint != data["fingerprint"]:
        raise errors.CheckpointError(
            f"The shipped generator was trained on images of fingerprint {data['fingerprint']}, and this version of "
            f"ich_jax renders others ({dataset.fingerprint}). {_OTHERWISE}"
        )
    expected = state.abstract_state(config, dataset.spec)
    for name, tree in params.items():
        shapes = [jax.tree.map(lambda leaf: tuple(leaf.shape), each) for each in (tree, getattr(expected, name))]
        if shapes[0] != shapes[1]:
            raise errors.CheckpointError(
                f"The shipped {_PARAMS[name]} has other networks than this version of ich_jax builds. {_OTHERWISE}"
            )
    return TrainedModel(
        config=config,
        space=dataset.space,
        size=dataset.size,
        channels=dataset.channels,
        step=step,
        score=score,
        ema_params=params["ema_params"],
        g_params=params["ema_params"],
        d_params=params["d_params"],
    )


_OTHERWISE = (
    "Name a trained run instead (--checkpoint=RUN); `make demo` trains one in runs/demo, and "
    "scripts/ship_generator.py makes a run the shipped one."
)


def about(folder: str | Path = FOLDER) -> dict[str, Any]:
    """Returns what is known of the shipped generator: config, data, step, score, quality, command, provenance.

    Raises:
        CheckpointError: There is none, or its description is damaged.
    """
    try:
        stored: dict[str, Any] = json.loads((Path(folder) / _ABOUT).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise errors.CheckpointError(
            f"No shipped generator can be read from {folder}: {error}. {_OTHERWISE}"
        ) from error
    return stored


def rounded(model: TrainedModel) -> TrainedModel:
    """Returns a model as `load` gives it back: float32 that float16 can hold, averaged parameters only."""
    ema_params, d_params = (
        jax.tree.map(lambda leaf: jnp.asarray(np.asarray(leaf, _STORED), jnp.float32), tree)
        for tree in (model.ema_params, model.d_params)
    )
    return dataclasses.replace(model, ema_params=ema_params, g_params=ema_params, d_params=d_params)


def save(model: TrainedModel, folder: str | Path, known: dict[str, Any]) -> dict[str, int]:
    """Writes a model as the shipped one.

    Args:
        model: Trained on the procedural images, so that nothing but the package is needed to judge it.
        folder: Receives the three files.
        known: Further entries of the description: quality, command, provenance.

    Returns:
        Bytes of each file.

    Raises:
        ConfigError: It was trained on images of a user.
        CheckpointError: A file would be larger than `LARGEST_FILE`, or a parameter is beyond the range of float16.
        WorkdirError: The folder cannot be written.
    """
    config = model.config
    if config.data.source != "procedural":
        raise errors.ConfigError(
            f"data.source: {config.data.source!r} images are not part of the package, so a generator of them cannot be "
            "shipped; train one on the procedural images, such as configs/procedural_32.py."
        )
    dataset = make.make(config.data, seed=config.seed)
    written: dict[str, int] = {}
    encoded = {file: _encode(getattr(model, name), file) for name, file in _PARAMS.items()}
    for file, data in encoded.items():
        if len(data) > LARGEST_FILE:
            raise errors.CheckpointError(
                f"{file} would have {len(data):,} bytes; at most {LARGEST_FILE:,} are shipped. Train narrower networks."
            )
    for file, data in encoded.items():
        workdir.write_bytes(Path(folder) / file, data)
        written[file] = len(data)
    description = {
        "config": config_lib.to_dict(config),
        "data": data_description.describe(dataset),
        "step": model.step,
        "score": model.score,
        **known,
    }
    workdir.write_text(Path(folder) / _ABOUT, workdir.json_text(description, indent=1) + "\n")
    return written


def _encode(params: Params, file: str) -> bytes:
    flat = flax.traverse_util.flatten_dict(params, sep="/")
    with np.errstate(over="ignore"):  # refused below, by name
        arrays: dict[str, Any] = {name: np.asarray(value).astype(_STORED) for name, value in flat.items()}
    beyond = [name for name, value in arrays.items() if not np.isfinite(value).all()]
    if beyond:
        raise errors.CheckpointError(f"{file}: {beyond[0]} holds values that are not finite in float16.")
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **arrays)
    return buffer.getvalue()


def _read(path: Path) -> Any:
    with path.open("rb") as stream, np.load(stream, allow_pickle=False) as file:
        flat = {name: jnp.asarray(file[name], jnp.float32) for name in file.files}
    return flax.traverse_util.unflatten_dict(flat, sep="/")
