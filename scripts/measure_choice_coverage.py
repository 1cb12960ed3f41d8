"""How often intervals of part-worths hold the true ones, by the number of persons asked, in SIMULATED choices.

    .venv/bin/python scripts/measure_choice_coverage.py --output=runs/choice_coverage

Persons choose among three designs and none in several tasks, with the part-worths of `configs/market.py`. Each
simulated survey is analysed by a conditional logit with errors clustered by person; willingness to pay gets the limits
of the delta method. The share of surveys whose 95 % limits hold the truth is printed with its Wilson interval and
written to `coverage.json`.
"""

if __name__ == "__main__":
    from ich_jax.perf import memory

    memory.set_up()

import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from absl import app, flags

from ich_jax import errors, workdir
from ich_jax.econometrics import choice
from ich_jax.report import provenance
from ich_jax.studies.market.simulated import CODING, TRUE
from ich_jax.uncertainty import intervals

FLAGS = flags.FLAGS
LABELS = ("a", "b", "c", "none")
COLUMNS = tuple(TRUE)


def define_flags() -> None:
    """Declares the flags."""
    flags.DEFINE_string("output", None, "Folder that receives coverage.json.", required=True)
    flags.DEFINE_list("persons", ["100", "300", "1000"], "Numbers of persons.")
    flags.DEFINE_integer("tasks", 8, "Tasks of a person.", lower_bound=1)
    flags.DEFINE_integer("surveys", 500, "Simulated surveys of each number of persons.", lower_bound=2)
    flags.DEFINE_integer("seed", 0, "Seed of the surveys.", lower_bound=0, upper_bound=errors.LARGEST_SEED)


def survey(n: int, tasks: int, rng: np.random.Generator) -> choice.Choices:
    """Simulates the choices of n persons."""
    shape = n * tasks, len(LABELS)
    palette, silhouette = (rng.integers(0, len(CODING.categories[name]), shape) for name in ("palette", "silhouette"))
    columns = {
        "constant: none": np.zeros(shape),
        "palette: indigo": palette == 1,
        "palette: red": palette == 2,
        "silhouette: round": silhouette == 1,
        "axis_width": rng.choice([-1.5, 0.0, 1.5], shape),
        "price": rng.choice([48.0, 68.0, 88.0, 108.0], shape),
    }
    x = np.stack([columns[name] for name in COLUMNS], axis=-1).astype(float)
    x[:, -1] = np.eye(len(COLUMNS))[0]  # nothing is bought: the constant alone
    utility = x @ np.array(list(TRUE.values())) + rng.gumbel(size=shape)
    chosen = np.eye(len(LABELS))[utility.argmax(axis=1)]
    rows = x.reshape(-1, len(COLUMNS)).T
    return choice.from_long(
        np.repeat(np.arange(shape[0]) % tasks, len(LABELS)),
        np.tile(LABELS, shape[0]),
        chosen.ravel(),
        dict(zip(COLUMNS, rows, strict=True)),
        person=np.repeat(np.arange(n), tasks * len(LABELS)),
    )


def measure(n: int, tasks: int, surveys: int, seed: int) -> dict[str, dict[str, float]]:
    """Returns the coverage of each part-worth and willingness to pay: share, its interval, number, mean width."""
    truth = np.array(list(TRUE.values()))
    held: dict[str, list[bool]] = {}
    width: dict[str, list[float]] = {}
    for k in range(surveys):
        fit = choice.conditional_logit(survey(n, tasks, np.random.default_rng([seed, n, k])))
        paid = choice.willingness_to_pay(fit, "price")
        for names, low, high, true in (
            (COLUMNS, fit.table.low, fit.table.high, truth),
            (
                tuple(f"willingness to pay: {name}" for name in paid.attribute),
                paid.low,
                paid.high,
                truth[:-1] / -truth[-1],
            ),
        ):
            for name, a, b, value in zip(names, low, high, true, strict=True):
                held.setdefault(name, []).append(bool(a <= value <= b))
                width.setdefault(name, []).append(float(b - a))
    found = {}
    for name, hits in held.items():
        limits = intervals.wilson(sum(hits), len(hits))
        found[name] = {
            "share": sum(hits) / len(hits),
            "low": limits.low,
            "high": limits.high,
            "n": len(hits),
            "mean_width": float(np.mean(width[name])),
        }
    return found


def main(argv: Sequence[str]) -> None:
    """Measures and writes."""
    if len(argv) > 1:
        raise app.UsageError(f"Unexpected argument {argv[1]!r}.")
    try:
        sizes = [int(text) for text in FLAGS.persons]
        if min(sizes) < 20:
            raise errors.ConfigError(f"--persons={','.join(FLAGS.persons)}: at least 20 persons are needed.")
        coverage = {}
        for n in sizes:
            coverage[str(n)] = measure(n, FLAGS.tasks, FLAGS.surveys, FLAGS.seed)
            for name, row in coverage[str(n)].items():
                print(f"{n:6,} persons  {row['share']:.3f} ({row['low']:.3f} to {row['high']:.3f})  {name}", flush=True)
        content = {"coverage": coverage, "tasks": FLAGS.tasks, "seed": FLAGS.seed, "simulated": True}
        path = Path(FLAGS.output) / "coverage.json"
        workdir.write_json(path, content | {"provenance": provenance.provenance()})
    except (errors.IchJaxError, ValueError) as error:
        sys.exit(f"error: {error}")
    shares = [row["share"] for rows in coverage.values() for row in rows.values()]
    print(f"Written: {path}")
    print(f"summary: coverage_min={min(shares):.4f} coverage_max={max(shares):.4f} surveys={FLAGS.surveys}", flush=True)


if __name__ == "__main__":
    define_flags()
    app.run(main)
