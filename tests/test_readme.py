"""The Python blocks of the README run as they stand, and its links lead somewhere."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from ich_jax.studies.benefit import run as benefit

ROOT = Path(__file__).resolve().parents[1]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]


def blocks() -> list[str]:
    """The Python blocks of the README, in order."""
    return re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)


def test_designs_are_drawn(tmp_path: Path) -> None:
    (drawing,) = (block for block in blocks() if "load_generator" in block)
    done = run(drawing, tmp_path)
    assert len(done.strip("[] \n").split()) == 12


def test_an_effect_is_estimated(tmp_path: Path) -> None:
    benefit.write_template(str(tmp_path / "sales.csv"), sales=False)
    (estimating,) = (block for block in blocks() if "pandas" in block)
    done = run(estimating, tmp_path)
    assert done.startswith("Effect\n") and "standard_error" in done
    header, row = (tmp_path / "effect.csv").read_text().splitlines()
    assert header == ",names,estimate,standard_error,t,p,low,high" and row.startswith("0,effect,")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", page.read_text()):
        if not target.startswith("http"):
            assert (page.parent / target).exists(), f"{page.relative_to(ROOT)}: {target}"


def run(code: str, folder: Path) -> str:
    """Runs a block in a folder and returns what it prints."""
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout
