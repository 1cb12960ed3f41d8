"""Several devices and several processes, at small size: effects that a run on one device cannot show.

The step on all of them gives the result of one device; the optimisers' moments are divided; a `shard_map` in which
every device updates its own part of the parameters gives the update of one device; two processes joined by
`jax.distributed` agree.
"""

import os
import socket
import time
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from benchmarks import apart, programs
from benchmarks.programs import Program
from benchmarks.stages import sizes
from benchmarks.stages.job import Job
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from ich_jax import config as config_lib
from ich_jax import errors
from ich_jax.models.convolutions import DIRECT
from ich_jax.training import parallel
from ich_jax.training.formulation import Choice

TABLE = "Several devices"
_STEPS = 2
_AXIS = parallel.AXIS


def run(job: Job) -> None:
    """Exercises each way; those that need more devices than the machine has are left out."""
    n = len(jax.devices()) if job.devices < 1 else job.devices
    if n > len(jax.devices()):
        raise errors.ConfigError(f"--devices: got {n}, but JAX sees {len(jax.devices())}.")
    if n < 2:
        job.leave_out("steps and updates that devices share", "JAX sees one device")
    else:
        _shared_step(job, n)
        _divided_update(job, n)
    if job.left_s() <= 0:
        job.out_of_time("two processes")
    else:
        _two_processes(job)


def _shared_step(job: Job, n: int) -> None:
    config = sizes.TINY.step.load()
    config = config_lib.resolve(
        programs.changed(config, {"train.batch": 2 * n, "train.images": 0, "compute.dtype": "float32"})
    )
    mesh = Mesh(np.asarray(jax.devices()[:n]), (_AXIS,))
    losses = []
    for layout in (parallel.single(), parallel.Layout(mesh, "jit", True)):
        program = _program(config, layout)
        program(_STEPS)
        losses.append(program.losses())
    state = program.arguments[0]
    divided = [leaf for leaf in jax.tree.leaves(state.g_opt) if leaf.size > leaf.addressable_shards[0].data.size]
    np.testing.assert_allclose(losses[1], losses[0], rtol=1e-4)
    if not divided:
        raise errors.MismatchError("No moment of the optimiser was divided among the devices.")
    began = time.monotonic()
    program(10)
    job.add(
        TABLE,
        what=f"step on {n} devices, moments divided",
        step_ms=100 * (time.monotonic() - began),
        equal=f"losses of one device, {losses[0][0]:.6f} and {losses[1][0]:.6f}",
        divided=f"{len(divided)} of {len(jax.tree.leaves(state.g_opt))} arrays",
    )


def _divided_update(job: Job, n: int) -> None:
    """Adam with parameters and moments divided: gradients are summed into parts, parts are updated and gathered."""
    mesh = Mesh(np.asarray(jax.devices()[:n]), (_AXIS,))
    optimiser = optax.adam(1e-2)
    rng = np.random.default_rng(0)
    w, x = (jnp.asarray(rng.standard_normal(shape), jnp.float32) for shape in ((4 * n, 3), (2 * n, 4 * n)))

    def loss(w: jax.Array, x: jax.Array) -> jax.Array:
        return jnp.mean(jnp.sum(jnp.tanh(x @ w) ** 2, axis=1))

    def update(w: jax.Array, moments: Any, gradient: jax.Array) -> tuple[jax.Array, Any]:
        with jax.numpy_dtype_promotion("standard"):  # optax raises a float to an int32 count
            change, moments = optimiser.update(gradient, moments, w)
        return optax.apply_updates(w, change), moments

    def part(part_of_w: jax.Array, moments: Any, x: jax.Array) -> tuple[jax.Array, Any]:
        w = jax.lax.all_gather(part_of_w, _AXIS, tiled=True)
        gradient = jax.grad(loss)(w, x) / n
        return update(part_of_w, moments, jax.lax.psum_scatter(gradient, _AXIS, tiled=True))

    by = PartitionSpec(_AXIS)
    place = jax.tree.map(lambda leaf: by if leaf.ndim else PartitionSpec(), optimiser.init(w))
    shared = jax.jit(jax.shard_map(part, mesh=mesh, in_specs=(by, place, by), out_specs=(by, place), check_vma=False))
    alone = jax.jit(lambda w, moments, x: update(w, moments, jax.grad(loss)(w, x)))
    ours, theirs = (jax.device_put(w, NamedSharding(mesh, by)), optimiser.init(w)), (w, optimiser.init(w))
    for _ in range(3):
        ours, theirs = shared(*ours, x), alone(*theirs, x)
    np.testing.assert_allclose(ours[0], theirs[0], rtol=1e-4, atol=1e-6)
    job.add(TABLE, what=f"Adam by shard_map on {n} devices", equal="parameters of one device after 3 updates")


def _two_processes(job: Job) -> None:
    """Trains over two processes; on a machine with one accelerator both compute on its processor."""
    kind = jax.default_backend()
    cards = kind == "gpu" and len(jax.local_devices()) > 1
    if kind != "cpu" and not cards:
        job.leave_out("two processes on the device", "one device; two processes on the processor were tried instead")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    commands = {
        f"process {i}": ["accelerator", f"--side=process{i}", f"--coordinator=127.0.0.1:{port}", "--size=tiny"]
        for i in range(2)
    }
    environment = {} if cards else {"JAX_PLATFORMS": "cpu"}
    with apart.workers_at_once(commands, environment) as (running, wait):
        lost = wait(max(1.0, job.left_s()))
        if lost:
            raise errors.IchJaxError("; ".join(lost.values()))
        lines = [worker.said[-1] for worker in running.values()]
    losses = [[float(word) for word in line.split()[1:]] for line in lines]
    np.testing.assert_allclose(losses[1], losses[0], rtol=1e-6)
    job.add(TABLE, what="two processes, jax.distributed", equal=f"losses {losses[0]}")


def serve_process(index: int, coordinator: str) -> None:
    """Runs one of two processes that train together, and prints its losses."""
    if os.environ.get("JAX_PLATFORMS") != "cpu":  # the backend must not start before this
        jax.config.update("jax_cuda_visible_devices", str(index))
    else:
        jax.config.update("jax_num_cpu_devices", 1)
    parallel.start_processes(coordinator, 2, index)
    config = config_lib.resolve(programs.changed(sizes.TINY.step.load(), {"compute.dtype": "float32"}))
    program = _program(config, parallel.make_layout(config))
    program(_STEPS)
    print("losses", *map(repr, program.losses()), flush=True)
    apart.serve(program)


def _program(config: Any, layout: parallel.Layout) -> Program:
    return programs.make_program(config, programs.random_dataset(config), Choice(DIRECT), layout)
