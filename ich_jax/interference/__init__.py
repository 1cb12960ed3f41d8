"""Interference: corruptions of images, disturbances of a generator, sweeps over severity, recovery from a pulse."""

from ich_jax.interference.corruptions.api import COMMON, KINDS, VALIDATION, corrupt, image_keys

__all__ = ["COMMON", "KINDS", "VALIDATION", "corrupt", "image_keys"]
