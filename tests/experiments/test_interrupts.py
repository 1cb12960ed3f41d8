"""Ctrl-C at named points of the experiments: one line, exit code 130, no traceback, and the same command resumes.

Each run is a process of its own that sends itself the signal at a stage that `liveness.stage` names, and would then
stay there for a minute: only a process that answers without its main thread ends in time.

A resumed run takes memory as experiments do, and the one that it is compared with as the system does, which must not
change a bit either.
"""

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from ich_jax.perf import memory

ROOT = Path(__file__).resolve().parents[2]
SCRIPTS = {
    "train": "configs/quick.py:tiny",
    "error_comparison": "configs/error_comparison.py:tiny",
    "interference_sweep": "configs/interference_sweep.py:tiny",
    "design": "configs/design.py:tiny",
    "economic_benefit": "configs/economic_benefit.py:tiny",
}
DRIVER = """
import os, runpy, signal, sys, threading, time
signal.signal(signal.SIGINT, signal.SIG_DFL)  # ignored where tests run in the background
kind, _, point = sys.argv[1].partition(":")
sys.argv = sys.argv[2:]
sys.path.insert(0, os.path.dirname(sys.argv[0]))
from ich_jax import liveness
def send():
    os.kill(os.getpid(), signal.SIGINT)
class Import:
    def find_spec(self, name, path=None, target=None):
        if name == point:
            send()
            time.sleep(60)
if kind == "import":
    sys.meta_path.insert(0, Import())
real = liveness.stage
def at(text):
    real(text)
    if not text.startswith(point) or kind in ("import", "watch"):
        return
    if kind == "soon":  # in the middle of what comes next
        threading.Timer(0.5, send).start()
        return
    send()
    if kind == "leave":
        time.sleep(60)
liveness.stage = at
if kind == "watch":  # as where LAPACK blocks, whatever the version; what was run, and what nothing ordered
    import atexit
    from ich_jax.uncertainty import programs
    programs.lapack_blocks = lambda: True
    calls, known = programs.calls_lapack, {}
    def spy(program):
        known.setdefault(program, (calls(program), programs.unordered_pairs(program)))
        return calls(program)
    programs.calls_lapack = spy
    atexit.register(lambda: print(
        "watched", sum(calls for calls, _ in known.values()), programs.GATE.most, [p for _, p in known.values() if p]
    ))
runpy.run_path(sys.argv[0], run_name="__main__")
"""


@pytest.fixture(scope="module")
def small(images: Path) -> tuple[str, ...]:
    """Flags of networks and images that are compiled in seconds."""
    fields = {
        **{"data.source": "npz", "data.path": images, "data.size": 16, "data.channels": 1, "data.holdout_share": 0.4},
        **{"generator.widths": "(4,)", "discriminator.widths": "(4,)", "inspector.widths": "(4,)"},
        **{"inspector.blocks": 1, "inspector.steps": 2, "inspector.batch": 4, "evaluation.kid_subset": 4},
        **{"evaluation.n_designs": 12, "evaluation.n_validation": 4, "evaluation.n_images": 12},
        **{"objective.penalty": "none", "objective.reconstruction": 0.0, "compute.formulation": "direct"},
    }
    return tuple(f"--config.{name}={value}" for name, value in fields.items())


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where compiled programs are kept, so that a resumed run need not compile them again."""
    return tmp_path_factory.mktemp("cache")


def start(cache: Path, point: str, script: str, *flags: str, malloc: str = "") -> subprocess.CompletedProcess[str]:
    """Runs an experiment that interrupts itself at a point; without a point, to its end."""
    command = [f"experiments/{script}.py", *flags]
    environ = memory.undecided(os.environ) | ({memory.SWITCH: malloc} if malloc else {})
    if point and not malloc:  # a driver is not run once more
        environ = memory.environment(environ)
    return subprocess.run(
        [sys.executable, *(["-c", DRIVER, point] if point else []), *command],
        cwd=ROOT,
        env=environ | {"XDG_CACHE_HOME": str(cache)},
        capture_output=True,
        text=True,
        timeout=600,
    )


def answered(done: subprocess.CompletedProcess[str]) -> str:
    """Checks that a process left as it should, and returns the one line that says so."""
    lines = [line for line in done.stderr.splitlines() if line.startswith("Ctrl-C: ")]
    assert done.returncode == 130, done.stdout + done.stderr
    assert len(lines) == 1, done.stderr
    assert "Traceback" not in done.stdout + done.stderr
    assert "summary:" not in done.stdout
    return lines[0]


def finished(done: subprocess.CompletedProcess[str]) -> str:
    """Checks that a process came to its end, and returns its summary line."""
    assert done.returncode == 0, done.stdout + done.stderr
    last = done.stdout.splitlines()[-1]
    assert last.startswith("summary: ")
    return last


def same_results(one: Path, other: Path) -> None:
    """Checks that two work directories hold the same results, bit for bit, but for what the clock says."""
    results = [json.loads((folder / "results.json").read_text()) for folder in (one, other)]
    ways = [found.pop("provenance")["memory"] for found in results]
    assert "ICH_JAX_MALLOC=system" in ways[1] != ways[0]
    assert without_times(results[0]) == without_times(results[1])


def without_times(values: Any) -> Any:
    """Values of a file of results without those that differ from run to run."""
    if isinstance(values, dict):
        changing = ("seconds", "compile_s", "rate", "img_per_s", "designs_per_s")
        return {name: without_times(value) for name, value in values.items() if name not in changing}
    return [without_times(value) for value in values] if isinstance(values, list) else values


@pytest.mark.parametrize("script", SCRIPTS)
def test_while_it_imports(cache: Path, tmp_path: Path, script: str) -> None:
    line = answered(start(cache, "import:jax", script, f"--config={SCRIPTS[script]}", f"--workdir={tmp_path}/run"))
    assert line == "Ctrl-C: leaving; nothing has been made yet."
    assert not (tmp_path / "run").exists()


def test_while_it_compiles(cache: Path, tmp_path: Path, small: tuple[str, ...]) -> None:
    folder = tmp_path / "run"
    flags = (f"--config={SCRIPTS['train']}", *small, "--config.compute.compilation_cache=False", f"--workdir={folder}")
    line = answered(start(cache, "soon:first step", "train", *flags))
    assert line == f"Ctrl-C: leaving; checkpoints in {folder} are kept, and the same command resumes."


def test_a_generator_and_what_is_done_with_it(cache: Path, tmp_path: Path, small: tuple[str, ...]) -> None:
    flags = (f"--config={SCRIPTS['train']}", *small, f"--workdir={tmp_path}/run")
    line = answered(start(cache, "save:validation at step 3", "train", *flags))
    assert line == f"Ctrl-C: saving a checkpoint in {tmp_path}/run, then leaving; once more to leave at once."
    assert (tmp_path / "run" / "checkpoints" / "3").is_dir()
    line = answered(start(cache, "leave:evaluation", "train", *flags))
    assert line.startswith(f"Ctrl-C: leaving; the trained networks in {tmp_path}/run are kept")
    resumed = finished(start(cache, "", "train", *flags))
    straight = finished(start(cache, "", "train", *flags[:-1], f"--workdir={tmp_path}/straight", malloc="system"))
    sha = re.compile(r"params_sha256=(\w+)")
    assert sha.findall(resumed) == sha.findall(straight) != []

    folder = tmp_path / "sweep"
    flags = ("--config=configs/interference_sweep.py:tiny", f"--workdir={folder}", f"--checkpoint={tmp_path}/run")
    line = answered(start(cache, "leave:latent_noise, seed 1, severity 2", "interference_sweep", *flags))
    assert line == f"Ctrl-C: leaving; finished jobs in {folder} are kept, and the same command resumes."
    finished(start(cache, "", "interference_sweep", *flags))
    other = (flags[0], f"--workdir={tmp_path}/straight_sweep", flags[2])
    finished(start(cache, "", "interference_sweep", *other, malloc="system"))
    same_results(folder, tmp_path / "straight_sweep")

    folder = tmp_path / "pulses"
    tiny = "--config=configs/interference_sweep.py:tiny_pulse"
    flags = (tiny, f"--workdir={folder}", f"--checkpoint={tmp_path}/run")
    line = answered(start(cache, "leave:pulse learning_rate, seed 1: step 5", "interference_sweep", *flags))
    assert line == f"Ctrl-C: leaving; finished runs in {folder} are kept, and the same command resumes."
    (control,) = (folder / "courses").iterdir()
    kept = control.read_bytes()
    finished(start(cache, "", "interference_sweep", *flags))
    assert control.read_bytes() == kept
    other = (tiny, f"--workdir={tmp_path}/straight_pulses", flags[2])
    finished(start(cache, "", "interference_sweep", *other, malloc="system"))
    same_results(folder, tmp_path / "straight_pulses")


def test_cells_of_a_comparison(cache: Path, tmp_path: Path, small: tuple[str, ...]) -> None:
    folder = tmp_path / "run"
    few = {"seeds": 2, "trial_steps": 0, "best_of": 0, "n_resamples": 99}
    flags = (f"--config={SCRIPTS['error_comparison']}", *small, "--config.loop.validate_every=3")
    flags = (*flags, "--config.loop.checkpoint_every=3", *(f"--config.comparison.{k}={v}" for k, v in few.items()))
    flags = (*flags, f"--workdir={folder}")
    line = answered(start(cache, "save:validation at step 3", "error_comparison", *flags))
    (cell,) = (folder / "cells").iterdir()
    assert line == f"Ctrl-C: saving a checkpoint in {cell}, then leaving; once more to leave at once."
    assert (cell / "checkpoints" / "3").is_dir()
    assert not (cell / "cell.json").exists()
    line = answered(start(cache, f"leave:{cell.name}: test designs", "error_comparison", *flags))
    kept = f"finished trials, cells and their checkpoints in {folder} are kept"
    assert line == f"Ctrl-C: leaving; {kept}, and the same command resumes."
    assert not (cell / "cell.json").exists()
    finished(start(cache, "", "error_comparison", *flags))
    other = (*flags[:-1], f"--workdir={tmp_path}/straight")
    finished(start(cache, "", "error_comparison", *other, malloc="system"))
    same_results(folder, tmp_path / "straight")
    assert steps_of(cell) == steps_of(tmp_path / "straight" / "cells" / cell.name)


def steps_of(folder: Path) -> list[int]:
    """Steps of the rows that a run has logged, in order."""
    return [json.loads(row)["step"] for row in (folder / "metrics.jsonl").read_text().splitlines()]


def test_products_that_are_worked_on_in_threads(cache: Path, tmp_path: Path) -> None:
    short = ("--config.simulation.days=60", "--config.simulation.ramp_days=10", "--config.simulation.local=4")
    flags = (f"--config={SCRIPTS['economic_benefit']}", *short, f"--workdir={tmp_path}/run")
    line = answered(start(cache, "soon:earrings: audit", "economic_benefit", *flags))
    assert line == "Ctrl-C: leaving; an analysis is saved at its end only, and the same command begins it anew."

    finished(start(cache, "", "economic_benefit", *flags[:-1], f"--workdir={tmp_path}/straight", malloc="system"))
    *_, summary, watched = start(cache, "watch", "economic_benefit", *flags, "--config.threads=2").stdout.splitlines()
    assert summary.startswith("summary: ")
    n, most, unordered = watched.removeprefix("watched ").split(maxsplit=2)
    assert int(n) > 20
    assert most == "1", "two programs with LAPACK ran at the same time"
    assert unordered == "[]", "LAPACK calls of one program that nothing orders; see ich_jax/uncertainty/programs.py"
    same_results(tmp_path / "run", tmp_path / "straight")
