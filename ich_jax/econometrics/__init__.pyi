from . import benefit, choice, did, diffusion, panel, regression, series, synthetic, value
from .panel import Panel, from_matrix, from_rows
from .value import Plan, Value, present_value

__all__ = [
    "Panel",
    "Plan",
    "Value",
    "benefit",
    "choice",
    "did",
    "diffusion",
    "from_matrix",
    "from_rows",
    "panel",
    "present_value",
    "regression",
    "series",
    "synthetic",
    "value",
]
