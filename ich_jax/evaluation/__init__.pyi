from . import axis_errors, designs, distances, drawing, features, readings, selection
from .axis_errors import ArmComparison, AxisErrors, compare_arms
from .designs import DesignEvaluation, evaluate, make_validate
from .distances import (
    Kid,
    Memorisation,
    Prdc,
    frechet,
    kid,
    memorisation,
    precision_recall_density_coverage,
)
from .features import random_features

__all__ = [
    "ArmComparison",
    "AxisErrors",
    "DesignEvaluation",
    "Kid",
    "Memorisation",
    "Prdc",
    "axis_errors",
    "compare_arms",
    "designs",
    "distances",
    "drawing",
    "evaluate",
    "features",
    "frechet",
    "kid",
    "make_validate",
    "memorisation",
    "precision_recall_density_coverage",
    "random_features",
    "readings",
    "selection",
]
