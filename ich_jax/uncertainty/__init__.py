"""Uncertainty of every figure, written once: batched and float64, whatever the rest of the process computes in."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
