"""The choice of how a run computes convolutions, and of the compiler options that go with it.

Compilers and CPUs differ greatly in this: a form that is fast with one release of XLA can be tens of times
slower with another. On a CPU `auto` therefore times a small network's gradients in each of a few ways, once for each
machine and release of JAX, and remembers the choice in the user's cache folder. A run writes its choice into its work
directory and keeps it, so that a resumed run rounds as it did before.
"""

import dataclasses
import functools
import hashlib
import os
import platform
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from absl import logging

from ich_jax import cache, errors, workdir
from ich_jax.config import Config
from ich_jax.models import convolutions
from ich_jax.models.convolutions import DIRECT, Formulation
from ich_jax.perf import timing

FILE = "compute.json"
"""In a work directory: the choice of the run."""

Options = tuple[tuple[str, Any], ...]
"""Names and values of compiler options, hashable."""

NO_YNN: Options = (("xla_cpu_experimental_ynn_fusion_type", ""),)
"""Convolutions by Eigen instead of YNN, the kernel gradients of which are up to ten times slower."""

NO_TRITON_GEMM: Options = (("xla_gpu_enable_triton_gemm", False),)
"""Matrix products by cuBLAS. With those of Triton XLA aborts the process (JAX 0.11.2, H200: a failed check in
triton_tiling_propagation) while it compiles the merged step of networks of four blocks a stage. With this option
networks of one block a stage were trained there; deeper ones have not been tried."""

MERGED = Formulation(merged=True, narrow=4)
"""Fewer multiplications, and none of the backend's slow convolutions to three channels."""

CANDIDATES: dict[str, tuple[Formulation, Options]] = {
    "merged": (MERGED, NO_YNN),
    "merged, taps of 2x2": (dataclasses.replace(MERGED, taps=4), NO_YNN),
    "merged, default options": (MERGED, ()),
}
_CACHE = "formulations"
_ROUNDS = 5
_PROBE_SHAPE = (32, 16, 16, 64)
_MARGIN = 0.9
"""A candidate is preferred if it takes less than this share of the time of the first. The first has no known cliff;
kernel gradients by YNN fall behind at sizes too large to time here (to half the speed at 32 images of 32 px)."""


@dataclasses.dataclass(frozen=True)
class Choice:
    """The way in which a run computes.

    Attributes:
        form: How convolutions are computed.
        options: Compiler options of the training step.
        reason: Why, for people.
    """

    form: Formulation = DIRECT
    options: Options = ()
    reason: str = "as written"

    def described(self) -> tuple[str, str]:
        """Returns the form, options included, and the reason, for a log line."""
        form = ", ".join(f"{name}={value}" for name, value in dataclasses.asdict(self.form).items())
        return f"with {form}" + "".join(f", {name}={value!r}" for name, value in self.options), self.reason


AS_WRITTEN = Choice()


def choose(config: Config, folder: Path | None = None) -> Choice:
    """Returns how a run computes: the choice stored in its work directory, else a new one, which is stored there.

    Args:
        config: The run; `config.compute.formulation` is `auto`, `direct` or `merged`.
        folder: Its work directory.
    """
    asked, device = config.compute.formulation, jax.devices()[0].platform
    file = folder / FILE if folder else None
    if file and asked == "auto" and file.exists():
        try:
            stored = workdir.read_object(file)
            if stored["platform"] == device:
                return _from_json(stored, "as the run began")
        except (errors.WorkdirError, KeyError, TypeError, AttributeError) as error:
            logging.warning(
                "%s is damaged (%s), so it is not known how the run computed; a resumed run may round differently.",
                file,
                error,
            )
    options = good_options()
    if asked == "direct":
        choice = Choice(DIRECT, options, "--config.compute.formulation")
    elif asked == "merged":
        choice = Choice(MERGED, options, "--config.compute.formulation")
    elif device != "cpu":
        choice = Choice(Formulation(merged=True), options, f"fewest multiplications; not measured on this {device}")
    elif jax.process_count() > 1:
        choice = Choice(MERGED, options, "not measured: every process has to take the same")
    else:
        choice = _measured()
    if file:
        workdir.write_json(file, {"platform": device} | _to_json(choice))
    return choice


def good_options() -> Options:
    """Returns the compiler options that suit convolutions of any form on the devices at hand."""
    return supported({"cpu": NO_YNN, "gpu": NO_TRITON_GEMM}.get(jax.devices()[0].platform, ()))


@functools.cache
def supported(options: Options) -> Options:
    """Returns those of the options that this release of XLA knows."""

    def known(option: tuple[str, Any]) -> bool:
        try:
            jax.jit(lambda: 0, compiler_options=dict([option])).lower().compile()
        except Exception as error:  # jaxlib has no class for it
            logging.debug("%s: %s", option, error)
            return False
        return True

    return tuple(option for option in options if known(option))


# ---------------------------------------------------------------- measuring


@functools.cache
def _measured() -> Choice:
    """The first of `CANDIDATES`, or one that is clearly faster here: from the user's cache or measured now."""
    name = _cache_name()
    file = cache.find(_CACHE, name)
    if file is not None:
        try:
            return _from_json(workdir.read_json(file), "measured on this machine before")
        except (errors.WorkdirError, KeyError, TypeError, AttributeError):
            logging.warning("%s is damaged; measuring again.", file)
    candidates = {name: (form, supported(options)) for name, (form, options) in CANDIDATES.items()}
    candidates = {
        name: candidate
        for i, (name, candidate) in enumerate(candidates.items())
        if candidate not in list(candidates.values())[:i]
    }
    took_ms = dict(zip(candidates, measure(list(candidates.values())), strict=True))
    first, best = next(iter(took_ms)), min(took_ms, key=lambda name: took_ms[name])
    if took_ms[best] > _MARGIN * took_ms[first]:
        best = first
    times = ", ".join(f"{name} {ms:.1f} ms" for name, ms in took_ms.items())
    logging.info("Ways to compute convolutions, measured once on this machine: %s.", times)
    choice = Choice(*candidates[best], f"measured: {times}")
    cache.store(_CACHE, name, (workdir.json_text(_to_json(choice), indent=2) + "\n").encode())
    return choice


def measure(candidates: list[tuple[Formulation, Options]]) -> list[float]:
    """Returns the least milliseconds that the gradients of a small network take in each way."""
    runs = [_probe(form, options) for form, options in candidates]
    seconds = timing.in_turns(runs, rounds=_ROUNDS)  # [rounds, ways]
    return [float(ms) for ms in 1e3 * np.min(seconds, axis=0)]


def _probe(form: Formulation, options: Options) -> Callable[[], Any]:
    """Compiles the gradients of one convolution of each kind, at common sizes that take a tenth of a second."""
    rng = np.random.default_rng(0)
    x = rng.standard_normal(_PROBE_SHAPE, np.float32)
    shapes = {"up": (3, 3, 64, 64), "same": (3, 3, 64, 64), "down": (3, 3, 64, 64), "few": (3, 3, 64, 3)}
    kernels = {name: np.float32(0.05) * rng.standard_normal(shape, np.float32) for name, shape in shapes.items()}

    def loss(x: jax.Array, kernels: dict[str, jax.Array]) -> jax.Array:
        h = jax.nn.relu(convolutions.upsample_conv3x3(x, kernels["up"], form))
        h = jax.nn.relu(convolutions.conv3x3(h, kernels["same"], form))
        few = convolutions.conv3x3(h, kernels["few"], form)
        return jnp.sum(convolutions.conv3x3_pool(h, kernels["down"], form) ** 2) + jnp.sum(few**2)

    gradient = jax.jit(jax.grad(loss, (0, 1)), compiler_options=dict(options) | {"xla_backend_optimization_level": 1})
    compiled = gradient.lower(x, kernels).compile()
    arguments = jax.device_put((x, kernels))
    return lambda: jax.block_until_ready(compiled(*arguments))


def _cache_name() -> str:
    """Name of the file that remembers the choice for this machine and release of JAX."""
    probe = str((CANDIDATES, _PROBE_SHAPE, _MARGIN))
    text = "|".join([platform.machine(), _processor(), str(os.cpu_count()), jax.__version__, probe])
    return f"{hashlib.sha256(text.encode()).hexdigest()[:16]}.json"


def _processor() -> str:
    """Model and instruction sets of the processor, as far as the system reports them."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    return "|".join(sorted({line for line in lines if line.startswith(("model name", "flags", "Features"))}))


# ---------------------------------------------------------------- on disk


def _to_json(choice: Choice) -> dict[str, Any]:
    return {
        "form": dataclasses.asdict(choice.form),
        "options": dict(choice.options),
        "reason": choice.reason,
        "jax": jax.__version__,
    }


def _from_json(stored: dict[str, Any], why: str) -> Choice:
    form = Formulation(**stored["form"])
    if any(type(value) is not type(getattr(DIRECT, name)) for name, value in dataclasses.asdict(form).items()):
        raise TypeError(f"{form} holds values of other types")
    return Choice(form, supported(tuple(stored["options"].items())), f"{why} ({stored['reason']})")
