"""SIMULATED raters with known part-worths, and the random briefs of the designs that they rate."""

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from ich_jax import errors, workdir
from ich_jax.config import KanseiLoopConfig
from ich_jax.kansei import quantification
from ich_jax.studies.kansei import sheets
from ich_jax.studies.kansei.sheets import Plan
from ich_jax.studies.kansei.works import Work
from ich_jax.types import DesignSpace


@dataclasses.dataclass(frozen=True, slots=True)
class Raters:
    """The preferences of SIMULATED raters.

    Attributes:
        part_worth: For each word and each element or axis, the part-worth of each category in points of the scale.
        levels: Levels of the axes: raters judge a position as the nearest level.
    """

    part_worth: Mapping[str, Mapping[str, Mapping[str, float]]]
    levels: tuple[float, ...]

    def score(self, work: Work, word: str) -> float:
        """Returns the score of a work by a rater without error or severity."""
        seen = self.seen(work)
        return sum(worth[seen[name]] for name, worth in self.part_worth[word].items())

    def seen(self, work: Work) -> dict[str, str]:
        """Returns the category of each element of a work, and the level of each axis."""
        nearest = {
            name: quantification.level_element(name, [value], self.levels)[0].categories[0]
            for name, value in work.axes.items()
        }
        return {**work.elements, **nearest}


def create(space: DesignSpace, config: KanseiLoopConfig, levels: tuple[float, ...], seed: int) -> Raters:
    """Draws the part-worths of SIMULATED raters: independent, normal, centred within each element.

    Args:
        space: Design space of the generator.
        config: Settings of the loop.
        levels: Levels of the axes.
        seed: Seed of the draws.
    """
    rng = np.random.default_rng([seed, 1])
    kinds = {e.name: e.categories for e in space.elements}
    kinds |= {axis: tuple(format(level, "+g") for level in levels) for axis in space.axes}
    worths: dict[str, dict[str, dict[str, float]]] = {}
    for word in config.words:
        worths[word] = {}
        for name, categories in kinds.items():
            values = rng.normal(0.0, config.effect, len(categories))
            worths[word][name] = dict(zip(categories, (values - values.mean()).tolist(), strict=True))
    return Raters(worths, levels)


def random_briefs(space: DesignSpace, config: KanseiLoopConfig, levels: tuple[float, ...], seed: int) -> str:
    """Returns a CSV of briefs that state every part, with the categories of each element about equally frequent.

    Raises:
        ConfigError: The generator does not know the product, or has neither elements nor axes.
    """
    errors.require(config.product, space.products, "loop.product")
    if not space.elements and not space.axes:
        raise errors.ConfigError("The generator has neither elements nor axes, so its designs do not differ in any.")
    rng = np.random.default_rng([seed, 2])

    def balanced(categories: Sequence[str]) -> list[str]:
        turns = -(-config.designs // len(categories))
        order = np.concatenate([rng.permutation(len(categories)) for _ in range(turns)])
        return [categories[k] for k in rng.permutation(order[: config.designs])]

    columns = [[config.product] * config.designs]
    columns += [balanced(element.categories) for element in space.elements]
    columns += [balanced([format(level, "+g") for level in levels]) for _ in space.axes]
    names = ("product", *(element.name for element in space.elements), *space.axes)
    return sheets.text_of(names, list(zip(*columns, strict=True)))


def fill(
    folder: Path, raters: Raters, plan: Plan, works: Mapping[str, Work], config: KanseiLoopConfig, seed: int
) -> None:
    """Fills in the sheets of all raters, as `sheet_NAME.csv` files in a folder.

    Args:
        folder: Folder of the filled sheets.
        raters: Preferences of the raters.
        plan: Plan of the sheets.
        works: Works by code.
        config: Settings of the loop.
        seed: Seed of severities and errors.

    Raises:
        WorkdirError: A file cannot be written.
    """
    rng = np.random.default_rng([seed, 3])
    names = [item.name for item in plan.items]
    mean = np.array([[raters.score(work, word) for word in names] for work in works.values()])
    for k, rater in enumerate(plan.raters):
        value = mean + rng.normal(0.0, config.severity, len(names)) + rng.normal(0.0, config.noise, mean.shape)
        low, high = plan.items[0].low, plan.items[0].high
        score: npt.NDArray[np.int64] = np.clip(np.round(value), low, high).astype(np.int64)
        rows = [(rater, code, *line) for code, line in zip(works, score.tolist(), strict=True)]
        workdir.write_text(folder / f"sheet_{k + 1:02d}.csv", sheets.text_of(("rater", "code", *names), rows))
