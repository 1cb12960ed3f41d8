"""Writes tests/reference/choice.json: numbers of xlogit for the room of discrete choice.

    python scripts/make_choice_references.py [--check] [name ...]

`--check` computes them again with other hash seeds and orders of rows, see `peers/references.py`. Both need
`pip install xlogit`; the tests that compare with these numbers need none of it. The choices are SIMULATED here and
stored with the numbers. Alternatives stand in alphabetical order, since xlogit takes values by position.
"""

import sys
from typing import Any

import numpy as np
from peers.references import main, versions

PERSONS, TASKS, ALTERNATIVES, DRAWS = 60, 5, 3, 104


def choice() -> dict[str, Any]:
    """Conditional and mixed logit of xlogit, 104 Halton draws a person, a normal and a fixed coefficient."""
    import xlogit

    rng = np.random.default_rng(7)
    shape = (PERSONS, TASKS, ALTERNATIVES)
    light, price = np.round(rng.normal(size=shape), 3), np.round(rng.uniform(1, 3, shape), 3)
    taste = 1.0 + 0.8 * rng.normal(size=(PERSONS, 1, 1))
    chosen = (taste * light - price + rng.gumbel(size=shape)).argmax(axis=-1)
    n = PERSONS * TASKS
    table = {
        "X": np.stack([light.ravel(), price.ravel()], axis=1),
        "y": (np.arange(ALTERNATIVES) == chosen[..., None]).astype(int).ravel(),
        "varnames": ["light", "price"],
        "ids": np.repeat(np.arange(n), ALTERNATIVES),
        "alts": np.tile(["a", "b", "c"], n),
    }
    stored: dict[str, Any] = {
        "versions": versions("xlogit"),
        "light": light.ravel().tolist(),
        "price": price.ravel().tolist(),
        "chosen": chosen.ravel().tolist(),
        "draws": DRAWS,
    }
    plain = xlogit.MultinomialLogit()
    plain.fit(**table, verbose=0)
    stored["conditional"] = {"theta": plain.coeff_.tolist(), "log_likelihood": float(plain.loglikelihood)}
    mixed = xlogit.MixedLogit()
    panels = np.repeat(np.arange(PERSONS), TASKS * ALTERNATIVES)
    mixed.fit(**table, panels=panels, randvars={"light": "n"}, n_draws=DRAWS, verbose=0)
    stored["mixed"] = {"theta": mixed.coeff_.tolist(), "log_likelihood": float(mixed.loglikelihood)}
    return stored


if __name__ == "__main__":
    sys.exit(main({"choice": choice}))
