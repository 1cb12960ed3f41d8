from . import benefit, error_comparison, interference, train

__all__ = [
    "benefit",
    "error_comparison",
    "interference",
    "train",
]
