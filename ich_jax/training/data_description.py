"""The description of its images in a work directory: `dataset.json`, by which a model is used without them."""

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from absl import logging

from ich_jax import errors, types, workdir
from ich_jax.data.dataset import Dataset

FILE = "dataset.json"


def describe(data: Dataset) -> dict[str, Any]:
    """Returns the description of a data set in its work directory, by which a model is used without images."""
    return {
        "fingerprint": data.fingerprint,
        "size": data.size,
        "channels": data.channels,
        "n_train": data.n_train,
        "simulated": data.simulated,
        "space": dataclasses.asdict(data.space),
    }


def read_spec(run: str | Path) -> types.ImageSpec | None:
    """Returns design space and shape of the images of a work directory; None if it does not say.

    Raises:
        WorkdirError: The file that says so is damaged.
    """
    return read(Path(run))[0] if (Path(run) / FILE).exists() else None


def read_fingerprint(run: str | Path) -> str | None:
    """Returns the fingerprint of the images with which a run began; None, with a warning, if it is not known."""
    path = Path(run) / FILE
    if not path.exists():
        return None
    try:
        return read(Path(run))[1]
    except errors.WorkdirError as error:
        logging.warning("%s The run goes on, and it is written anew.", error)
        return workdir.stored_contents(run).get("data.path")


def read(run: Path) -> tuple[types.ImageSpec, str]:
    """Reads what `describe` wrote: design space and shape of the images, and their fingerprint.

    Raises:
        WorkdirError: There is none, or it is damaged.
    """
    path = run / FILE
    remedy = "It is damaged: the command that trained the run writes it anew."
    data = workdir.read_object(path, remedy)
    try:
        spec = types.ImageSpec(_space(data["space"]), _whole(data["size"]), _whole(data["channels"]))
        return spec, _text(data["fingerprint"])
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise errors.WorkdirError(f"{path} is not what a run writes ({error}). {remedy}") from error


def _whole(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 0 < value <= 65536:
        raise ValueError(f"{value!r} is no size")
    return value


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{value!r} is no text")
    return value


def _space(values: Mapping[str, Any]) -> types.DesignSpace:
    def names(values: Any) -> tuple[str, ...]:
        if not isinstance(values, list):
            raise TypeError(f"{values!r} are no names")
        return tuple(map(_text, values))

    return types.DesignSpace(
        products=names(values["products"]),
        elements=tuple(types.Element(_text(e["name"]), names(e["categories"])) for e in values["elements"]),
        axes=names(values["axes"]),
        sketches=bool(values.get("sketches", False)),  # work directories of versions without sketches do not say
    )
