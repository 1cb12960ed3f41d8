"""scripts/train_inspector.py, run as a user runs it."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def run(*arguments):
    return subprocess.run(
        [sys.executable, str(ROOT / "scripts" / "train_inspector.py"), *arguments],
        capture_output=True,
        text=True,
        cwd=ROOT,
        timeout=600,
    )


def test_it_stores_an_inspector_and_says_how_good_it_is(tmp_path):
    done = run(
        "--config=configs/quick.py:tiny",
        "--config.data.size=16",
        "--config.inspector.steps=2",
        "--config.inspector.batch=8",
        "--config.inspector.n_check=32",
        "--config.inspector.widths=(4,)",
        f"--output={tmp_path}",
    )
    assert done.returncode == 0, done.stderr
    (stored,) = tmp_path.glob("inspector_*.npz")
    assert stored.stat().st_size > 1000
    summary = done.stdout.strip().splitlines()[-1]
    assert summary.startswith("summary: product_accuracy=")
    for name in ("silhouette_accuracy=", "width_p999=", "depth_max=", "n=32", "steps=2", "seconds="):
        assert name in summary


def test_a_config_that_cannot_be_is_refused(tmp_path):
    done = run("--config=configs/quick.py:tiny", "--config.data.size=15", f"--output={tmp_path}")
    assert done.returncode != 0
    assert "error: " in done.stderr
    assert not list(tmp_path.iterdir())
