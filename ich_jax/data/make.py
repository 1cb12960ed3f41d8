"""The entry to all sources of images."""

from ich_jax import errors
from ich_jax.config import SOURCES, DataConfig
from ich_jax.data import folder, npz, procedural
from ich_jax.data.dataset import Dataset


def make(config: DataConfig, *, seed: int = 0) -> Dataset:
    """Makes the dataset that a configuration names.

    Args:
        config: The resolved data configuration.
        seed: Accepted so that every caller states its seed; no source depends on it. Images, splits and order are
            functions of the data and of the key that is passed to the dataset's own functions.

    Raises:
        DataError: Images or metadata that cannot be used, naming the file, row or field and how to repair it.
    """
    errors.require(config.source, SOURCES, "--config.data.source")
    return {"procedural": procedural.make, "folder": folder.make, "npz": npz.make}[config.source](config)
