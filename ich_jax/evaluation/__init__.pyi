from . import (
    arm_errors,
    arms,
    axis_errors,
    copies,
    design_sheets,
    designs,
    distances,
    diversity,
    drawing,
    features,
    level_tests,
    neighbours,
    readings,
    realism,
    selection,
    validation,
)
from .arms import ArmComparison, compare_arms
from .axis_errors import AxisErrors
from .design_sheets import DesignSheets, make_sheets
from .designs import DesignEvaluation, evaluate
from .distances import Kid, frechet, kid
from .features import random_features
from .neighbours import Memorisation, Prdc, memorisation, precision_recall_density_coverage
from .validation import make_validate

__all__ = [
    "ArmComparison",
    "AxisErrors",
    "DesignEvaluation",
    "DesignSheets",
    "Kid",
    "Memorisation",
    "Prdc",
    "arm_errors",
    "arms",
    "axis_errors",
    "compare_arms",
    "copies",
    "design_sheets",
    "designs",
    "distances",
    "diversity",
    "drawing",
    "evaluate",
    "features",
    "frechet",
    "kid",
    "level_tests",
    "make_sheets",
    "make_validate",
    "memorisation",
    "neighbours",
    "precision_recall_density_coverage",
    "random_features",
    "readings",
    "realism",
    "selection",
    "validation",
]
