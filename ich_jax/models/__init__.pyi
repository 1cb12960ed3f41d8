from . import (
    blocks,
    convolutions,
    discriminator,
    encoder,
    generator,
    inspector,
    layers,
    networks,
    r3gan,
    sngan,
)
from .networks import create_discriminator, create_encoder, create_generator

__all__ = [
    "blocks",
    "convolutions",
    "create_discriminator",
    "create_encoder",
    "create_generator",
    "discriminator",
    "encoder",
    "generator",
    "inspector",
    "layers",
    "networks",
    "r3gan",
    "sngan",
]
