"""Procedural designs: a renderer with exact ground truth, and the data set that it draws."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
