"""What `scripts/perf_check.py` measures: one row of `WORKLOADS` each, a few lines to add one.

Workers execute this file against the tree of their side, an older one too. So it imports nothing but the package under
test and what that depends on, inside of functions, and asks an older tree in its own way where names have moved. A
function that fails because a name is not there says that this side has no such workload, which is then reported as new.

A program has a function, `start` (its first arguments), `advance` (from arguments and result to the next arguments) and
shapes of the arguments, if making those needs no computation. `context` holds around everything.
A function that works on the host names the program inside of it, `traced`, with `shapes` of its arguments.
"""

import contextlib
import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

PACKAGE = "ich_jax"
SOURCES = ("ich_jax", "configs")
"""Folders whose lines a workload has to pass through; tests, scripts and documents are not part of any program."""


class Program(NamedTuple):
    """What a workload runs."""

    function: Callable[..., Any]
    start: Callable[[], tuple[Any, ...]]
    advance: Callable[[tuple[Any, ...], Any], tuple[Any, ...]] | None = None
    shapes: tuple[Any, ...] | None = None
    context: Callable[[], contextlib.AbstractContextManager[Any]] = contextlib.nullcontext
    traced: Callable[..., Any] | None = None


class Workload(NamedTuple):
    """A row."""

    make: Callable[[], Program]
    default: bool = False


def training_step(config: str = "quick", *, merged: bool = True, **changes: Any) -> Program:
    """The compiled training step of a config; fields that change have `__` for the dot."""
    import jax

    from ich_jax import config as config_lib
    from ich_jax.models.convolutions import DIRECT
    from ich_jax.training import formulation
    from ich_jax.training import state as state_lib
    from ich_jax.training import step as step_lib

    path = Path(config_lib.__file__).parents[2 if Path(config_lib.__file__).name == "__init__.py" else 1]
    run = config_lib.load(
        str(path / "configs" / f"{config}.py"), {name.replace("__", "."): value for name, value in changes.items()}
    )
    data = _attribute("ich_jax.data.make", "make")(run.data, seed=run.seed)
    try:
        new_window = _attribute("ich_jax.training.window", "new_window")
    except ImportError:
        new_window = _attribute("ich_jax.training.step", "new_window")
    options = formulation.good_options() if merged else ()
    choice = formulation.Choice(formulation.MERGED if merged else DIRECT, options, "perf_check")
    # Before images had a specification their space, size and channels were three arguments.
    spec = (data.spec,) if hasattr(data, "spec") else (data.space, data.size, data.channels)
    return Program(
        function=step_lib.make_step(run, data, choice=choice),
        start=lambda: (state_lib.create_state(run, *spec), data.arrays, new_window()),
        advance=lambda arguments, result: (result[0], arguments[1], result[1]),
        shapes=(state_lib.abstract_state(run, *spec), data.arrays, jax.eval_shape(new_window)),
    )


def drawing(n: int = 32) -> Program:
    """A batch of designs from the generator of `quick`."""
    import jax
    import jax.numpy as jnp

    from ich_jax import config as config_lib
    from ich_jax.data import procedural
    from ich_jax.models import networks
    from ich_jax.models.convolutions import DIRECT

    run = config_lib.Config()
    data = procedural.make(run.data)
    spec = (data.spec,) if hasattr(data, "spec") else (data.space, data.size, data.channels)
    try:
        make_sampler = _attribute("ich_jax.training.sampling", "make_sampler")
    except ImportError:
        make_sampler = _attribute("ich_jax.training.step", "make_sampler")
    module = networks.create_generator(run, *spec)

    def start() -> tuple[Any, ...]:
        brief = procedural.sample_brief(jax.random.key(1), n)
        one = jax.tree.map(lambda x: x[:1], brief)
        z = jnp.zeros((1, run.generator.z_dim), jnp.float32)
        return jax.jit(module.init)(jax.random.key(0), z, one)["params"], jax.random.key(2), brief

    return Program(make_sampler(run, *spec, DIRECT), start)


def renderer(n: int = 32, size: int = 32) -> Program:
    """A batch of images of the procedural set."""
    import jax

    from ich_jax.data import procedural

    brief = functools.partial(procedural.sample_brief, n=n)
    nuisance = functools.partial(procedural.sample_nuisance, n=n)
    function = jax.jit(functools.partial(procedural.render, size=size))
    return Program(function, lambda: (brief(jax.random.key(0)), nuisance(jax.random.key(1))))


def inspector(n: int = 64, size: int = 32) -> Program:
    """Reading a batch of images."""
    import jax
    import jax.numpy as jnp

    from ich_jax import config as config_lib
    from ich_jax.data.procedural import shapes
    from ich_jax.models import inspector as inspector_lib

    module = inspector_lib.create(config_lib.InspectorConfig(), shapes.SPACE)
    images = jnp.zeros((n, size, size, 3), jnp.float32)

    def start() -> tuple[Any, ...]:
        return jax.jit(module.init)(jax.random.key(0), images[:1]), jax.random.uniform(jax.random.key(1), images.shape)

    return Program(jax.jit(module.apply), start)


def interference(kind: str, n: int = 32, size: int = 32) -> Program:
    """A corruption of a batch of images."""
    import jax

    try:
        corrupt = _attribute("ich_jax.interference.corruptions.api", "corrupt")
    except ImportError:
        corrupt = _attribute("ich_jax.interference.corruptions", "corrupt")
    function = jax.jit(functools.partial(corrupt, kind=kind, severity=3))
    return Program(
        lambda images, key: function(images, keys=key),
        lambda: (jax.random.uniform(jax.random.key(0), (n, size, size, 3)), jax.random.key(1)),
    )


def placebo_studies(panels: int = 64, donors: int = 20, periods: int = 20) -> Program:
    """Synthetic-control weights of many panels at once: one batch of the econometrics."""
    import jax
    import numpy as np

    from ich_jax.uncertainty import float64

    try:
        fit = _attribute("ich_jax.econometrics.synthetic.control", "fit_weights")
    except ImportError:
        fit = _attribute("ich_jax.econometrics.synthetic_control", "fit_weights")
    rng = np.random.default_rng(0)
    y = rng.normal(size=(panels, 1 + donors, periods)).cumsum(axis=2)
    pre = (np.arange(periods) < periods // 2).astype(np.float64)
    function = jax.jit(lambda series, pool, allowed, pre: jax.vmap(fit, (0, 0, None, None))(series, pool, allowed, pre))
    return Program(function, lambda: (y[:, 0], y[:, 1:], np.ones(donors), pre), context=float64.enabled)


def element_scores(respondents: int = 64, rows: int = 60, columns: int = 20) -> Program:
    """Category scores of many respondents at once: a batch of the Kansei study."""
    import jax
    import numpy as np

    from ich_jax.kansei.quantification import theory
    from ich_jax.uncertainty import float64

    rng = np.random.default_rng(0)
    x = (rng.random((rows, columns)) < 0.3).astype(np.float64)
    y = rng.normal(size=(respondents, rows))
    function = jax.jit(jax.vmap(theory.fit, in_axes=(None, 0, None)))
    return Program(function, lambda: (x, y, np.float64(0.1)), context=float64.enabled)


def candidates(n: int = 128, size: int = 32) -> Program:
    """Designs of one brief, many at once, as the design process draws its candidates."""
    import jax
    import jax.numpy as jnp

    program = drawing(n)

    def start() -> tuple[Any, ...]:
        params, key, brief = program.start()
        return params, key, jax.tree.map(lambda x: jnp.repeat(x[:1], n, axis=0), brief)

    return program._replace(start=start)


def _attribute(module: str, name: str) -> Any:
    import importlib

    try:
        return getattr(importlib.import_module(module), name)
    except AttributeError as error:
        raise ImportError(f"{module} has no {name}") from error


WORKLOADS = {
    "step_quick": Workload(training_step, default=True),
    "drawing": Workload(drawing, default=True),
    "placebo_studies": Workload(placebo_studies, default=True),
    "step_quick_direct": Workload(functools.partial(training_step, merged=False)),
    "step_quick_bfloat16": Workload(functools.partial(training_step, compute__dtype="bfloat16")),
    "step_exact_penalty": Workload(
        functools.partial(
            training_step,
            compute__penalty_rule="exact",
            objective__penalty_share=1.0,
            objective__reading_d=0.0,
            discriminator__activation="leaky_relu",
        )
    ),
    "step_wgan_gp": Workload(
        functools.partial(
            training_step,
            objective__loss="wasserstein",
            objective__penalty="wgan_gp",
            objective__update="alternate",
            objective__d_steps=2,
        )
    ),
    "step_r1": Workload(functools.partial(training_step, objective__penalty="r1", objective__reconstruction=0.0)),
    "step_hinge": Workload(functools.partial(training_step, objective__loss="hinge", objective__penalty="none")),
    "step_procedural_32": Workload(functools.partial(training_step, "procedural_32")),
    "step_procedural_64": Workload(functools.partial(training_step, "procedural_64")),
    "step_r3gan_32": Workload(functools.partial(training_step, "r3gan_32")),
    "step_paper": Workload(functools.partial(training_step, "paper")),
    "renderer": Workload(renderer),
    "inspector": Workload(inspector),
    "motion_blur": Workload(functools.partial(interference, "motion_blur")),
    "fog": Workload(functools.partial(interference, "fog")),
    "jpeg": Workload(functools.partial(interference, "jpeg_compression")),
    "candidates": Workload(candidates),
    "element_scores": Workload(element_scores),
}
