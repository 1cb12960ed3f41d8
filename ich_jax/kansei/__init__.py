"""What people want and how they judge it: surveys, semantic differentials, design elements, expert review."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
