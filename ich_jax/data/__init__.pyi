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
    renderer,
)
from .dataset import Dataset
from .pipeline import to_uint8, to_unit
from .renderer import render

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
    "renderer",
    "to_uint8",
    "to_unit",
]
