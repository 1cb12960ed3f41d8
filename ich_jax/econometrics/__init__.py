"""Effects on panels with few treated units: linear models, difference-in-differences, synthetic control, inference."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
