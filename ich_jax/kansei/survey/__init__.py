"""Questionnaires: which are valid, what was ticked, what matters most, weights to margins, published percentages."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
