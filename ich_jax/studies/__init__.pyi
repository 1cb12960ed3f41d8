from . import benefit, design, error_comparison, interference, kansei, market, paper, train

__all__ = [
    "benefit",
    "design",
    "error_comparison",
    "interference",
    "kansei",
    "market",
    "paper",
    "train",
]
