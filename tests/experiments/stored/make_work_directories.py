"""Makes the work directories that `test_stored_work_directories.py` resumes, each interrupted in the middle.

    python tests/experiments/stored/make_work_directories.py

Run once, from the root of the repository, at the revision whose work directories later ones have to resume. Writes
`work_directories.tar.xz` and `shapes.npz`, the images, beside this file.
"""

import os
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

import numpy as np

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[2]
IMAGES = "tests/experiments/stored/shapes.npz"
SMALL = {
    **{"data.source": "npz", "data.path": IMAGES, "data.size": 16, "data.channels": 1, "data.holdout_share": 0.4},
    **{"generator.widths": "(4,)", "generator.mapping": 8, "discriminator.widths": "(4,)"},
    **{"inspector.widths": "(4,)", "inspector.blocks": 1, "inspector.steps": 2, "inspector.batch": 4},
    **{"evaluation.kid_subset": 4, "evaluation.n_designs": 12, "evaluation.n_validation": 4},
    **{"evaluation.n_images": 12, "objective.penalty": "none", "objective.reconstruction": 0.0},
    **{"compute.formulation": "direct", "loop.tensorboard": False},
}
COMPARISON = {
    **{"comparison.seeds": 2, "comparison.trial_steps": 0, "comparison.best_of": 0, "comparison.n_resamples": 99},
    **{"loop.validate_every": 3, "loop.checkpoint_every": 3},
}
# Leaves as a kill would, at a point that `liveness.stage` names.
DRIVER = """
import os, runpy, sys
point, *sys.argv = sys.argv[1:]
sys.path.insert(0, os.path.dirname(sys.argv[0]))
from ich_jax import liveness
real = liveness.stage
def at(text):
    real(text)
    if text.startswith(point):
        os._exit(9)
if point:
    liveness.stage = at
runpy.run_path(sys.argv[0], run_name="__main__")
"""


def flags(values: dict[str, object]) -> list[str]:
    """Returns overrides of config fields."""
    return [f"--config.{name}={value}" for name, value in values.items()]


def commands(folder: str) -> list[tuple[str, str, list[str]]]:
    """Returns for each work directory where it stops, the experiment and its flags."""
    small, model = flags(SMALL), f"--checkpoint={folder}/trained"
    train = ["--config=configs/quick.py:tiny", *small]
    sweep = "--config=configs/interference_sweep.py:tiny"
    comparison = ["--config=configs/error_comparison.py:tiny", *small, *flags(COMPARISON)]
    return [
        ("", "train", [*train, f"--workdir={folder}/trained"]),
        ("", "train", [*train, "--stop_after=3", f"--workdir={folder}/stopped"]),
        ("latent_noise, seed 1, severity 2", "interference_sweep", [sweep, model, f"--workdir={folder}/sweep"]),
        (
            "pulse learning_rate, seed 1: step 5",
            "interference_sweep",
            [f"{sweep}_pulse", model, f"--workdir={folder}/pulses"],
        ),
        ("plain_depth1_seed0: test designs", "error_comparison", [*comparison, f"--workdir={folder}/comparison"]),
    ]


def main() -> None:
    """Makes the images and the work directories."""
    rng = np.random.default_rng(0)
    y, x = np.mgrid[-1:1:16j, -1:1:16j]
    radius, square = rng.uniform(0.3, 0.9, (80, 1, 1)), np.arange(80)[:, None, None] % 2
    inside = np.where(square, np.maximum(abs(x), abs(y)), np.hypot(x, y)) < radius
    np.savez_compressed(ROOT / IMAGES, x=np.where(inside, 40, 250).astype(np.uint8), y=np.arange(80) % 2)
    with tempfile.TemporaryDirectory() as folder:
        cache = tempfile.mkdtemp(dir=folder)
        for point, name, given in commands(f"{folder}/work_directories"):
            command = [sys.executable, "-c", DRIVER, point, f"experiments/{name}.py", *given]
            code = subprocess.run(
                command, cwd=ROOT, env={**os.environ, "XDG_CACHE_HOME": cache}, check=False
            ).returncode
            assert code == (9 if point else 0), (point, code)
        with tarfile.open(HERE / "work_directories.tar.xz", "w:xz") as archive:
            archive.add(f"{folder}/work_directories", "work_directories", filter=_kept)


def _kept(entry: tarfile.TarInfo) -> tarfile.TarInfo | None:
    """Leaves out pages, which nothing resumes, and who made it."""
    if "/report/" in entry.name or "/samples/" in entry.name:
        return None
    entry.uid = entry.gid = entry.mtime = 0
    entry.uname = entry.gname = ""
    return entry


if __name__ == "__main__":
    main()
