"""SIMULATED raters, whose part-worths are known, and the briefs of the designs that they are shown."""

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
    """What SIMULATED raters think.

    Attributes:
        part_worth: For each word and element, axes among them, what each category adds, in points of the scale.
        levels: Of the axes: raters judge a position as if it were the nearest of these.
    """

    part_worth: Mapping[str, Mapping[str, Mapping[str, float]]]
    levels: tuple[float, ...]

    def score(self, work: Work, word: str) -> float:
        """What a rater without error or severity would say of a work."""
        seen = self.seen(work)
        return sum(worth[seen[name]] for name, worth in self.part_worth[word].items())

    def seen(self, work: Work) -> dict[str, str]:
        """Category of each element of a work, and level of each axis."""
        nearest = {
            name: quantification.level_element(name, [value], self.levels)[0].categories[0]
            for name, value in work.axes.items()
        }
        return {**work.elements, **nearest}


def create(space: DesignSpace, config: KanseiLoopConfig, levels: tuple[float, ...], seed: int) -> Raters:
    """Draws the part-worths of SIMULATED raters: independent, normal, centred within each element.

    Args:
        space: What designs consist of.
        config: Of the loop.
        levels: Of the axes.
        seed: Of the draws.
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
    """Returns a CSV of briefs that state everything: each category about as often as the others of its element.

    Raises:
        ConfigError: A product that the generator does not know, or no element and axis.
    """
    errors.require(config.product, space.products, "loop.product")
    if not space.elements and not space.axes:
        raise errors.ConfigError("The generator knows neither elements nor axes, so there is nothing to rate apart.")
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
        folder: Where.
        raters: What they think.
        plan: Of the sheets.
        works: By code.
        config: Of the loop.
        seed: Of severities and errors.

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
