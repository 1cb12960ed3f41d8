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
from .api import Generator, corrupt, load_config, load_generator, make_dataset, train
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
    "studies",
    "train",
    "training",
    "types",
    "uncertainty",
    "workdir",
]
