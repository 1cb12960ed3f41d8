"""Residual GAN design of cultural products, and the evidence that it works."""

__version__ = "0.1.0"
