"""Questionnaires: screening, shares of options, ranks of importance, raking, checks of published percentages."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
