"""Tables that several studies show: the fields of a config, and what the inspector is worth."""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from ich_jax import config as config_lib
from ich_jax.report.tables import Table


class Judge(Protocol):
    """What the report needs of the inspector's own error on held-out real images."""

    @property
    def n(self) -> int:
        """Images."""

    @property
    def product_accuracy(self) -> float:
        """Share of products read right."""

    @property
    def element_accuracy(self) -> Mapping[str, float]:
        """Share read right of each element."""

    @property
    def axes(self) -> Sequence[str]:
        """Names of the axes."""

    @property
    def axis_mae(self) -> Sequence[float]:
        """Mean absolute error of each axis."""

    @property
    def axis_p95(self) -> Sequence[float]:
        """95th percentile of the absolute error."""

    @property
    def axis_p999(self) -> Sequence[float]:
        """99.9th percentile of the absolute error."""

    @property
    def axis_max(self) -> Sequence[float]:
        """Largest absolute error."""

    @property
    def seed(self) -> int:
        """Seed of the inspector."""

    @property
    def steps(self) -> int:
        """Training steps."""

    @property
    def fingerprint(self) -> str:
        """Of data, preparation and configuration."""


def judge_tables(inspector: Judge) -> list[Table]:
    """The inspector's own error."""
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
            tuple(accuracies.items()),
            "Share of held-out real images.",
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
                tuple(zip(inspector.axes, *columns, strict=True)),
                "Absolute error on the scale of the axes (\u22123 to 3).",
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
        "`result` fields decide what comes out and are fixed for a work directory; `execution` fields may change on "
        "resume.",
        f"fingerprint {config_lib.fingerprint(config)}",
    )


def _value(value: Any) -> str:
    if isinstance(value, tuple):
        return ", ".join(map(str, value))
    return str(value) if value != "" else "(empty)"
