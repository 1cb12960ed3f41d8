"""Synthetic control and synthetic difference-in-differences, and what is tested with their weights."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
