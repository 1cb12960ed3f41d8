from . import (
    augment,
    dataset,
    decode,
    folder,
    measure,
    metadata,
    npz,
    pipeline,
    procedural,
    sketch,
)
from .dataset import Dataset
from .pipeline import to_uint8, to_unit
from .procedural import render

__all__ = [
    "Dataset",
    "augment",
    "dataset",
    "decode",
    "folder",
    "measure",
    "metadata",
    "npz",
    "pipeline",
    "procedural",
    "render",
    "sketch",
    "to_uint8",
    "to_unit",
]
