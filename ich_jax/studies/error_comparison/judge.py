"""The judge of a comparison: the briefs of all cells, the inspector, and programs that runs share."""

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any, TypeVar, cast

import jax
import numpy as np
import numpy.typing as npt
from absl import logging

from ich_jax import config as config_lib
from ich_jax import errors
from ich_jax.config import Config, ErrorComparisonConfig
from ich_jax.data.dataset import Dataset
from ich_jax.evaluation import drawing, validation
from ich_jax.evaluation.drawing import Purpose, make_real_draws
from ich_jax.studies.error_comparison import degradation
from ich_jax.training import formulation, gradients, parallel, sampling
from ich_jax.training import inspector as inspector_lib
from ich_jax.training import state as state_lib
from ich_jax.training import step as step_lib
from ich_jax.types import Brief, PyTree

_N_INSPECTOR = 2000  # real images on which the inspector's own error is measured, or all if there are fewer
_RUNS_KEPT = 4  # runs whose compiled programs are kept

T = TypeVar("T")


@dataclasses.dataclass(frozen=True)
class Judge:
    """The briefs, images and inspector that all cells share.

    Attributes:
        dataset: The images.
        inspector: The frozen judge.
        axes: Indices of the axes that are compared.
        names: Their names.
        brief: The test briefs, every compared axis stated.
        programs: Functions that runs may share, compiled once, by run and name; filled by `once`.
    """

    dataset: Dataset
    inspector: inspector_lib.Inspector
    axes: tuple[int, ...]
    names: tuple[str, ...]
    brief: Brief
    programs: dict[Config, dict[str, object]] = dataclasses.field(default_factory=dict)

    @property
    def requested(self) -> npt.NDArray[np.float64]:
        """`[N, A]` values of the compared axes that the briefs ask for."""
        return np.asarray(self.brief.axes, np.float64)[:, list(self.axes)]

    def read(self, images: drawing.Images) -> npt.NDArray[np.float64]:
        """Reads the compared axes `[N, A]` off images `[N, H, W, C]`."""
        return np.asarray(drawing.read_all(self.inspector.read, images).axes, np.float64)[:, list(self.axes)]

    def once(self, name: str, config: Config, make: Callable[[Config], T]) -> T:
        """Returns `make(config)`, made for the first of the runs that differ in seed and initial gains only.

        Programs of the runs used longest ago are dropped: compiled programs hold memory maps, of which a process may
        have 65,530, and a sweep over depths needs more.
        """
        initial: dict[str, Any] = {"residual_scale": 0.0, "plain_scale": 0.0}
        shared = dataclasses.replace(
            config,
            name="",
            seed=0,
            generator=dataclasses.replace(config.generator, **initial),
            discriminator=dataclasses.replace(config.discriminator, **initial),
            loop=config_lib.LoopConfig(),
        )
        programs = self.programs.pop(shared, {})
        self.programs[shared] = programs  # at the end, as the one that was used last
        while len(self.programs) > _RUNS_KEPT:
            del self.programs[next(iter(self.programs))]
        if name not in programs:
            programs[name] = make(config)
        return cast(T, programs[name])

    def make_step(
        self,
        config: Config,
        dataset: Dataset,
        layout: parallel.Layout,
        choice: formulation.Choice = formulation.AS_WRITTEN,
        *,
        n_steps: int = 1,
    ) -> Callable[..., Any]:
        """The compiled step: a state carries its seed, so that runs can share one."""
        return self.once(
            f"{n_steps} steps, {choice.form}, {choice.options}",  # whatever the reason for the choice
            config,
            lambda run_config: step_lib.make_step(run_config, dataset, layout, choice, n_steps=n_steps),
        )


def make_sampler(config: Config, judge: Judge) -> drawing.Sampler:
    """Returns the sampler of a run."""
    dataset = judge.dataset

    def make(run_config: Config) -> drawing.Sampler:
        return sampling.make_sampler(run_config, dataset.spec)

    return judge.once("sampler", config, make)


def make_validate(config: Config, judge: Judge) -> Callable[[PyTree], dict[str, float]]:
    """Returns the judge of averaged weights on validation briefs."""
    dataset, sampler, read = judge.dataset, make_sampler(config, judge), judge.inspector.read

    def make(run_config: Config) -> Callable[[PyTree], dict[str, float]]:
        real_draws = make_real_draws(dataset)
        return validation.make_validate(run_config, dataset, sampler, read, real_draws=real_draws)

    return judge.once("validate", config, make)


def make_norms(config: Config, judge: Judge) -> Callable[[state_lib.TrainState], dict[str, dict[str, float]]]:
    """Returns a function that measures the gradient in each block of a state's networks; nothing if it cannot."""
    if judge.dataset.sample is None or config.objective.d_steps != 1:
        return lambda state: {}

    def make(run_config: Config) -> Callable[[state_lib.TrainState], gradients.NetworkGradients]:
        return gradients.make_gradients(run_config, judge.dataset, judge.make_step)

    compute = judge.once("gradients", config, make)

    def norms(state: state_lib.TrainState) -> dict[str, dict[str, float]]:
        generator, discriminator = compute(state)
        return {
            "generator": degradation.block_norms(generator),
            "discriminator": degradation.block_norms(discriminator),
        }

    return norms


def chosen_axes(config: ErrorComparisonConfig, dataset: Dataset) -> tuple[int, ...]:
    """Returns the indices of the axes that are compared.

    Raises:
        DataError: The data have none, or not one that the config names.
    """
    known = dataset.space.axes
    if not known:
        raise errors.DataError(
            "The images have no axes, so there is no error to compare. Give columns axis_<name> in metadata.csv, or "
            "--config.data.axes=measured."
        )
    wanted = config.comparison.axes
    names = known if wanted == "all" else tuple(name.strip() for name in wanted.split(","))
    for name in names:
        if name not in known:
            raise errors.DataError(
                f"--config.comparison.axes: the data have no axis {name!r}; {errors.nearest(name, known)}."
            )
    return tuple(known.index(name) for name in names)


def draw_briefs(config: ErrorComparisonConfig, dataset: Dataset, axes: Sequence[int]) -> Brief:
    """Draws the test briefs, one design each; those that leave a compared axis open are left out.

    Raises:
        DataError: Fewer than two state all of them.
    """
    n = config.evaluation.n_designs
    brief = drawing.briefs(dataset, jax.random.key(config.evaluation.seed), Purpose.COMPARED_DESIGNS, n)
    stated = _stated(brief, dataset, axes)
    if stated.sum() < 2:
        names = ", ".join(dataset.space.axes[a] for a in axes)
        raise errors.DataError(
            f"Of {n} test briefs {stated.sum()} state all of {names}; fill in more of these columns, or name fewer in "
            "--config.comparison.axes."
        )
    if not stated.all():
        logging.warning("%d of %d test briefs leave a compared axis open and are left out.", (~stated).sum(), n)
    complete: Brief = drawing.rows(brief, np.flatnonzero(stated))
    return complete


def inspector_error(judge: Judge) -> npt.NDArray[np.float64] | None:
    """The inspector's own error `[M, A]` on held-out real images that state every compared axis."""
    images, brief = drawing.held_out(judge.dataset, "test", _N_INSPECTOR)
    stated = _stated(brief, judge.dataset, judge.axes)
    if stated.sum() < 2:
        return None
    return judge.read(images[stated]) - np.asarray(brief.axes, np.float64)[stated][:, list(judge.axes)]


def _stated(brief: Brief, dataset: Dataset, axes: Sequence[int]) -> npt.NDArray[np.bool_]:
    """Which briefs `[N]` state all of the axes."""
    first = 1 + len(dataset.space.elements)
    given = np.asarray(brief.given)[:, [first + a for a in axes]]
    return np.logical_and.reduce(given > 0, axis=1)
