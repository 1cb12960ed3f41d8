"""Training steps of benchmarks: their configs, images and forms, and the load beside them."""

import ast
import dataclasses
import os
from collections.abc import Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import ml_collections
import numpy as np
from absl import flags

from ich_jax import config as config_lib
from ich_jax import errors
from ich_jax.config import Config
from ich_jax.data import make as make_data
from ich_jax.data import pipeline
from ich_jax.data.dataset import Dataset
from ich_jax.data.procedural import shapes
from ich_jax.models import layers
from ich_jax.models.convolutions import DIRECT
from ich_jax.perf import timing
from ich_jax.perf.neighbours import Neighbours
from ich_jax.training import formulation, parallel
from ich_jax.training import state as state_lib
from ich_jax.training import step as step_lib
from ich_jax.training import window as window_lib
from ich_jax.training.formulation import MERGED, Choice
from ich_jax.training.state import TrainState
from ich_jax.types import AXIS_LIMIT, Brief, ImageSpec

FLAGS = flags.FLAGS
N_IMAGES = 1024
FORMS = {"direct": DIRECT, "merged": MERGED, "merged_taps": dataclasses.replace(MERGED, taps=4)}
"""Ways to compute convolutions, by name: as written; with less work; with kernel gradients as matrix products too."""


def define_flags(configs: Sequence[str], *, rounds: int = 7) -> None:
    """Declares the flags that benchmarks of training share."""
    flags.DEFINE_string("output", None, "Folder for benchmark.json and benchmark.md.", required=True)
    flags.DEFINE_list("config", list(configs), "Config files.")
    flags.DEFINE_multi_string("set", [], "Field of each config to change, such as --set=train.batch=16; repeatable.")
    flags.DEFINE_integer("rounds", rounds, f"Rounds in which all ways take turns, at least {timing.LEAST_ROUNDS}.")
    flags.DEFINE_integer("steps", 2, "Steps of each in a round, one after the other.")
    define_form("auto")


def define_form(default: str) -> None:
    """Declares the flag `form`, which `choice` reads."""
    flags.DEFINE_string("form", default, f"How convolutions are computed: auto (as runs do), {', '.join(FORMS)}.")


def check_flags() -> list[Config]:
    """Loads the configs that the flags name, each with its changes.

    Raises:
        ConfigError: Too few rounds, or a file, field or value that cannot be used.
    """
    errors.require_within(FLAGS.rounds, timing.LEAST_ROUNDS, 1000, "--rounds", whole=True)
    errors.require_within(FLAGS.steps, 1, 10_000, "--steps", whole=True)
    changes = dict(map(change, FLAGS.set))
    return [config_lib.load(path, changes) for path in FLAGS.config]


def choice() -> Choice:
    """Returns the way of computing convolutions that the flags ask for; `auto` may measure it now, as a run does.

    Raises:
        ConfigError: There is no such way.
    """
    if errors.require(FLAGS.form, ("auto", *FORMS), "--form") == "auto":
        return formulation.choose(Config())
    return of_form(FLAGS.form)


def of_form(name: str) -> Choice:
    """Returns a form of `FORMS` with the options that suit this device."""
    return Choice(FORMS[errors.require(name, FORMS, "--form")], formulation.good_options(), "--form")


def changed(config: Config, values: Mapping[str, Any]) -> ml_collections.ConfigDict:
    """Returns a config with some fields changed, given by names such as `train.batch`; `config.resolve` checks it."""
    editable = config_lib.editable(config)
    for dotted, value in values.items():
        section, name = dotted.split(".")
        editable[section][name] = value
    return editable


def spec(config: Config) -> ImageSpec:
    """Returns the design space of the procedural set with the shape of the config's images."""
    return ImageSpec(shapes.SPACE, config.data.size, config.data.channels)


def random_images(config: Config, n: int = N_IMAGES) -> tuple[np.ndarray, Brief]:
    """Makes up `[n, H, W, C]` uint8 images and briefs, held on the device: nothing waits for data."""
    rng = np.random.default_rng(0)
    space = shapes.SPACE
    stated: dict[str, Any] = {
        "product": rng.integers(0, len(space.products), n).astype(np.int32),
        "elements": (rng.random((n, len(space.elements))) * space.cardinalities).astype(np.int32),
        "axes": rng.uniform(-AXIS_LIMIT, AXIS_LIMIT, (n, len(space.axes))).astype(np.float32),
        "given": np.ones((n, space.n_given), np.float32),
    }
    size, channels = config.data.size, config.data.channels
    return rng.integers(0, 256, (n, size, size, channels)).astype(np.uint8), Brief(**stated)


def random_dataset(config: Config) -> Dataset:
    """Returns the set of `random_images`, sampled in the step."""
    images, brief = random_images(config)
    none = np.arange(0)
    records = pipeline.Records(
        space=shapes.SPACE,
        size=config.data.size,
        channels=config.data.channels,
        brief=brief,
        rows={"train": np.arange(len(images)), "validation": none, "test": none},
        load=lambda rows: images[rows],
        fingerprint="random",
    )
    return pipeline.make_dataset(records, device_limit_mib=1 << 20, workers=0)


def own_dataset(config: Config) -> Dataset:
    """Returns the images that the config names."""
    return make_data.make(config.data, seed=config.seed)


@dataclasses.dataclass(eq=False)
class Program:
    """A compiled training step and its present state.

    Attributes:
        config: The run.
        dataset: Its images.
        layout: Its devices.
        jitted: The step; `jitted.trace(*arguments)` and so on.
        arguments: State, source of images, window: the shapes for which it is compiled, and the arguments of the next
            step.
        compiled: The compiled step; as long as it is None the first call compiles.
    """

    config: Config
    dataset: Dataset
    layout: parallel.Layout
    jitted: Any
    arguments: list[Any]
    compiled: Any = None

    def __call__(self, steps: int = 1) -> None:
        """Takes steps as the training loop does and returns when the last one is done."""
        run = self.compiled or self.jitted
        for _ in range(steps):
            self.arguments[0], self.arguments[2] = run(*self.arguments)
        jax.block_until_ready(self.arguments)

    def losses(self) -> tuple[float, float]:
        """Returns both losses, averaged since the last call."""
        metrics = window_lib.read_window(self.arguments[2])
        self.arguments[2] = self.layout.put(window_lib.new_window())
        return metrics["d_loss"], metrics["g_loss"]


def make_program(config: Config, dataset: Dataset, choice: Choice, layout: parallel.Layout | None = None) -> Program:
    """Builds a training step with its first state; only the program that makes the state is compiled."""
    layout = layout or parallel.single()
    jitted = step_lib.make_step(config, dataset, layout, choice)
    state = layout.put_state(state_lib.create_state(config, dataset.spec))
    if dataset.host_batches is not None:
        batch = next(dataset.host_batches(config.seed, 0, step_lib.images_per_step(config)))
        source = layout.put_batch(batch, config.objective.d_steps)
    else:
        source = layout.put(dataset.arrays)
    return Program(config, dataset, layout, jitted, [state, source, layout.put(window_lib.new_window())])


def first_draws(config: Config, n_train: int) -> tuple[np.ndarray, np.ndarray]:
    """Returns which images `[B]` and which noise `[B, z_dim]` the first step of a run takes (simultaneous update)."""
    index = pipeline.batch_indices(pipeline.data_key(config.seed), 0, config.train.batch, n_train)
    z_key = jax.random.split(jax.random.fold_in(jax.random.key(config.seed), 0), 4)[0]
    z = jax.random.normal(z_key, (config.train.batch, config.generator.z_dim), jnp.float32)
    return np.asarray(index).astype(np.int64), np.asarray(z)


def features(brief: Brief) -> np.ndarray:
    """Returns briefs as the networks see them, `[N, F]`."""
    return np.asarray(layers.brief_features(jax.tree.map(jnp.asarray, brief), shapes.SPACE))


def host_copy(state: TrainState) -> TrainState:
    """Copies a state to the host, before a step writes over it."""
    return jax.tree.map(np.array, jax.device_get(state))


def cores() -> int:
    """Returns the number of processor cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def describe(neighbours: Neighbours) -> str:
    """Returns the other load of the machine in words."""
    others = "other load is unknown"
    if neighbours.other_cores is not None:
        others = f"everything else kept {neighbours.other_cores:.2f} of {neighbours.cores} cores busy"
    load = "" if neighbours.load is None else f", load {neighbours.load:.1f}"
    return f"Over {neighbours.seconds:.0f} s we kept {neighbours.own_cores:.2f} cores busy and {others}{load}."


def change(text: str) -> tuple[str, Any]:
    """Returns field and value of `--set=FIELD=VALUE`.

    Raises:
        ConfigError: It has no value.
    """
    name, equals, value = text.partition("=")
    if not equals:
        raise errors.ConfigError(f"--set={text}: expected a field and its value, such as --set=train.batch=16.")
    try:
        return name, ast.literal_eval(value)
    except (ValueError, SyntaxError):
        return name, value
