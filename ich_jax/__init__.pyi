from . import (
    config,
    data,
    econometrics,
    errors,
    evaluation,
    interference,
    kansei,
    models,
    perf,
    report,
    studies,
    training,
    types,
    uncertainty,
    workdir,
)
from .api import Generator, choose, corrupt, load_config, load_generator, make_dataset, save, train
from .config import Config
from .data.dataset import Dataset
from .errors import IchJaxError
from .types import Brief, DesignSpace

__version__: str

__all__ = [
    "Brief",
    "Config",
    "Dataset",
    "DesignSpace",
    "Generator",
    "IchJaxError",
    "choose",
    "config",
    "corrupt",
    "data",
    "econometrics",
    "errors",
    "evaluation",
    "interference",
    "kansei",
    "load_config",
    "load_generator",
    "make_dataset",
    "models",
    "perf",
    "report",
    "save",
    "studies",
    "train",
    "training",
    "types",
    "uncertainty",
    "workdir",
]
