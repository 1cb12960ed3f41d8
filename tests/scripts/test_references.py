"""scripts/peers/references.py: a reference that hangs on more than the data is found out. No peers are needed."""

import importlib
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pandas as pd
import pytest

ROOT = Path(__file__).resolve().parents[2]
SCRIPT = """
import sys

import numpy as np
import pandas as pd

sys.path.insert(0, {scripts!r})
from peers.references import arranged, main, shuffled, unshuffled, versions

FRAME = pd.DataFrame({{"unit": [1, 1, 2, 2, 3, 3], "y": [1.0, 2.0, 4.0, 8.0, 16.0, 32.0], "w": [1.0, 2.0] * 3}})


def steady():
    frame = arranged(FRAME, units=("unit",), weights=("w",))
    mean = np.average(frame["y"], weights=frame["w"])
    ranks = unshuffled(shuffled(FRAME["y"]).argsort().argsort())
    groups = sorted(frame.groupby("unit")["y"].sum())
    return {{"versions": versions("numpy"), "mean": mean, "groups": groups, "ranks": ranks.tolist()}}


def wavering():
    frame = arranged(FRAME, units=("unit",), weights=("w",))
    return {{
        "first row": frame["y"].iloc[0],
        "first name": frame.sort_values("unit")["y"].iloc[0],
        "size": float(frame["w"].sum()),
        "hash": hash("unit") % 1000,
        "drawn": {{"a": 1.0 + 0.05 * (frame["y"].iloc[0] != 1.0)}},
    }}


sys.exit(main({{"steady": steady, "wavering": wavering}}, loose={{"wavering/drawn": (0.1, 0.0, "it is drawn")}}))
"""


@pytest.fixture
def references(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(ROOT / "scripts")
    return importlib.import_module("peers.references")


def check(folder: Path, *names: str) -> subprocess.CompletedProcess[str]:
    path = folder / "make.py"
    path.write_text(SCRIPT.format(scripts=str(ROOT / "scripts")))
    command = [sys.executable, str(path), "--check", *names]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)


def test_what_is_that_of_the_data_passes(tmp_path: Path) -> None:
    done = check(tmp_path, "steady")
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.splitlines()[-1] == "Every number depends on the data alone."


def test_what_hangs_on_order_names_scale_or_hash_seed_is_an_error(tmp_path: Path) -> None:
    done = check(tmp_path, "wavering")
    assert done.returncode == 1, done.stderr
    for name in ("first row", "first name", "size"):
        assert any(line.startswith("arrangement ") and f"wavering/{name}:" in line for line in done.stdout.splitlines())
    assert "arrangement 0, hash seed 1: wavering/hash:" in done.stdout
    assert "drawn" not in done.stdout  # within its tolerance
    assert "numbers depend on more than the data" in done.stdout.splitlines()[-1]


def test_an_unknown_name_is_refused(tmp_path: Path) -> None:
    done = check(tmp_path, "stedy")
    assert done.returncode == 2 and "no reference called ['stedy']; there are steady, wavering" in done.stderr


def test_arrangements(references: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    frame = pd.DataFrame({"unit": [5.0, 5.0, 7.0, 9.0, 9.0], "y": np.arange(5.0), "w": np.arange(1.0, 6.0)})
    assert references.arranged(frame, units=("unit",), weights=("w",)) is frame
    np.testing.assert_array_equal(references.shuffled(frame["y"]), frame["y"])
    orders = set()
    for number in (1, 2):
        monkeypatch.setattr(references, "_arrangement", number)
        other = references.arranged(frame, units=("unit",), weights=("w",))
        orders.add(tuple(other.index))
        back = other.sort_index()
        np.testing.assert_array_equal(back["y"], frame["y"])
        np.testing.assert_array_equal(back["w"], 7.0 * frame["w"])
        assert back.groupby("unit").ngroups == 3 and not set(back["unit"]) & set(frame["unit"])
        assert (back["unit"].to_numpy()[:, None] == back["unit"].to_numpy()).tolist() == (
            frame["unit"].to_numpy()[:, None] == frame["unit"].to_numpy()
        ).tolist()
        np.testing.assert_array_equal(references.unshuffled(references.shuffled(frame["y"])), frame["y"])
    assert len(orders) == 2 and (0, 1, 2, 3, 4) not in orders


def test_differences_by_hand(references: ModuleType) -> None:
    first = {"versions": {"numpy": "1"}, "a": [1.0, float("nan"), None], "b": {"c": 2.0, "d": "x"}, "e": [1, 2]}
    second = {"versions": {"numpy": "2"}, "a": [1.0 + 1e-9, float("nan"), 0], "b": {"c": 2.1, "d": "y"}, "e": [1]}
    found = list(references.differences(first, second, "of", {}))
    assert [line.split(":")[0] for line in found] == ["of/a/2", "of/b/c", "of/b/d", "of/e"]
    assert found[1] == "of/b/c: 2.0 as stored, 2.1 here"
    loose = {"of/b/c": (0.1, 0.0, "drawn")}
    assert "of/b/c" not in "".join(references.differences(first, second, "of", loose))
