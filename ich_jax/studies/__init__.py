"""Studies: what a user runs, each with its engine, result, page, tables and figures together."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
