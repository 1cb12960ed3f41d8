"""Where the noise of a design comes from, as a value that can be written down and drawn from again.

A recipe is a seed with an index, a variation of another recipe, or a place between two. Noise is made on the host, so
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
    """Standard normal noise: number `index` of the seed, whatever else is drawn."""

    seed: int
    index: int


@dataclasses.dataclass(frozen=True, slots=True)
class Near:
    """A variation: sqrt(1 - spread^2) times the noise of `of`, plus spread times fresh noise; normal like both."""

    of: "Recipe"
    spread: float
    fresh: Noise


@dataclasses.dataclass(frozen=True, slots=True)
class Between:
    """A place on the great circle from one noise to another, `share` of the way.

    References:
        Shoemake, Animating rotation with quaternion curves, 1985 (spherical linear interpolation); White, Sampling
        generative networks, 2016, which uses it because normal noise has a typical length.
    """

    start: "Recipe"
    end: "Recipe"
    share: float


Recipe = Noise | Near | Between


def noise(recipes: Sequence[Recipe], width: int) -> npt.NDArray[np.float32]:
    """Returns the noise of N recipes, `[N, width]` float32."""
    rows = [_one(recipe, width) for recipe in recipes]
    return np.stack(rows).astype(np.float32) if rows else np.zeros((0, width), np.float32)


def source(recipe: Recipe) -> Noise:
    """Returns the seed and index of a recipe: of a variation those of the fresh noise, on a path those of its start."""
    if isinstance(recipe, Near):
        return recipe.fresh
    return source(recipe.start) if isinstance(recipe, Between) else recipe


def to_json(recipe: Recipe) -> dict[str, Any]:
    """Returns a recipe as JSON values."""
    if isinstance(recipe, Noise):
        return {"seed": recipe.seed, "index": recipe.index}
    if isinstance(recipe, Near):
        return {"near": to_json(recipe.of), "spread": recipe.spread, "fresh": to_json(recipe.fresh)}
    return {"between": [to_json(recipe.start), to_json(recipe.end)], "share": recipe.share}


def from_json(values: Mapping[str, Any]) -> Recipe:
    """Reads what `to_json` returned.

    Raises:
        DataError: It is something else.
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
    raise errors.DataError(f"{dict(values)!r} says of no noise how it is made; the file that holds it is damaged.")


def _one(recipe: Recipe, width: int) -> npt.NDArray[np.float64]:
    if isinstance(recipe, Noise):
        key = np.array([recipe.seed, recipe.index], np.uint64)
        return np.random.Generator(np.random.Philox(key=key)).standard_normal(width)
    if isinstance(recipe, Near):
        spread = recipe.spread
        return np.sqrt(1.0 - spread**2) * _one(recipe.of, width) + spread * _one(recipe.fresh, width)
    return _between(_one(recipe.start, width), _one(recipe.end, width), recipe.share)


def _between(a: npt.NDArray[np.float64], b: npt.NDArray[np.float64], share: float) -> npt.NDArray[np.float64]:
    lengths = np.linalg.norm(a), np.linalg.norm(b)
    angle = np.arccos(np.clip(np.dot(a, b) / max(lengths[0] * lengths[1], 1e-12), -1.0, 1.0))
    if np.sin(angle) < 1e-6:  # the same direction, or opposite ones, between which no circle is the shortest
        return (1.0 - share) * a + share * b
    found: npt.NDArray[np.float64] = (np.sin((1.0 - share) * angle) * a + np.sin(share * angle) * b) / np.sin(angle)
    return found
