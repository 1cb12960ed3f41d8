from . import bands, curves, fits, windows
from .bands import Bands, Forecast, bootstrap, forecast
from .curves import MODELS
from .fits import Comparison, DiffusionFit, compare, fit
from .windows import Coverage, Windows, coverage, early_windows

__all__ = [
    "MODELS",
    "Bands",
    "Comparison",
    "Coverage",
    "DiffusionFit",
    "Forecast",
    "Windows",
    "bands",
    "bootstrap",
    "compare",
    "coverage",
    "curves",
    "early_windows",
    "fit",
    "fits",
    "forecast",
    "windows",
]
