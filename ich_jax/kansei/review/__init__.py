"""Two arms of reviewed works: differences of means and ranks, effect sizes, exact tests, bounds from sums."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
