"""How sales of something new spread: Bass and its kin, bootstrap bands, forecasts, and what early data can say."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
