from . import corruptions, disturbances
from .corruptions.api import COMMON, KINDS, VALIDATION, corrupt, image_keys
from .disturbances import Disturbance, make_disturbed

__all__ = [
    "COMMON",
    "KINDS",
    "VALIDATION",
    "Disturbance",
    "corrupt",
    "corruptions",
    "disturbances",
    "image_keys",
    "make_disturbed",
]
