"""Tables of several studies: the fields of a config, and the accuracy of the inspector."""

import math
from collections.abc import Iterable
from typing import Any

from ich_jax import config as config_lib
from ich_jax.report.tables import Table
from ich_jax.training.inspector import InspectorReport


def judge_tables(inspector: InspectorReport) -> list[Table]:
    """Accuracy and axis errors of the inspector on held-out real images."""
    samples = (
        f"n = {inspector.n:,} held-out real images \u00b7 inspector seed {inspector.seed}, {inspector.steps:,} steps, "
        f"fingerprint {inspector.fingerprint}"
    )
    accuracies = {"product": inspector.product_accuracy, **inspector.element_accuracy}
    tables = [
        Table(
            "inspector_accuracy",
            "What it reads right on real images",
            ("reads", "accuracy"),
            tuple((name, _judged(value)) for name, value in accuracies.items()),
            f"Share of held-out real images that state it.{_NOT_JUDGED if _gaps(accuracies.values()) else ''}",
            samples,
            (("accuracy", 4),),
        )
    ]
    columns = (inspector.axis_mae, inspector.axis_p95, inspector.axis_p999, inspector.axis_max)
    if inspector.axes:
        tables.append(
            Table(
                "inspector_axes",
                "Its error on the axes of real images",
                ("axis", "MAE", "P95", "P99.9", "max"),
                tuple((name, *map(_judged, figures)) for name, *figures in zip(inspector.axes, *columns, strict=True)),
                f"Absolute error on the scale of the axes (\u22123 to 3).{_NOT_JUDGED if _gaps(columns[0]) else ''}",
                samples,
            )
        )
    return tables


def config_table(config: Any) -> Table:
    """Every field of the configuration."""
    kinds = {kind: config_lib.flatten(config, kind) for kind in ("result", "execution")}
    return Table(
        "config",
        "Configuration",
        ("field", "value", "kind"),
        tuple((name, _value(value), kind) for kind, values in kinds.items() for name, value in sorted(values.items())),
        "`result` fields decide the outcome and are fixed for a work directory; `execution` fields may change on "
        "resume.",
        f"fingerprint {config_lib.fingerprint(config)}",
    )


_NOT_JUDGED = " A dash: not judged, since no held-out image states it."


def _judged(figure: float) -> float | None:
    return None if math.isnan(figure) else figure


def _gaps(figures: Iterable[float]) -> bool:
    return any(map(math.isnan, figures))


def _value(value: object) -> str:
    if isinstance(value, tuple):
        return ", ".join(map(str, value))
    return str(value) if value != "" else "(empty)"
