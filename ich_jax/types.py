"""The vocabulary that the rooms share: design spaces, briefs and batches."""

import dataclasses
from typing import Any, NamedTuple, TypeVar

import jax
import numpy as np

from ich_jax import errors

AXIS_LIMIT = 3.0
"""Axes live on the 7-level scale [-3, 3] of the paper's perceptual survey (section 3.1.2)."""

PyTree = Any
"""Nested tuples, dicts and dataclasses with arrays as leaves; the name documents what the type checker cannot
express."""
Array = jax.Array | np.ndarray
"""An array on a device or on the host."""
ArrayT = TypeVar("ArrayT", jax.Array, np.ndarray)
"""For functions that return the kind of array that they are given."""

Params = PyTree
"""Parameters of a network, or gradients of them: nested dicts of arrays, as flax names them."""


@dataclasses.dataclass(frozen=True)
class Element:
    """A design element: a categorical item of the morphological analysis.

    Attributes:
        name: For example `palette`.
        categories: Names of its categories, at least two.
    """

    name: str
    categories: tuple[str, ...]


@dataclasses.dataclass(frozen=True)
class DesignSpace:
    """Names of everything that a brief can ask for. Hashable, so it may be a static argument of a jitted function.

    Attributes:
        products: Product names, one per class of the data.
        elements: The design elements; may be empty.
        axes: Names of the continuous axes, each scaled to [-3, 3]; may be empty.
        sketches: Whether a brief can hold a sketch.
    """

    products: tuple[str, ...]
    elements: tuple[Element, ...] = ()
    axes: tuple[str, ...] = ()
    sketches: bool = False

    @property
    def cardinalities(self) -> tuple[int, ...]:
        """Number of categories of each element."""
        return tuple(len(e.categories) for e in self.elements)

    @property
    def n_given(self) -> int:
        """Length of a brief's `given` mask: one for the product, one per element, one per axis, one for a sketch."""
        return self.axes_given.stop + int(self.sketches)

    @property
    def axes_given(self) -> slice:
        """Entries of the axes in a brief's `given` mask. Before them and in them stands all that a picture can tell."""
        first = 1 + len(self.elements)
        return slice(first, first + len(self.axes))

    def brief(self, **stated: str | float) -> "Brief":
        """Returns one brief, as numpy arrays with B = 1; parts that are not stated stay open.

        Example:
            `space.brief(product="fan", palette="indigo", width=1.5)`

        Args:
            stated: `product` and each element by the name of a category, each axis as a number in [-3, 3].

        Raises:
            ConfigError: An unknown name or category, or a number outside the scale.
        """
        categories = {"product": self.products} | {element.name: element.categories for element in self.elements}
        names = (*categories, *self.axes)
        codes, given = np.zeros(len(categories), np.int32), np.zeros(self.n_given, np.float32)
        axes = np.zeros(len(self.axes), np.float32)
        for name, value in stated.items():
            errors.require(name, names, "brief")
            given[names.index(name)] = 1.0
            if name in categories:
                errors.require(str(value), categories[name], f"brief: {name}")
                codes[names.index(name)] = categories[name].index(str(value))
            elif isinstance(value, str):
                raise errors.ConfigError(f"brief: {name}: got {value!r}; expected a number from -3 to 3.")
            else:
                errors.require_within(value, -AXIS_LIMIT, AXIS_LIMIT, f"brief: {name}")
                axes[self.axes.index(name)] = value
        return Brief(codes[:1], codes[None, 1:], axes[None], given[None])  # type: ignore[arg-type]  # numpy is welcome

    def with_sketch(self, brief: "Brief", sketch: Array) -> "Brief":
        """Returns B briefs that ask for sketches `[B, H, W, 1]` as well.

        Raises:
            ConfigError: Briefs of this space hold no sketch, or it is no picture of one channel in [0, 1].
        """
        if not self.sketches:
            raise errors.ConfigError(
                "brief: sketch: this run was trained without sketches; take a run with --config.data.sketches other "
                "than none, such as one of configs/sketch_32.py."
            )
        sketch = np.asarray(sketch, np.float32)
        if sketch.ndim != 4 or sketch.shape[-1] != 1 or not ((sketch >= 0) & (sketch <= 1)).all():
            raise errors.ConfigError(
                f"brief: sketch: got an array of shape {sketch.shape[1:]}; expected [H, W, 1] with values from 0 (ink) "
                "to 1 (paper)."
            )
        given = np.array(brief.given, np.float32)
        given[:, -1] = 1.0
        return brief._replace(given=given, sketch=sketch)  # type: ignore[arg-type]  # numpy is welcome

    def check(self, brief: "Brief") -> None:
        """Refuses briefs that were built from numbers and hold one that stands for no category.

        The networks would not notice: to them such a product is no product, and to a loss it may be the last one.

        Args:
            brief: B briefs as finished arrays.

        Raises:
            ConfigError: Shapes that do not fit this space, a number of no product or category, stated or left open, or
                an axis outside [-3, 3].
        """
        product, elements, axes, given = (np.asarray(part) for part in brief[:4])
        n = len(np.ravel(product))
        expected = [(n,), (n, len(self.elements)), (n, len(self.axes)), (n, self.n_given)]
        shapes = [part.shape for part in (product, elements, axes, given)]
        if shapes != expected:
            raise errors.ConfigError(f"brief: got parts of shapes {shapes}; expected {expected}; see space.brief(...).")
        if self.sketches and brief.sketch is None and given[:, -1].any():
            raise errors.ConfigError("brief: a sketch is stated, but there is none; see space.with_sketch(...).")
        if brief.sketch is not None:
            self.with_sketch(brief, brief.sketch)
        named = [("product", product, self.products)]
        named += [(each.name, elements[:, i], each.categories) for i, each in enumerate(self.elements)]
        for name, codes, categories in named:
            for row in np.flatnonzero((codes < 0) | (codes >= len(categories)))[:1]:
                raise errors.ConfigError(
                    f"brief {row}: {name}: got {codes[row]}; expected a number from 0 to {len(categories) - 1} "
                    f"({', '.join(categories)}), also where it is left open."
                )
        for row, a in np.argwhere(~(np.abs(axes) <= AXIS_LIMIT))[:1]:
            errors.require_within(axes[row, a].item(), -AXIS_LIMIT, AXIS_LIMIT, f"brief {row}: {self.axes[a]}")


@dataclasses.dataclass(frozen=True)
class ImageSpec:
    """Design space and shape of the images of a set: everything about it on which networks depend.

    Hashable, so it may be a static argument of a jitted function or the key of a cache.

    Attributes:
        space: Names of products, elements and axes: what briefs can ask for.
        size: Height and width in pixels.
        channels: 1 or 3.
    """

    space: DesignSpace
    size: int
    channels: int


class Brief(NamedTuple):
    """The product, elements and axes that each of B designs is asked to have.

    Attributes:
        product: `[B]` int32, index into `DesignSpace.products`.
        elements: `[B, E]` int32, category of each element.
        axes: `[B, A]` float32 in [-3, 3].
        given: `[B, 1 + E + A]` float32, 1 where the product, element or axis is stated and 0 where it is left open.
            Entries that are left open must still hold a valid value; it is ignored. Where the design space has
            sketches, one more entry says whether the sketch is stated.
        sketch: `[B, H, W, 1]` float32, the lines that the picture shall follow: 0 is ink, 1 is paper. None in runs
            without sketches, and where no brief of the B states one.
    """

    product: jax.Array
    elements: jax.Array
    axes: jax.Array
    given: jax.Array
    sketch: jax.Array | None = None

    def without_sketch(self) -> "Brief":
        """Returns the same briefs with their sketches left open."""
        if self.sketch is None:
            return self
        kept = np.arange(self.given.shape[1]) < self.given.shape[1] - 1
        return self._replace(given=self.given * kept[None].astype(np.float32), sketch=None)


class Batch(NamedTuple):
    """Real images with the briefs that they fulfil.

    Attributes:
        image: `[B, H, W, C]` float32 in [-1, 1].
        brief: The brief of each image.
    """

    image: jax.Array
    brief: Brief


class Reading(NamedTuple):
    """The reading of B images by a network.

    Attributes:
        product: `[B, products]` logits.
        elements: One `[B, categories]` array of logits per element.
        axes: `[B, A]` float, on the scale of the brief.
    """

    product: jax.Array
    elements: tuple[jax.Array, ...]
    axes: jax.Array
