"""The table of methods, which audit, estimates, size study, tables and page follow.

A new method is a row in the module of its family, with the function that calls its estimator.
"""

from ich_jax.studies.benefit.changes import ChangeTest
from ich_jax.studies.benefit.methods import means, series, weights
from ich_jax.studies.benefit.methods.method import Method
from ich_jax.studies.benefit.refits import ErrorTest, SeriesTest

METHODS: tuple[Method, ...] = (*means.ROWS, *weights.ROWS, *series.ROWS)
"""All methods, in the order in which estimates are shown."""

BY_NAME = {method.name: method for method in METHODS}
"""The same by name."""

CHANGES: dict[str, ChangeTest] = dict(
    sorted(
        ((m.name, m.simulate) for m in METHODS if isinstance(m.simulate, ChangeTest)), key=lambda item: item[1].column
    )
)
"""Tests of changes by name, in the order of their columns."""

REFITTED: dict[str, SeriesTest] = {m.name: m.simulate for m in METHODS if isinstance(m.simulate, SeriesTest)}
"""Tests of the treated series, which fit weights in every simulated panel."""

ERRORS: dict[str, ErrorTest] = {m.name: m.simulate for m in METHODS if isinstance(m.simulate, ErrorTest)}
"""Methods with a standard error, which fit weights in every simulated panel."""

WEIGHTED: tuple[Method, ...] = tuple(m for m in METHODS if m.counts is not None and m.name not in CHANGES)
"""The other methods that the audit judges; they fit weights."""

CANDIDATES: tuple[Method, ...] = tuple(sorted((m for m in METHODS if m.preference), key=lambda m: m.preference))
"""Methods that can give the main estimate, in order of preference where they find equal effects."""

RANDOMISATION, COLLAPSED = "randomisation", "collapsed t"
"""Main estimates where no candidate is usable; the page opens with the least p of the former."""
