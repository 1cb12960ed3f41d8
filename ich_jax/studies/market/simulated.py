"""A SIMULATED market: people with known part-worths choose among designs, and sales follow a known curve."""

import itertools

import numpy as np

from ich_jax.config import MarketConfig
from ich_jax.econometrics import choice
from ich_jax.studies.market.market_data import Candidates, Coding, Market, Sales

TRUE = {
    "constant: none": 0.3,
    "palette: indigo": 0.6,
    "palette: red": 0.2,
    "silhouette: round": -0.4,
    "axis_width": 0.25,
    "price": -0.02,
}
"""Part-worths: base palette celadon, base silhouette folding; the price in yuan."""
CURVE = {"m": 20000.0, "p": 0.02, "q": 0.45}
CODING = Coding(
    {"palette": ("celadon", "indigo", "red"), "silhouette": ("folding", "round")}, ("axis_width", "price"), "none"
)
_PRICES = (48.0, 68.0, 88.0, 108.0)
_WIDTHS = (-1.5, 0.0, 1.5)
_NOISE = 0.06  # standard deviation of a period's error, of the mean sales


def create(config: MarketConfig) -> Market:
    """Draws the market of a config.

    Args:
        config: The study.
    """
    rng = np.random.default_rng([config.seed, 24])
    n, tasks = config.data.persons, config.data.tasks
    rows: dict[str, list[str]] = {name: [] for name in ("palette", "silhouette", "axis_width", "price")}
    task, person, label = [], [], []
    for who, k in itertools.product(range(n), range(tasks)):
        for name in ("a", "b", "c", "none"):
            nothing = name == "none"
            rows["palette"].append("" if nothing else str(rng.choice(CODING.categories["palette"])))
            rows["silhouette"].append("" if nothing else str(rng.choice(CODING.categories["silhouette"])))
            rows["axis_width"].append("0" if nothing else f"{rng.choice(_WIDTHS):g}")
            rows["price"].append("0" if nothing else f"{rng.choice(_PRICES):g}")
            task.append(k)
            person.append(who)
            label.append(name)
    outside = np.array(label) == "none"
    x = CODING.encode(rows, outside)
    utility = (x @ np.array([TRUE[name] for name in CODING.names])).reshape(-1, 4)
    chosen = np.eye(4)[(utility + rng.gumbel(size=utility.shape)).argmax(axis=1)].ravel()
    choices = choice.from_long(task, label, chosen, dict(zip(CODING.names, x.T, strict=True)), person=person)
    t = np.arange(config.data.periods + 1.0)
    decay = np.exp(-(CURVE["p"] + CURVE["q"]) * t)
    mean = np.diff(CURVE["m"] * (1 - decay) / (1 + CURVE["q"] / CURVE["p"] * decay))
    units = np.maximum(np.round(mean + _NOISE * mean.mean() * rng.normal(size=len(mean))), 0.0)
    first = np.datetime64("2022-01")
    start = tuple(str(first + np.timedelta64(3 * k, "M")) for k in range(len(units)))
    return Market(
        choices=choices,
        coding=CODING,
        price="price",
        sales=Sales(start, units, "quarter"),
        candidates=_candidates(config),
        source=f"a SIMULATED market: {n} persons, {tasks} tasks each, {len(units)} quarters of sales",
        truth=TRUE,
        market=CURVE,
    )


def _candidates(config: MarketConfig) -> Candidates:
    designs = [
        ("celadon", "folding", 0.0),
        ("indigo", "folding", 1.5),
        ("indigo", "round", 0.0),
        ("red", "folding", 1.5),
    ]
    columns = {
        "palette": [d[0] for d in designs],
        "silhouette": [d[1] for d in designs],
        "axis_width": [f"{d[2]:g}" for d in designs],
        "price": ["68"] * len(designs),
    }
    return Candidates(
        names=tuple(f"{a} {b}" + (" wide" if w > 0 else "") for a, b, w in designs),
        attributes=CODING.encode(columns, np.zeros(len(designs), bool)),
        unit_cost=np.full(len(designs), config.launch.unit_cost),
        design_cost=np.full(len(designs), config.launch.design_cost),
    )
