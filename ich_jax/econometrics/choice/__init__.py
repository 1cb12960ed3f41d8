"""Who chooses what: discrete choice models, and what they say about prices, shares and assortments."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
