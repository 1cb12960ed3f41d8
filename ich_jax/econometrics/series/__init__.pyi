from .interrupted import AutoregressiveFit, Interrupted, autoregressive, segmented
from .trend import BootstrapTrend, MannKendall, bootstrap_trend, mann_kendall

__all__ = [
    "AutoregressiveFit",
    "BootstrapTrend",
    "Interrupted",
    "MannKendall",
    "autoregressive",
    "bootstrap_trend",
    "mann_kendall",
    "segmented",
]
