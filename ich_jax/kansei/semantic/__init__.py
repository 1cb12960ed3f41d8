"""Semantic differentials: tables of means, reliability and agreement of raters, and the factors behind the words."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
