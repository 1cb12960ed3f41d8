"""Residual GAN design of cultural products, and the evidence that it works.

    import ich_jax

    generator = ich_jax.load_generator("runs/demo")
    images = generator.draw(generator.space.brief(product="fan", width=1.5), seed=0, n=12)

The names of this package are listed in `__init__.pyi` and loaded when they are first used: importing the package does
not load JAX.
"""

import lazy_loader

__version__ = "0.1.0"

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
