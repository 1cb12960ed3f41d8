"""Recipes of noise: the origin of the noise of a design, as a value that can be stored and drawn from again.

A recipe is a seed with an index, a variation of another recipe, or a place between two. Noise is drawn on the host, so
that a recipe gives the same bits on every machine and backend.
"""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from ich_jax import errors


@dataclasses.dataclass(frozen=True, slots=True)
class Noise:
    """Standard normal noise: vector `index` of the stream of the seed, independent of all other draws."""

    seed: int
    index: int


@dataclasses.dataclass(frozen=True, slots=True)
class Near:
    """A variation: sqrt(1 - spread^2) times the noise of `origin` plus spread times fresh noise; standard normal."""

    origin: "Recipe"
    spread: float
    fresh: Noise


@dataclasses.dataclass(frozen=True, slots=True)
class Between:
    """A place on the great circle from one noise to another, `share` of the way.

    References:
        Shoemake, Animating rotation with quaternion curves, 1985 (spherical linear interpolation); White, Sampling
        generative networks, 2016, which uses it because the length of normal noise hardly varies.
    """

    start: "Recipe"
    end: "Recipe"
    share: float


Recipe = Noise | Near | Between


def noise(recipes: Sequence[Recipe], width: int) -> npt.NDArray[np.float32]:
    """Returns the noise of N recipes, `[N, width]` float32."""
    rows = [_vector(recipe, width) for recipe in recipes]
    return np.stack(rows).astype(np.float32) if rows else np.zeros((0, width), np.float32)


def source(recipe: Recipe) -> Noise:
    """Returns the seed and index of a recipe: for a variation, of the fresh noise; for a path, of its start."""
    if isinstance(recipe, Near):
        return recipe.fresh
    return source(recipe.start) if isinstance(recipe, Between) else recipe


def to_json(recipe: Recipe) -> dict[str, Any]:
    """Returns a recipe as JSON values."""
    if isinstance(recipe, Noise):
        return {"seed": recipe.seed, "index": recipe.index}
    if isinstance(recipe, Near):
        return {"near": to_json(recipe.origin), "spread": recipe.spread, "fresh": to_json(recipe.fresh)}
    return {"between": [to_json(recipe.start), to_json(recipe.end)], "share": recipe.share}


def from_json(values: Mapping[str, Any]) -> Recipe:
    """Reads a recipe from the values that `to_json` returned.

    Raises:
        DataError: The values are not those of a recipe.
    """
    try:
        if "near" in values:
            fresh = from_json(values["fresh"])
            if isinstance(fresh, Noise):
                return Near(from_json(values["near"]), float(values["spread"]), fresh)
        elif "between" in values:
            start, end = values["between"]
            return Between(from_json(start), from_json(end), float(values["share"]))
        else:
            return Noise(int(values["seed"]), int(values["index"]))
    except (KeyError, TypeError, ValueError):
        pass
    raise errors.DataError(f"{dict(values)!r} is no recipe of noise; the file that contains it is damaged.")


def _vector(recipe: Recipe, width: int) -> npt.NDArray[np.float64]:
    if isinstance(recipe, Noise):
        key = np.array([recipe.seed, recipe.index], np.uint64)
        return np.random.Generator(np.random.Philox(key=key)).standard_normal(width)
    if isinstance(recipe, Near):
        spread = recipe.spread
        return np.sqrt(1.0 - spread**2) * _vector(recipe.origin, width) + spread * _vector(recipe.fresh, width)
    return _between(_vector(recipe.start, width), _vector(recipe.end, width), recipe.share)


def _between(a: npt.NDArray[np.float64], b: npt.NDArray[np.float64], share: float) -> npt.NDArray[np.float64]:
    lengths = np.linalg.norm(a), np.linalg.norm(b)
    angle = np.arccos(np.clip(np.dot(a, b) / max(lengths[0] * lengths[1], 1e-12), -1.0, 1.0))
    if np.sin(angle) < 1e-6:  # the same direction, or opposite directions, for which no great circle is the shortest
        return (1.0 - share) * a + share * b
    between: npt.NDArray[np.float64] = (np.sin((1.0 - share) * angle) * a + np.sin(share * angle) * b) / np.sin(angle)
    return between
