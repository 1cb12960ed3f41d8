"""Files of reference numbers from other libraries: versions, writing, and the check that they are reproducible.

A number is a reference only if it depends on the data alone. The result of a peer may also depend on the hash seed of
the process, the order of the rows, the names of the units or the scale of the weights. `--check` therefore computes
every file again: in processes of three hash seeds, and twice with rows in another order, units under other names and
weights seven times as large (`shuffled`, `arranged`). A number that changes is an error.
"""

import argparse
import importlib.metadata
import json
import math
import os
import subprocess
import sys
import tempfile
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

OUT = Path(__file__).resolve().parents[2] / "tests" / "reference"
RUNS = ((0, 0), (0, 1), (0, 2), (1, 0), (2, 0))
"""Arrangement and hash seed of each process of a check; the others are compared with the first."""

_TOLERANCE = 1e-7, 1e-10  # relative and absolute: sums of rows in another order round differently
_SHOWN = 10  # differences of one process and file
_arrangement = 0
_checking = False

Loose = Mapping[str, tuple[float, float, str]]
"""`{start of a path: (relative tolerance, absolute one, why)}` of numbers that cannot agree to all their digits."""


def versions(*packages: str) -> dict[str, str]:
    """Returns the installed version of each package."""
    return {package: importlib.metadata.version(package) for package in packages}


def n_draws(n: int) -> int:
    """Returns how many random draws a peer makes: n, and a fifth in a check, whose tolerance has to allow for it."""
    return n // 5 if _checking else n


# ---------------------------------------------------------------- data in other arrangements


def order(n: int) -> np.ndarray:
    """Returns the order in which a peer receives n rows: the original one, or that of the arrangement."""
    return np.arange(n) if _arrangement == 0 else np.random.default_rng([_arrangement, n]).permutation(n)


def shuffled(rows: Any) -> np.ndarray:
    """Returns rows as an array in the order of the arrangement."""
    rows = np.asarray(rows)
    return rows[order(len(rows))]


def unshuffled(rows: Any) -> np.ndarray:
    """Puts results, one for each row of `shuffled`, back into the order of the data."""
    rows = np.asarray(rows)
    back = np.empty_like(rows)
    back[order(len(rows))] = rows
    return back


def arranged(frame: Any, *, units: Sequence[str] = (), weights: Sequence[str] = ()) -> Any:
    """Returns a data frame in its original or rearranged form; its index keeps the numbers of the rows.

    Args:
        frame: A row for each observation.
        units: Columns of whole numbers that are names and nothing else.
        weights: Columns of which only the ratios matter.
    """
    if _arrangement == 0:
        return frame
    frame = frame.iloc[order(len(frame))].copy()
    for name in units:
        labels = np.unique(frame[name])
        others = np.random.default_rng([_arrangement, len(labels), 1]).permutation(len(labels)) + 100 * _arrangement
        frame[name] = others[np.searchsorted(labels, frame[name])].astype(labels.dtype)
    for name in weights:
        frame[name] = 7.0 * frame[name]
    return frame


# ---------------------------------------------------------------- writing and checking


def main(references: Mapping[str, Callable[[], dict[str, Any]]], *, loose: Loose | None = None) -> int:
    """Runs the command line of a script that makes references.

    Args:
        references: The function that computes the content of each file.
        loose: Numbers that cannot agree closely, by the start of their paths, such as `synthetic/placebo_1000`.

    Returns:
        Exit status: 1 if a check has found differences.
    """
    global _arrangement, _checking  # set for a process that computes one arrangement
    parser = argparse.ArgumentParser(description="Writes tests/reference/<name>.json from what other libraries give.")
    parser.add_argument("names", nargs="*", help=f"of {', '.join(references)}; none: all")
    parser.add_argument("--check", action="store_true", help="compute them in other arrangements; write nothing")
    parser.add_argument("--arrangement", type=int, default=0, help=argparse.SUPPRESS)
    parser.add_argument("--into", type=Path, default=None, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if unknown := set(given.names) - references.keys():
        parser.error(f"no reference called {sorted(unknown)}; there are {', '.join(references)}")
    names = given.names or list(references)
    if given.check:
        return check(names, loose or {})
    _arrangement, _checking = given.arrangement, given.into is not None
    into = given.into or OUT
    for name in names:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of the peers, about themselves
            result = references[name]()
        text = json.dumps(result, indent=1, default=lambda number: number.item())
        (into / f"{name}.json").write_text(text + "\n")
        print(f"wrote {into.name}/{name}.json")
    return 0


def check(names: Sequence[str], loose: Loose) -> int:
    """Computes references in the processes of `RUNS`, by the script that is running, and prints the differences.

    Args:
        names: The files.
        loose: As for `main`.

    Returns:
        1 if anything differs, else 0.
    """
    n_differences = 0
    with tempfile.TemporaryDirectory() as work:
        results = {}
        for arrangement, hash_seed in RUNS:
            into = Path(work) / f"{arrangement}_{hash_seed}"
            into.mkdir()
            command = [sys.executable, sys.argv[0], f"--arrangement={arrangement}", f"--into={into}", *names]
            environment = os.environ | {"PYTHONHASHSEED": str(hash_seed)}
            subprocess.run(command, env=environment, check=True, stdout=subprocess.DEVNULL)
            results[arrangement, hash_seed] = {name: json.loads((into / f"{name}.json").read_text()) for name in names}
        for name in names:
            first = results[RUNS[0]][name]
            others = {
                f"arrangement {arrangement}, hash seed {seed}": results[arrangement, seed][name]
                for arrangement, seed in RUNS[1:]
            }
            stored = json.loads((OUT / f"{name}.json").read_text()) if (OUT / f"{name}.json").exists() else {}
            if stored and stored["versions"] == first.get("versions"):
                others["the stored file"] = stored
            for where, other in others.items():
                lines = list(differences(first, other, name, loose))
                n_differences += len(lines)
                for line in lines[:_SHOWN] + [f"... and {len(lines) - _SHOWN} more"] * (len(lines) > _SHOWN):
                    print(f"{where}: {line}")
            print(f"{name}: compared with {len(others)} others", flush=True)
    print(
        f"{n_differences} numbers depend on more than the data."
        if n_differences
        else "Every number depends on the data alone."
    )
    return int(n_differences > 0)


def differences(first: Any, second: Any, path: str, loose: Loose) -> Iterator[str]:
    """Yields a line for each value of two contents of a file that differs; versions do not count.

    Args:
        first: As stored.
        second: In another arrangement.
        path: Name of the file, to begin with.
        loose: As for `main`.
    """
    if isinstance(first, dict) and isinstance(second, dict):
        for key in sorted((first.keys() | second.keys()) - {"versions"}):
            yield from differences(first.get(key), second.get(key), f"{path}/{key}", loose)
    elif isinstance(first, list) and isinstance(second, list) and len(first) == len(second):
        for i, pair in enumerate(zip(first, second, strict=True)):
            yield from differences(*pair, f"{path}/{i}", loose)
    elif not _same(first, second, *next((loose[start][:2] for start in loose if path.startswith(start)), _TOLERANCE)):
        yield f"{path}: {first!r} as stored, {second!r} here"


def _same(first: Any, second: Any, relative: float, absolute: float) -> bool:
    if not all(isinstance(value, int | float) and not isinstance(value, bool) for value in (first, second)):
        return bool(first == second)
    if math.isnan(first) or math.isnan(second):
        return math.isnan(first) and math.isnan(second)
    return math.isclose(first, second, rel_tol=relative, abs_tol=absolute)
