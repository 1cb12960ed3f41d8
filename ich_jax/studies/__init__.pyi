from . import benefit, design, error_comparison, interference, train

__all__ = [
    "benefit",
    "design",
    "error_comparison",
    "interference",
    "train",
]
