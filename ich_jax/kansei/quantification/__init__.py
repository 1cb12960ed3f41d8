"""Words from design elements and back: Quantification Theory I and III, conjoint analysis, all combinations scored."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
