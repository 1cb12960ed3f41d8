"""Panels of products: curves, products pooled, and the template."""

import numpy as np
import pytest

from ich_jax import errors
from ich_jax.econometrics.did import two_way
from ich_jax.studies.benefit import daily, reading, simulation

# Unit a is treated from 3 January, unit b is local.
ROWS = (
    ("2025-01-01", "a", "fan", "before", 10),
    ("2025-01-02", "a", "fan", "before", 11.5),
    ("2025-01-03", "a", "fan", "ai", 20),
    ("2025-01-04", "a", "fan", "ai", 21),
    ("2025-01-01", "b", "fan", "local", 9),
    ("2025-01-02", "b", "fan", "local", 8),
    ("2025-01-03", "b", "fan", "local", -7),
    ("2025-01-04", "b", "fan", "local", 9.25),
)


def made(*rows):
    date, unit, product, arm, value = zip(*rows, strict=True)
    return reading.from_rows(date, unit, product, arm, np.array(value, float), source="memory")


def test_curves_by_hand():
    rows = [*ROWS, ("2025-01-01", "c", "fan", "local", 19), ("2025-01-03", "c", "fan", "local", 7)]
    curves = daily.curves(made(*rows).panels[0])
    assert {arm: values.tolist() for arm, (_, values) in curves.items()} == {
        "ai": [20, 21],
        "before": [10, 11.5],
        "local": [14, 8, 0, 9.25],
    }
    assert curves["ai"][0].astype(str).tolist() == ["2025-01-03", "2025-01-04"]


def test_products_pooled_by_hand():
    book = [
        ("2025-01-03", "b", "book", "before", 1),
        ("2025-01-04", "b", "book", "ai", 2),
        ("2025-01-03", "z", "book", "local", 3),
    ]
    both = daily.pooled(made(*ROWS, *book))
    assert both.units.tolist() == ["book: b", "book: z", "fan: a", "fan: b"]
    assert both.periods.astype(str).tolist() == [f"2025-01-0{d}" for d in (1, 2, 3, 4)]
    nan = np.nan
    expected = [[nan, nan, 1, 2], [nan, nan, 3, nan], [10, 11.5, 20, 21], [9, 8, -7, 9.25]]
    np.testing.assert_array_equal(both.outcome, expected)
    assert both.start.tolist() == [3, 4, 2, 4] and both.missing == 5
    simulated = daily.pooled(simulation.simulate().data)
    assert simulated.ever_treated.sum() == 4 and len(simulated.units) == 36 and simulated.missing == 0


@pytest.mark.parametrize("sales", [False, True])
def test_template_can_be_read(tmp_path, sales):
    path = tmp_path / "new" / "template.csv"
    daily.write_template(path, sales=sales)
    one = reading.load_daily(path).panel("figurine")
    assert one.ever_treated.tolist() == [True, False, False] and one.start[0] == 14 and one.missing == 0
    assert two_way.collapsed(one).effect == pytest.approx(6 * 21.0)  # six more sold a day, of 35 yuan that cost 14
    assert path.read_text().splitlines()[1].endswith(",EXAMPLE")
    with pytest.raises(errors.DataError, match="exists already"):
        daily.write_template(path)
