from . import benefit, design, error_comparison, interference, kansei, train

__all__ = [
    "benefit",
    "design",
    "error_comparison",
    "interference",
    "kansei",
    "train",
]
