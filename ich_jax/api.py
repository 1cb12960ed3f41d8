"""The entry points for notebooks: load a config, train, load a generator, draw, choose, save, read, corrupt, evaluate.

    import ich_jax

    generator = ich_jax.load_generator("runs/demo")
    brief = generator.space.brief(product="fan", palette="indigo", width=1.5)
    images = generator.draw(brief, seed=0, n=12)
    ich_jax.save(ich_jax.choose(generator, brief, n=12), "runs/fans")

`ich_jax` re-exports these names and imports this module, and with it JAX, when the first of them is used.
"""

import dataclasses
import functools
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jax
import numpy as np
import numpy.typing as npt

from ich_jax import config as config_lib
from ich_jax import errors, interference
from ich_jax.config import Config
from ich_jax.data import make
from ich_jax.data.dataset import Dataset
from ich_jax.evaluation import designs, drawing
from ich_jax.evaluation.designs import DesignEvaluation
from ich_jax.evaluation.drawing import Images
from ich_jax.studies import trained
from ich_jax.studies.design import recipes
from ich_jax.studies.design.designer import Designer
from ich_jax.training import checkpoint, sampling, shipped
from ich_jax.training import inspector as inspector_lib
from ich_jax.types import Brief, DesignSpace

if TYPE_CHECKING:  # a study imports all rooms; drawing needs few of them
    from ich_jax.studies.design.choosing import Chosen


def load_config(name: str | Path = "quick", overrides: Mapping[str, Any] | None = None) -> Config:
    """Loads the config of a training run.

    Args:
        name: A shipped config such as `quick` or `quick:tiny`, or the path of a config file.
        overrides: New values by dotted name, such as `{"train.steps": 500}`.

    Raises:
        ConfigError: There is no such config, field or value.
    """
    config: Config = config_lib.load(name, overrides)
    return config


def make_dataset(config: Config) -> Dataset:
    """Returns the images of a run with their briefs and design space.

    Raises:
        DataError: They cannot be read, or not as the config says.
    """
    return make.make(config.data, seed=config.seed)


def train(config: Config, workdir: str | Path) -> "Generator":
    """Trains, judges and reports as `experiments/train.py` does; a run that was begun in the folder resumes.

    Args:
        config: The run.
        workdir: Its folder, which then holds checkpoints, `results.json` and `report/index.html`.

    Returns:
        The generator of the checkpoint that validated best.

    Raises:
        IchJaxError: The error that the experiment would print, such as a folder of another run.
    """
    from ich_jax.studies.train import run  # a study imports all rooms; drawing needs few of them

    stopped_by = run.run(config, str(workdir))
    if stopped_by is not None:
        raise KeyboardInterrupt(f"Training was stopped by signal {stopped_by}; call it again to resume.")
    return load_generator(workdir)


def load_generator(path: str | Path | None = None, *, best: bool = True, images: str | Path = "") -> "Generator":
    """Loads a trained generator.

    Args:
        path: A work directory, or `<workdir>/checkpoints/<step>`. None: the generator that ships with the package, of
            `configs/procedural_32.py`.
        best: For a work directory, the checkpoint that validated best instead of the newest.
        images: Where the images of that run are now, if they were moved; they are read when they are needed.

    Raises:
        CheckpointError: There is no good checkpoint; or the shipped generator is of images that this version renders
            otherwise.
        WorkdirError: The folder is no work directory, or damaged.
    """
    return Generator(shipped.load() if path is None else checkpoint.restore_for_inference(path, best=best), images)


def choose(
    generator: "Generator",
    brief: Brief,
    *,
    n: int = 12,
    candidates: int = 256,
    seed: int = 0,
    select: str = "diverse",
    tolerance: float = 0.5,
    style_strength: float = 1.0,
    criteria: npt.ArrayLike | Callable[[Images], npt.ArrayLike] | None = None,
    open_parts: str = "drawn",
    images: Dataset | None = None,
) -> "Chosen":
    """Draws candidates for a brief and chooses among those that meet it, as `experiments/design.py` does.

    The run's own discriminator reads the candidates; the inspector takes no part, so that `generator.read` remains an
    unbiased judge of the chosen designs.

    Args:
        generator: Draws.
        brief: One brief.
        n: Designs to choose; fewer are returned where fewer candidates meet the brief.
        candidates: Number of candidates to draw.
        seed: Of their noise.
        select: `diverse`, `best` or `first`.
        tolerance: Largest error of a stated axis.
        style_strength: Strength of the brief; 1: as trained.
        criteria: Further figures of the candidates `[candidates, M]` of which lower is better, such as a price, or a
            function from images `[candidates, H, W, C]` uint8 to them; the first Pareto fronts are preferred.
        open_parts: `drawn`: what the brief leaves open is drawn for each candidate as images of the run have it;
            `open`: it is left to the generator.
        images: The images of the run, from which open parts are drawn. Those of the renderer need not be given;
            without those of a folder, parts stay open.

    Raises:
        ConfigError: An unknown rule, a number outside its limits, several briefs, or n above `candidates`.
        CheckpointError: The run trained no reading head.
        DataError: Criteria of another shape, or not finite.
    """
    from ich_jax.studies.design import choosing

    config = config_lib.DesignConfig(
        name="choose",
        candidates=candidates,
        deliver=n,
        select=select,
        tolerance=tolerance,
        seed=seed,
        style_strength=style_strength,
        open_parts=open_parts,
    )
    return choosing.choose(generator.model, brief, config, criteria, images)


def save(chosen: "Chosen", folder: str | Path) -> list[Path]:
    """Saves chosen designs: a PNG for each, which says how it was drawn, with a large copy, and `sheet.png`.

    Args:
        chosen: As `choose` returned them.
        folder: Receives `designs/` and `sheet.png`; files of that name that are there already are left alone.

    Returns:
        The files of native size, by rank. `experiments/design.py --redraw=FILE` draws one again.

    Raises:
        WorkdirError: A file cannot be written, or the folder holds designs of another choice.
    """
    from ich_jax.studies.design import choosing

    return choosing.save(chosen, folder)


def corrupt(images: Images, kind: str, severity: int, *, seed: int = 0) -> Images:
    """Corrupts images as the interference study does.

    Args:
        images: `[B, H, W, C]` uint8, C 1 or 3.
        kind: One of `ich_jax.interference.KINDS`.
        severity: 1 to 5; 0 returns the images as they are.
        seed: Of the random draws of the corruption.

    Returns:
        `[B, H, W, C]` uint8.

    Raises:
        ConfigError: An unknown kind or severity, or a seed that is negative or beyond 32 bits.
        DataError: Images of another type or shape.
    """
    errors.require_seed(seed, "seed")
    return np.asarray(interference.corrupt(_checked(images), kind, severity, jax.random.key(seed)))


@dataclasses.dataclass(frozen=True)
class Generator:
    """A trained generator.

    Attributes:
        model: Its parameters, config and design space.
        images: Where the images of its run are now; empty: where they were.
    """

    model: checkpoint.TrainedModel
    images: str | Path = ""

    def __repr__(self) -> str:
        """Names the run, its products and the shape of its images."""
        model = self.model
        return (
            f"Generator({model.config.name}, step {model.step:,}: {', '.join(model.space.products)}; "
            f"{model.size} x {model.size} x {model.channels})"
        )

    @property
    def space(self) -> DesignSpace:
        """Names of everything that a brief can ask for; `space.brief(product=..., ...)` makes a brief."""
        return self.model.space

    @functools.cached_property
    def dataset(self) -> Dataset:
        """The images that it was trained on."""
        return trained.load_images(self.model, f"the generator {self.model.config.name}", images=self.images)

    @functools.cached_property
    def inspector(self) -> inspector_lib.Inspector:
        """The judge of its images: shipped, from the cache, or trained now."""
        return inspector_lib.get(self.model.config, self.dataset)

    @functools.cached_property
    def _sampler(self) -> drawing.Sampler:
        model = self.model
        return sampling.make_sampler(model.config, model.spec)

    @functools.cached_property
    def _designer(self) -> Designer:
        return Designer(self.model, self.model.config.evaluation.style_strength)

    def draw(self, brief: Brief, *, seed: int = 0, n: int = 1) -> Images:
        """Draws designs, as the brief says; parts that it leaves open are left to the generator.

        They are the first n candidates that `choose` would have of that seed, with `open_parts="open"`.

        Args:
            brief: B briefs.
            seed: Of the noise, n times the same for every brief; the same brief, seed and n give the same images.
            n: Designs of each brief.

        Returns:
            `[B * n, H, W, C]` uint8; the designs of a brief stand together.

        Raises:
            ConfigError: n is below 1, the seed is negative or beyond 32 bits, or the brief holds a number that stands
                for no category.
        """
        errors.require_within(n, 1, 10**6, "n", whole=True)
        errors.require_seed(seed, "seed")
        self.space.check(brief)
        made = [recipes.Noise(seed, i) for i in range(n)]
        noise = np.tile(recipes.noise(made, self.model.config.generator.z_dim), (len(np.asarray(brief.product)), 1))
        return self._designer.draw(noise, drawing.repeat(drawing.on_host(brief), n))

    def read(self, images: Images) -> dict[str, np.ndarray]:
        """Returns the readings of images by the inspector.

        Args:
            images: `[B, H, W, C]` uint8.

        Returns:
            By name, `[B]` each: `product` and each element as names of categories, each axis as float64 in [-3, 3].
            A data frame takes it as it is.
        """
        reading = drawing.read_all(self.inspector.read, _checked(images))
        space = self.space
        table = {"product": np.asarray(space.products)[reading.product.argmax(axis=1)]}
        for element, logits in zip(space.elements, reading.elements, strict=True):
            table[element.name] = np.asarray(element.categories)[logits.argmax(axis=1)]
        return table | {name: reading.axes[:, a].astype(np.float64) for a, name in enumerate(space.axes)}

    def evaluate(self) -> DesignEvaluation:
        """Judges it on test briefs as its own run was judged; see `evaluation.designs.evaluate`."""
        return designs.evaluate(
            self.model.config,
            self.dataset,
            self._sampler,
            self.model.ema_params,
            self.inspector.read,
            real_draws=drawing.make_real_draws(self.dataset),
        )


def _checked(images: npt.ArrayLike) -> Images:
    images = np.asarray(images)
    if images.ndim != 4 or images.dtype != np.uint8:
        raise errors.DataError(
            f"images: expected [B, H, W, C] uint8, got {list(images.shape)} {images.dtype}; a single image is "
            "images[None], floats in [-1, 1] become bytes by ich_jax.data.pipeline.to_uint8."
        )
    return np.ascontiguousarray(images)
