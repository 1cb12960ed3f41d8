"""The process that measures one side: `python -P worker.py TOOL SIDE TABLE`, with orders and answers as lines of JSON.

TOOL is the tree of this file, SIDE the tree to be measured, TABLE the file of workloads. The measuring code comes from
TOOL on both sides, so that a side cannot change how it is measured: these modules are imported first, then the package
is removed from `sys.modules`, and everything that the workloads import under its name comes from SIDE.

Answers go to the original standard output; all printed output goes to standard error.
"""

import ctypes
import importlib
import importlib.metadata
import json
import os
import platform
import signal
import sys
import time
import traceback
from pathlib import Path
from typing import Any

if __name__ == "__main__":
    if sys.platform == "linux":  # end with the parent process, even if it is killed
        ctypes.CDLL(None).prctl(1, signal.SIGKILL, 0, 0, 0)
    sys.path.insert(0, sys.argv[1])

import jax
import numpy as np

from ich_jax.perf import lowering
from ich_jax.perf.check import program_facts, reach, running

WARM_UP = 2
PACKAGES = ("jax", "jaxlib", "numpy", "scipy", "flax", "optax", "ml_collections", "grain", "pillow")


class Absent(Exception):
    """This side lacks the workload."""


class Server:
    """Answers orders; the answer of each is ready for JSON."""

    def __init__(self, side: Path, table: Path) -> None:
        """Args: root of the tree, file of workloads."""
        self._side = side
        self._recorder = reach.Recorder(side)
        self._frames = reach.Frames(side)
        self._programs: dict[str, Any] = {}
        self._running: dict[str, Any] = {}
        with self._recorder.recording():
            self._table = _execute(table)
            self._package = importlib.import_module(self._table["PACKAGE"])
        location = Path(str(self._package.__file__)).resolve()
        if not location.is_relative_to(side.resolve()):
            raise ImportError(f"{self._table['PACKAGE']} was imported from {location}, not from the tree of this side")

    def receipt(self) -> dict[str, Any]:
        """Describes the machine and the versions with which this process measures."""
        device = jax.devices()[0]
        config: Any = jax.config
        return {
            "python": platform.python_version(),
            "system": f"{platform.system()} {platform.machine()}",
            "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
            "device": f"{device.platform} {device.device_kind}",
            "devices": jax.device_count(),
            "x64": bool(config.jax_enable_x64),
            "xla_flags": os.environ.get("XLA_FLAGS", ""),
            **{name: version for name in PACKAGES if (version := _version(name))},
        }

    def workloads(self) -> dict[str, Any]:
        """Lists the workloads, each with whether it runs by default, and the folders whose lines count."""
        return {
            "workloads": {name: bool(row.default) for name, row in self._table["WORKLOADS"].items()},
            "sources": list(self._table["SOURCES"]),
        }

    def lower(self, name: str, platforms: list[str], changed: dict[str, list[int]]) -> dict[str, Any]:
        """Traces and lowers a workload; returns its facts, the lines that it passes through, and equations by line."""
        with self._recorder.recording() as called:
            program = self._program(name)
            with program.context():
                traced = self._traced(program)
        with program.context():
            texts = {each: lowering.lower(traced, each) for each in platforms}
        return {
            "facts": program_facts.of_jaxpr(traced.jaxpr),
            "platforms": {each: program_facts.of_lowered(text, each) for each, text in texts.items()},
            "by_line": program_facts.by_line(traced.jaxpr, self._frames, changed),
            "lines": reach.union(called, self._frames.lines(traced.jaxpr.jaxpr), self._recorder.imported),
            "host": getattr(program, "traced", None) is not None,  # its function has not been called yet
        }

    def compile(self, name: str) -> dict[str, Any]:
        """Compiles a workload and returns the facts of the compiled program."""
        started = time.perf_counter()
        program = self._program(name)
        with program.context():
            compiled = self._traced(program).lower().compile()
        return {
            "facts": program_facts.of_compiled(compiled),
            "compile_s": round(time.perf_counter() - started, 3),
        }

    def run(self, name: str, steps: int, answers: str) -> dict[str, Any]:
        """Counts events in warm steps, and writes their result to a file of arrays."""
        with self._program(name).context():
            with self._recorder.recording() as called:
                state = self._started(name)
                state.step()
            for _ in range(steps - 1):
                state.step()
            _write(Path(answers), state.answer())
            counts, causes = running.measure(state.step, steps)
        lines = reach.union(called, {}, self._recorder.imported)
        return {"counts": counts, "causes": causes[:5], "seconds": running.compile_seconds(), "lines": lines}

    def time(self, name: str, calls: int) -> dict[str, Any]:
        """Times each call of a block separately, since other work on the machine prolongs some of them."""
        with self._program(name).context():
            state = self._started(name)
            seconds = []
            for _ in range(calls):
                started = time.perf_counter()
                jax.block_until_ready((state.step(), state.arguments))
                seconds.append(time.perf_counter() - started)
        return {"seconds": seconds}

    def _program(self, name: str) -> Any:
        if name not in self._programs:
            try:
                self._programs[name] = self._table["WORKLOADS"][name].make()
            except (ImportError, AttributeError, TypeError, FileNotFoundError, KeyError) as error:
                raise Absent(f"{type(error).__name__}: {error}") from error
        return self._programs[name]

    def _traced(self, program: Any) -> Any:
        function = getattr(program, "traced", None) or program.function
        function = getattr(function, "jitted", function)
        if not hasattr(function, "trace"):
            function = jax.jit(function)
        shapes = program.shapes if program.shapes is not None else jax.eval_shape(program.start)
        return function.trace(*shapes)

    def _started(self, name: str) -> "_Running":
        if name not in self._running:
            self._running[name] = _Running(self._program(name))
            for _ in range(WARM_UP):
                jax.block_until_ready(self._running[name].step())
        state: _Running = self._running[name]
        return state


class _Running:
    """A running workload."""

    def __init__(self, program: Any) -> None:
        self._program = program
        self.arguments = tuple(program.start())
        self._result: Any = None

    def step(self) -> Any:
        self._result = self._program.function(*self.arguments)
        if self._program.advance is not None:
            self.arguments = tuple(self._program.advance(self.arguments, self._result))
        return self._result

    def answer(self) -> Any:
        return self._result


def serve(server: Server, orders: Any, answers: Any) -> None:
    """Answers orders until the input ends."""
    for line in orders:
        order = json.loads(line)
        try:
            reply = {"ok": True, **getattr(server, order.pop("do"))(**order)}
        except Absent as error:
            reply = {"ok": False, "absent": True, "error": str(error)}
        except Exception as error:  # errors of a workload are reported, and the next may succeed
            traceback.print_exc()
            reply = {"ok": False, "absent": False, "error": f"{type(error).__name__}: {error}"}
        print(json.dumps(reply), file=answers, flush=True)


def _execute(path: Path) -> dict[str, Any]:
    """Runs the file of workloads against this side."""
    names: dict[str, Any] = {"__name__": "perf_check_workloads", "__file__": str(path)}
    exec(compile(path.read_text(), str(path), "exec"), names)
    return names


def _write(path: Path, tree: Any) -> None:
    leaves = jax.tree_util.tree_flatten_with_path(jax.device_get(tree))[0]
    arrays = {jax.tree_util.keystr(where) or "result": np.asarray(_plain(leaf)) for where, leaf in leaves}
    np.savez(path, **arrays)  # type: ignore[arg-type]  # NumPy's stubs take names for flags


def _plain(leaf: Any) -> Any:
    if isinstance(leaf, jax.Array) and jax.numpy.issubdtype(leaf.dtype, jax.dtypes.prng_key):
        return jax.random.key_data(leaf)
    array = np.asarray(leaf)
    return array.astype(np.float32) if array.dtype.kind == "V" or array.dtype.name == "bfloat16" else array


def _version(package: str) -> str:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return ""


def main() -> None:
    """Serves orders from standard input."""
    tool, side, table = sys.argv[1:4]
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    sys.path[:] = [path for path in sys.path if path != tool]
    for name in [name for name in sys.modules if name == "ich_jax" or name.startswith("ich_jax.")]:
        del sys.modules[name]
    sys.path.insert(0, side)
    try:
        running.listen()
        server = Server(Path(side), Path(table))
    except Exception as error:  # a failing import is reported as the answer
        traceback.print_exc()
        print(
            json.dumps({"ok": False, "absent": False, "error": f"{type(error).__name__}: {error}"}),
            file=answers,
            flush=True,
        )
        sys.exit(1)
    print(json.dumps({"ok": True, "ready": True}), file=answers, flush=True)
    serve(server, sys.stdin, answers)


if __name__ == "__main__":
    main()
