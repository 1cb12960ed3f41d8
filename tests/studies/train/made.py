"""Evaluations made by hand: images are noise, figures are plausible, nothing is trained."""

from typing import Any

import numpy as np

from ich_jax.config import Config, TrainConfig
from ich_jax.evaluation import copies, design_sheets, designs, diversity, neighbours, readings, realism
from ich_jax.report.provenance import Provenance
from ich_jax.training.inspector import InspectorReport
from ich_jax.training.loop import TrainResult
from ich_jax.types import Brief, DesignSpace, Element, Reading

SPACE = DesignSpace(
    ("fan", "book"), (Element("palette", ("red", "blue", "ink")), Element("trim", ("bare", "gilt"))), ("width", "depth")
)


def train_result(**changes: Any) -> TrainResult:
    """The result of a sound training; keywords replace single fields."""
    fields: dict[str, Any] = {
        **{"state": None, "steps": 500, "img_per_s": 412.34, "first_step_s": 7.5, "history": [], "alarms": ()},
        **{"best_step": 400, "resumed_from": 0, "stopped": False, "signal": None},
    }
    return TrainResult(**fields | changes)


def brief(space: DesignSpace, n: int, seed: int = 0) -> Brief:
    rng = np.random.default_rng(seed)
    columns = [rng.integers(0, k, n) for k in space.cardinalities]
    return Brief(
        np.arange(n) % len(space.products),  # type: ignore[arg-type]
        np.stack(columns, 1) if columns else np.zeros((n, 0), int),  # type: ignore[arg-type]
        rng.uniform(-3, 3, (n, len(space.axes))),  # type: ignore[arg-type]
        np.ones((n, space.n_given), np.float32),  # type: ignore[arg-type]
    )


def reading(space: DesignSpace, asked: Brief, error: float, wrong: float, seed: int = 1) -> Reading:
    """A reading whose axes are off by a normal error, and whose categories are wrong now and then."""
    rng = np.random.default_rng(seed)

    def logits(index: Any, k: int) -> Any:
        index = np.asarray(index)
        off = np.where(rng.random(len(index)) < wrong, 1, 0)
        return np.eye(k)[(index + off) % k]

    return Reading(
        logits(asked.product, len(space.products)),
        tuple(logits(np.asarray(asked.elements)[:, i], k) for i, k in enumerate(space.cardinalities)),
        np.asarray(asked.axes) + rng.normal(0, error, asked.axes.shape),  # type: ignore[arg-type]
    )


def spread(*values: float) -> realism.Spread:
    return realism.Spread(float(np.mean(values)), float(np.std(values, ddof=1)) if len(values) > 1 else 0.0, values)


def distribution(scale: float) -> realism.Distribution:
    return realism.Distribution(
        n=400,
        rfd=spread(scale, 1.1 * scale, 0.9 * scale),
        rfd_inf=spread(0.5 * scale, 0.6 * scale, 0.4 * scale),
        kid=spread(scale / 50, scale / 40, scale / 60),
        kid_subset_sd=0.001,
        kid_subset=200,
        kid_subsets=50,
        precision=spread(0.8, 0.81, 0.79),
        recall=spread(0.7, 0.71, 0.69),
        density=spread(0.9, 0.91, 0.89),
        coverage=spread(0.85, 0.86, 0.84),
        expected_coverage=0.969,
        nearest_k=5,
    )


def images(*shape: int, channels: int = 3) -> np.ndarray:
    return np.random.default_rng(2).integers(0, 256, (*shape, channels), dtype=np.uint8)


def evaluation(space: DesignSpace, *, n: int = 120, judged: bool = True, simulated: bool = True) -> Any:
    asked, real = brief(space, n), brief(space, n, seed=3)
    read, read_real = reading(space, asked, 0.2, 0.03), reading(space, real, 0.05, 0.0)
    return designs.DesignEvaluation(
        config_name="tiny",
        config_fingerprint="f" * 16,
        data_fingerprint="d" * 16,
        simulated=simulated,
        seed=3,
        evaluation_seed=20260101,
        style_strength=1.0,
        n_designs=n,
        designs=readings.figures(space, asked, read),
        inspector=readings.figures(space, real, read_real) if judged else None,
        diversity=diversity.Diversity(0.21, 0.25, 0.84, diversity.SAME_BRIEF, 8, 4, 0.3, 0.33, 400),
        generated=distribution(0.3) if judged else None,
        real=distribution(0.02) if judged else None,
        feature_fingerprints=("a", "b", "c"),
        memorisation=neighbours.Memorisation(0.11, 0.1, 1.1, 0.04, 400, 400, 1000) if judged else None,
        discriminator=designs.DiscriminatorAuc(0.94, 400) if judged else None,
        record=designs.Record(
            designs=readings.pair(space, asked, read),
            inspector=readings.pair(space, real, read_real) if judged else None,
            closest=copies.ClosestPairs(images(4, 8, 8), images(4, 8, 8), np.linspace(0.05, 0.08, 4))
            if judged
            else None,
        ),
    )


def sheets(space: DesignSpace, *, rows: int = 2, columns: int = 3, channels: int = 3) -> Any:
    p, a = len(space.products), len(space.axes)
    return design_sheets.DesignSheets(
        briefs=brief(space, rows),
        generated=images(rows, columns, 8, 8, channels=channels),
        real=images(rows, columns, 8, 8, channels=channels),
        real_reference=diversity.SAME_BRIEF,
        sweep_values=(-3.0, 0.0, 3.0),
        sweep_briefs=brief(space, p),
        sweeps=images(p, a, 3, 8, 8, channels=channels) if a else None,
        sweep_readings=np.zeros((p, a, 3)) if a else None,
    )


def inspector_report(space: DesignSpace, *, p999: float = 0.15, accuracy: float = 0.999) -> InspectorReport:
    k = len(space.axes)
    return InspectorReport(
        n=2000,
        product_accuracy=accuracy,
        element_accuracy={element.name: accuracy for element in space.elements},
        axes=space.axes,
        axis_mae=(0.03,) * k,
        axis_p95=(0.08,) * k,
        axis_p999=(p999,) * k,
        axis_max=(2 * p999,) * k,
        seed=7919,
        steps=8000,
        fingerprint="0123456789abcdef",
    )


def history(steps: int = 500) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    for step in range(10, steps + 1, 10):
        d_loss = float("nan") if step == 50 else 0.7
        rows.append(
            {"step": step, "d_loss": d_loss, "g_loss": 1.0, "img_per_s": 400.0, "skipped": 2.0, "new_metric": 1.0}
        )
        if step % 100 == 0:
            rows.append({"step": step, "validation/axis_mae": 1 / step, "validation/score": None})
    return rows


PROVENANCE = Provenance(
    *("python train.py", "2026-01-02T03:04:05+00:00", "3.12.0", (), "", "cpu", "1 x cpu", 1, "A cpu", 2),
    system="Linux",
    memory="large pages",
)


def arguments(space: DesignSpace = SPACE, **changes: Any) -> dict[str, Any]:
    """Arguments of `train_page.write`; keywords replace single ones."""
    values: dict[str, Any] = {
        "config": Config(name="tiny", seed=3, train=TrainConfig(steps=500, images=16000, batch=32)),
        "space": space,
        "evaluation": evaluation(space),
        "sheets": sheets(space),
        "history": history(),
        "train": train_result(),
        "inspector": inspector_report(space),
        "provenance": PROVENANCE,
    }
    return values | changes
