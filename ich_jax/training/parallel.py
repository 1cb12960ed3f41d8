"""Distribution of one training step over devices.

The step is written once, for the rows of the batch that one instance of it works on; a `Layout` says which rows those
are. Under `jit` there is one program for the whole batch, whose rows XLA divides among the devices of a mesh
(`local_rows` only states the division, and means need no collective). Under `pmap` every device runs the step on its
own rows, and means over the batch are collectives. Both draw the same random numbers for the same rows, so they compute
the same update up to the order of summation, and both keep the same state: replicated, of the same shapes for any
number of devices, so that a checkpoint of one layout can be resumed in any other.

References:
    JAX documentation, "Distributed arrays and automatic parallelization" and "pmap migration".
"""

import dataclasses
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import jax
import numpy as np
from jax.experimental import multihost_utils
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from ich_jax import errors
from ich_jax.config import Config
from ich_jax.training import penalties
from ich_jax.types import Array, Batch, PyTree

AXIS = "data"
"""Name of the mesh axis along which the rows of a batch are divided."""

CPU_OPTIONS: dict[str, Any] = {"xla_backend_optimization_level": 1}
"""Compiler options of the step on CPU. Convolutions are library calls, and the rest, which LLVM compiles, runs as fast
at level 1 (233 ms a step of `quick` at either level) and compiles in four fifths of the time. A level that `XLA_FLAGS`
states takes precedence."""


@dataclasses.dataclass(frozen=True)
class Layout:
    """Devices of a run and how its step uses them.

    Attributes:
        mesh: One axis, `AXIS`, over the devices.
        mode: `jit` or `pmap`.
        shard_optimiser: Divide the optimisers' moments among the devices (`jit` only).
    """

    mesh: Mesh
    mode: str = "jit"
    shard_optimiser: bool = False

    @property
    def n_devices(self) -> int:
        """Number of devices, over all hosts."""
        return self.mesh.size

    @property
    def loops(self) -> bool:
        """Whether several steps in one call are a loop on the device; on CPU convolutions in loops are slow."""
        return self.mesh.devices.flat[0].platform != "cpu"

    # ---------------- inside the step

    def share(self, rows: int) -> int:
        """Returns how many of the batch's rows an instance of the step works on."""
        return rows // self.n_devices if self.mode == "pmap" else rows

    def local_rows(self, tree: PyTree) -> PyTree:
        """Returns the rows that the instance works on, of arrays with a row for each image of the batch."""
        if self.n_devices == 1:
            return tree
        if self.mode == "pmap":

            def rows_of_device(x: jax.Array) -> jax.Array:
                n = self.share(x.shape[0])
                return jax.lax.dynamic_slice_in_dim(x, jax.lax.axis_index(AXIS) * n, n)

            return jax.tree.map(rows_of_device, tree)
        return jax.lax.with_sharding_constraint(tree, self._by(AXIS))

    def all_rows(self, x: jax.Array) -> jax.Array:
        """Returns the rows of all instances, given those of each."""
        return jax.lax.all_gather(x, AXIS, tiled=True) if self._must_exchange else x

    def mean(self, tree: PyTree) -> PyTree:
        """Returns the mean over the whole batch, given the instance's mean over its rows."""
        return jax.lax.pmean(tree, AXIS) if self._must_exchange else tree

    # ---------------- around the step

    def compile(
        self, step: Callable[..., Any], *, from_host: bool, options: Mapping[str, Any] | None = None
    ) -> Callable[..., Any]:
        """Compiles `step(state, source, window) -> (state, window)`; state and window are donated.

        Args:
            step: Pure, written in terms of `local_rows`, `all_rows` and `mean`.
            from_host: The source is a batch from `put_batch`, not arrays from `put`.
            options: Compiler options, under `jit`.
        """
        if self.mode == "pmap":
            mapped = jax.pmap(
                lambda state, source, window, rank: step(state, source, window),
                axis_name=AXIS,
                in_axes=(None, 1 if from_host else None, None, 0),
                out_axes=(None, None),
                devices=list(self.mesh.devices.flat),
                donate_argnums=(0, 2),
            )
            # Something has to be mapped, and everything else may be the same on all devices.
            rank = jax.device_put(np.arange(self.n_devices), self._by(AXIS))
            return lambda state, source, window: mapped(state, source, window, rank)

        def placed(state: PyTree, source: PyTree, window: PyTree) -> tuple[PyTree, PyTree]:
            state, window = step(state, source, window)
            if self.n_devices > 1:  # else the compiler may divide its results, and the next call compile again
                state = jax.lax.with_sharding_constraint(state, self.state_sharding(state))
                window = jax.lax.with_sharding_constraint(window, self._by())
            return state, window

        return jax.jit(placed, donate_argnums=(0, 2), compiler_options=self.compiler_options(options))

    def compiler_options(self, options: Mapping[str, Any] | None) -> dict[str, Any] | None:
        """Returns the given compiler options and those of the devices."""
        stated = [word.partition("=")[0].lstrip("-") for word in os.environ.get("XLA_FLAGS", "").split()]
        own = {} if self.loops else {name: value for name, value in CPU_OPTIONS.items() if name not in stated}
        return dict(options or {}) | own or None

    def state_sharding(self, state: PyTree) -> PyTree:
        """Returns where each array of a training state lives: a tree of its structure."""
        sharding = jax.tree.map(lambda x: self._by(), state)
        if not self.shard_optimiser:
            return sharding
        moments = {name: jax.tree.map(self._divided, getattr(state, name)) for name in ("g_opt", "d_opt", "e_opt")}
        return sharding.replace(**moments)

    def put_state(self, state: PyTree) -> PyTree:
        """Moves a training state, the same on every host, to the devices."""
        return jax.tree.map(_put, state, self.state_sharding(state))

    def put(self, tree: PyTree) -> PyTree:
        """Copies arrays, the same on every host, to every device."""
        return jax.tree.map(lambda x: _put(x, self._by()), tree)

    def put_batch(self, batch: Batch, d_steps: int) -> Batch:
        """Moves a host's part of a batch to its devices.

        Args:
            batch: `[d_steps * B / hosts, ...]` each, as `host_rows` chooses them.
            d_steps: Discriminator steps that share the batch, over all training steps of a call.

        Returns:
            `[d_steps, B, ...]` each under `jit`, `[d_steps, devices, B / devices, ...]` under `pmap`.
        """

        def place(x: Array) -> jax.Array:
            x = np.asarray(x)
            # Counts are stated: with an axis of length 0 (no elements, no axes) numpy cannot infer them.
            rows = len(x) // d_steps
            x = x.reshape(d_steps, rows, *x.shape[1:])
            if self.mode == "pmap":
                x = x.reshape(d_steps, self.n_devices, rows // self.n_devices, *x.shape[2:])
            return jax.make_array_from_process_local_data(self._by(None, AXIS), x)

        return jax.tree.map(place, batch)

    def host_rows(self, batch: int, d_steps: int) -> np.ndarray:
        """Returns which rows of `d_steps` batches this host has to load, in the order that `put_batch` expects."""
        rows = np.arange(d_steps * batch).reshape(d_steps, jax.process_count(), -1)
        return rows[:, jax.process_index()].reshape(-1)

    def local_copy(self, tree: PyTree) -> PyTree:
        """Returns replicated arrays as this process's first device holds them, for work that it does by itself."""
        if self.n_devices == 1:
            return tree
        return jax.tree.map(lambda x: x.addressable_data(0), tree)

    # ---------------- inner workings

    @property
    def _must_exchange(self) -> bool:
        return self.mode == "pmap" and self.n_devices > 1

    def _by(self, *axes: str | None) -> NamedSharding:
        return NamedSharding(self.mesh, PartitionSpec(*axes))

    def _divided(self, x: jax.Array) -> NamedSharding:
        """Divides an array along its first axis that the devices divide; leaves it whole if there is none."""
        for i, n in enumerate(x.shape):
            if n % self.n_devices == 0:
                return self._by(*(None,) * i, AXIS)
        return self._by()


def make_layout(config: Config) -> Layout:
    """Chooses the devices of a run, and checks that they can share its batch.

    Raises:
        ConfigError: There are fewer devices, they do not divide the batch, or the mode does not support the config.
    """
    compute, batch = config.compute, config.train.batch
    devices = jax.devices()
    n = compute.devices or len(devices)
    if n > len(devices):
        raise errors.ConfigError(
            f"--config.compute.devices is {n}, but JAX sees {len(devices)} ({devices[0].platform}). Allowed: 1 to "
            f"{len(devices)}, or 0 for all."
        )
    if jax.process_count() > 1 and n != len(devices):
        raise errors.ConfigError(
            f"--config.compute.devices is {n}, but a run over {jax.process_count()} processes uses all of their "
            f"{len(devices)} devices; leave it at 0."
        )
    if batch % n:
        fitting = [k for k in range(1, n + 1) if batch % k == 0]
        raise errors.ConfigError(
            f"--config.train.batch is {batch}, which {n} devices cannot share equally. Take a multiple of {n}, or "
            f"--config.compute.devices={fitting[-1]}."
        )
    if compute.parallel == "pmap":
        _check_pmap(config, n)
    return Layout(Mesh(np.asarray(devices[:n]), (AXIS,)), compute.parallel, compute.shard_optimiser)


def single(device: jax.Device | None = None) -> Layout:
    """Returns the layout of one device, the first one by default."""
    return Layout(Mesh(np.asarray([device or jax.local_devices()[0]]), (AXIS,)))


# ---------------------------------------------------------------- many processes


def start_processes(coordinator: str = "", n: int = 0, index: int = -1) -> None:
    """Joins the processes of a run over several hosts; to be called before anything else of JAX.

    Args:
        coordinator: `HOST:PORT` of the first process; empty where JAX finds out by itself (Slurm, Cloud TPU, Open MPI).
        n: Number of processes; 0 with an empty coordinator.
        index: Index of this process, from 0; -1 with an empty coordinator.

    Raises:
        ConfigError: The arguments do not fit each other, or the environment does not supply those that are left out.
    """
    if coordinator and not 0 <= index < n:
        raise errors.ConfigError(
            f"--coordinator={coordinator} needs --num_processes of at least 1 and --process_id from 0 to one less; got "
            f"{n} and {index}."
        )
    try:
        if coordinator:
            jax.distributed.initialize(coordinator, n, index)
        else:
            jax.distributed.initialize()
    except (ValueError, RuntimeError) as error:
        raise errors.ConfigError(
            f"The processes of this run could not be joined: {error}. Under Slurm, Open MPI or on Cloud TPU "
            "--distributed is enough; elsewhere give --coordinator=HOST:PORT, --num_processes and --process_id to each."
        ) from error


def process_folder(folder: str | Path) -> Path:
    """Returns where this process keeps its notes: the first one in the work directory, others in subfolders.

    Checkpoints are written together, into the work directory.
    """
    index = jax.process_index()
    return Path(folder) / f"process_{index}" if index else Path(folder)


def wait_for_all(what: str) -> None:
    """Returns when every process of the run has got here."""
    if jax.process_count() > 1:
        multihost_utils.sync_global_devices(what)


def _check_pmap(config: Config, n: int) -> None:
    objective = config.objective
    if config.compute.shard_optimiser:
        raise errors.ConfigError("--config.compute.shard_optimiser needs --config.compute.parallel=jit.")
    if jax.process_count() > 1:
        raise errors.ConfigError(
            f"--config.compute.parallel=pmap works within one process, and this run has {jax.process_count()}; use "
            "--config.compute.parallel=jit, which computes the same."
        )
    penalised = penalties.n_penalised(config.train.batch, objective.penalty_share)
    if objective.penalty != "none" and penalised % n:
        raise errors.ConfigError(
            f"The penalty is taken on {penalised} of {config.train.batch} images (--config.objective.penalty_share="
            f"{objective.penalty_share}), which {n} devices cannot share equally under --config.compute.parallel=pmap. "
            f"Let them be a multiple of {n}, or use --config.compute.parallel=jit."
        )


def _put(x: Array, sharding: NamedSharding) -> jax.Array:
    if sharding.is_fully_addressable:
        return jax.device_put(x, sharding)
    x = np.asarray(x)  # every host holds the whole array and gives its devices their parts
    return jax.make_array_from_callback(x.shape, sharding, lambda index: x[index])
