"""Long tables by hand: one product of two units, with and without the mark of simulated data."""

import math
from types import SimpleNamespace

import numpy as np
import pytest

from ich_jax.studies.benefit import reading, tidy
from ich_jax.studies.benefit.audit import Verdict
from ich_jax.studies.benefit.methods.method import Estimate

DAYS = [f"2025-01-0{d}" for d in (1, 2, 3)]


def made(simulated):
    panel = reading.from_rows(
        DAYS * 2, ["a"] * 3 + ["b"] * 3, ["fan"] * 6, ["before", "ai", "ai", *["local"] * 3], np.arange(6.0), source="x"
    ).panel("fan")
    methods = (Verdict("collapsed t", 0.0, None, math.nan, math.inf, False, "why"),)
    product = SimpleNamespace(name="fan", raw=panel, bin="day", audit=SimpleNamespace(methods=methods))
    main = Estimate("collapsed t", "difference-in-differences", 1.5, -math.inf, 2.0)
    column = np.array([0.5])
    path = SimpleNamespace(
        relative=np.array([-1]), estimate=column, standard_error=column, low=-column, high=column, treated=np.array([1])
    )
    synthetic = SimpleNamespace(
        periods=np.array(DAYS, "datetime64[D]"),
        treated=np.array([1.0, 2.0, 3.0]),
        path=np.array([1.0, 1.0, 1.0]),
        gap=np.array([0.0, 1.0, 2.0]),
        start=1,
        low=np.array([-math.inf, 1.0]),
        high=np.array([2.0, 3.0]),
        donors=np.array(["b"]),
        placebo_gap=np.array([[0.0, 0.5, 0.25]]),
    )
    value = SimpleNamespace(
        p_break_even=np.array([0.0, 1.0]), investments=np.array([100.0]), acceptability=np.array([0.75])
    )
    estimated = SimpleNamespace(
        prepared=product, path=path, main=main, estimates=(main,), synthetic=synthetic, value=value
    )
    result = SimpleNamespace(products=(estimated,), simulated=simulated)
    return {table.title: table for table in tidy.tidy(result, (product,))}


def test_rows_by_hand():
    tables = made(simulated=False)
    assert tables["curves"].columns == ("product", "arm", "date", "yuan_a_day")
    assert ("fan", "ai", "2025-01-03", 2.0) in tables["curves"].rows and len(tables["curves"].rows) == 6
    assert tables["event_study"].rows == (("fan", "day", -1, 0.5, 0.5, -0.5, 0.5, 1),)
    assert tables["synthetic_control"].rows == (
        ("fan", "day", "2025-01-01", 1.0, 1.0, 0.0, None, None),
        ("fan", "day", "2025-01-02", 2.0, 1.0, 1.0, "unbounded", 2.0),
        ("fan", "day", "2025-01-03", 3.0, 1.0, 2.0, 1.0, 3.0),
    )
    assert tables["placebo_gaps"].rows[1] == ("fan", "b", "day", "2025-01-02", 0.5)
    assert tables["money"].rows == (
        ("fan", "break-even by day", 1.0, 0.0),
        ("fan", "break-even by day", 2.0, 1.0),
        ("fan", "acceptability at investment", 100.0, 0.75),
    )
    assert tables["audit"].rows == (("fan", "collapsed t", 0.0, None, None, "unbounded", False, "why"),)
    ends = (1.5, "unbounded", 2.0, None, None)
    assert tables["estimates"].rows == (
        ("fan", "collapsed t", "difference-in-differences", *ends, "not audited", True),
    )


@pytest.mark.parametrize("simulated", [False, True])
def test_simulated_rows_say_so(simulated):
    for title, table in made(simulated).items():
        assert table.name == (f"simulated_{title}" if simulated else title)
        assert (table.columns[-1] == "data") == simulated
        assert all((row[-1] == "SIMULATED") == simulated and len(row) == len(table.columns) for row in table.rows)
