"""Our training step beside variants of it in PyTorch: the same losses first, then times in turns."""

import dataclasses
import functools
import importlib.util
from collections.abc import Callable, Sequence
from typing import Any

import jax
import numpy as np
from absl import flags
from benchmarks import apart, programs

from ich_jax import errors
from ich_jax.config import Config
from ich_jax.perf import timing
from ich_jax.perf.timing import Range
from ich_jax.training.formulation import Choice

FLAGS = flags.FLAGS
SAME = 1e-3  # of the losses of the first step, relative
_OURS = "ours"


@dataclasses.dataclass(frozen=True)
class Peer:
    """A variant in PyTorch beside ours.

    Attributes:
        name: Name of the variant.
        same_algebra: Whether it uses the algebra of our merged forms, or is written as people write it.
        memory: How its process and ours took memory, of `apart.MEMORY`.
        step_s: Seconds of a step.
        ours_s: Seconds of our step beside it.
        ours_over_it: Our time over its time, round by round: below 1 ours is faster.
    """

    name: str
    same_algebra: bool
    memory: str
    step_s: Range
    ours_s: Range
    ours_over_it: Range


def best_peer(peers: Sequence[Peer], *, same_algebra: bool, memory: str = "") -> Peer | None:
    """Returns the fastest variant of a kind, with memory taken in a given way or in its best way."""
    of_kind = [peer for peer in peers if peer.same_algebra == same_algebra and memory in ("", peer.memory)]
    return min(of_kind, key=lambda peer: peer.step_s.median, default=None)


def ratio(peers: Sequence[Peer], *, same_algebra: bool, memory: str = "") -> float | None:
    """Our time over the fastest variant's of a kind: memory taken in a given way, or in the best of each side."""
    best = best_peer(peers, same_algebra=same_algebra, memory=memory)
    if best is None:
        return None
    ours = min(peer.ours_s.median for peer in peers if memory in ("", peer.memory))
    same = ours == best.ours_s.median  # then round by round, which is worth more than a ratio of medians
    return best.ours_over_it.median if same else ours / best.step_s.median


def load_peer() -> Any:
    """Returns the module of the step in PyTorch.

    Raises:
        ConfigError: PyTorch is absent.
    """
    if importlib.util.find_spec("torch") is None:
        raise errors.ConfigError('--versus=torch: PyTorch is absent; pip install -e ".[bench]", or leave it out.')
    return importlib.import_module("peers.sngan_torch")


def allows(check_peer: Callable[[Config], None], config: Config) -> bool:
    """Whether the step in PyTorch can take this config; of several configs, those that it cannot take are run alone."""
    try:
        check_peer(config)
    except errors.ConfigError as error:
        print(f"{config.name} is run alone. {error}", flush=True)
        return False
    return True


def variants() -> list[Any]:
    """Returns the variants in PyTorch that the flags ask for."""
    how = [(False, 1), (False, 2)] + ([(True, 2)] if FLAGS.torch_compile else [])
    peer = load_peer()
    return [peer.Variant(algebra, compiled, passes) for algebra in peer.ALGEBRAS for compiled, passes in how]


def beside_torch(path: str, losses: tuple[float, float]) -> tuple[Peer, ...]:
    """Times our step and each variant, in processes that take turns, under each way to take memory.

    Args:
        path: File of the config.
        losses: Of our first step.

    Raises:
        IchJaxError: A process failed, for example since its losses differ; no time is reported.
    """
    known = {variant.name: variant for variant in variants()}
    common = [
        *("train", f"--config={path}", f"--output={FLAGS.output}", f"--form={FLAGS.form}"),
        *(f"--set={change}" for change in FLAGS.set),
        *(f"--losses={','.join(map(repr, losses))}", f"--torch_compile={FLAGS.torch_compile}"),
    ]
    commands = {name: [*common, f"--side={name}"] for name in (_OURS, *known)}
    ways = apart.MEMORY if jax.default_backend() == "cpu" else {"large pages": {}}
    peers = []
    for way, environment in ways.items():
        with apart.workers(commands, {**environment, "XLA_PYTHON_CLIENT_PREALLOCATE": "false"}) as running:
            for worker in running.values():
                worker.take(1)  # warm
            ways_s = timing.in_turns(
                [functools.partial(worker.take, FLAGS.steps) for worker in running.values()], rounds=FLAGS.rounds
            )
            seconds = dict(zip(running, ways_s.T / FLAGS.steps, strict=True))
        peers += [
            Peer(
                name=name,
                same_algebra=variant.algebra != "written",
                memory=way,
                step_s=timing.over_rounds(seconds[name]),
                ours_s=timing.over_rounds(seconds[_OURS]),
                ours_over_it=timing.over_rounds(seconds[_OURS] / seconds[name]),
            )
            for name, variant in known.items()
        ]
    return tuple(peers)


def serve(config: Config, choice: Choice) -> None:
    """Runs one side of a comparison: works on request of the process that started this one.

    Raises:
        MismatchError: Losses of this side are not the expected ones.
    """
    ours = programs.make_program(config, programs.random_dataset(config), choice)
    if FLAGS.side == _OURS:
        ours(1)
        apart.serve(ours)
        return
    known = {variant.name: variant for variant in variants()}
    losses = tuple(map(float, FLAGS.losses))
    start = programs.host_copy(ours.arguments[0])
    step = _torch_step(config, start, losses, known[errors.require(FLAGS.side, known, "--side")])
    apart.serve(functools.partial(_torch_steps, step))


def _torch_step(config: Config, start: Any, losses: tuple[float, ...], variant: Any) -> Any:
    """Returns a variant, compiled and warm, after its first step has given the losses that ours gave."""
    import torch

    peer = load_peer()
    device = "cuda" if jax.default_backend() == "gpu" else "cpu"
    if device == "cuda" and not torch.cuda.is_available():
        raise errors.ConfigError(
            "--versus=torch: JAX runs on a GPU that this build of PyTorch cannot use; install one for CUDA."
        )
    peer.set_up(programs.cores(), dtype=config.compute.dtype, tf32=config.compute.tf32)
    images, brief = programs.random_images(config)
    index, z = programs.first_draws(config, len(images))
    step = peer.Step(config, images, programs.features(brief), start.g_params, start.d_params, variant, device)
    real, known = step.batch(torch.tensor(index, device=device))
    theirs = [float(loss) for loss in step(real, known, torch.tensor(z, device=device))]
    exact = config.compute.dtype == "float32" and not config.compute.tf32
    close = SAME if exact else 20 * SAME  # bfloat16 has 8 bits, TF32 11
    if not np.allclose(theirs, losses, rtol=close, atol=close):
        raise errors.MismatchError(
            f"{config.name}: the first step of {variant.name} gives losses {theirs}, ours {list(losses)}; they do not "
            "compute the same, so no time is reported."
        )
    _torch_steps(step, 1)
    return step


def _torch_steps(step: Any, steps: int) -> None:
    for _ in range(steps):
        step()
    step.wait()
