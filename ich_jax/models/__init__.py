"""Networks (flax.linen): generator, discriminator and inspector, built from residual blocks."""
