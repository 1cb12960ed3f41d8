from . import benefit, error_comparison, interference, kansei, train

__all__ = [
    "benefit",
    "error_comparison",
    "interference",
    "kansei",
    "train",
]
