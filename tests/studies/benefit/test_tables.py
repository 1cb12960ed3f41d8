"""Names that become parts of files, p-values as they are read, what an audit says in one cell."""

import math

import pytest

from ich_jax.studies.benefit import tables as benefit_tables
from ich_jax.studies.benefit.audit import Verdict


def test_stems_are_names_of_files_and_unlike_each_other() -> None:
    names = ["hand puppet / large", "hand puppet: large", "耳环", "***"]
    assert [benefit_tables.stem(name, names) for name in names] == [
        "hand_puppet_large_1",
        "hand_puppet_large_2",
        "耳环",
        "product",
    ]


@pytest.mark.parametrize(
    ("method", "words"),
    [
        (Verdict("a", 0.0, None, 0.048, 27.54, True, ""), "finds 27.5, size 0.048"),
        (Verdict("a", 0.04, 25, math.nan, math.nan, True, ""), "usable: p from 0.04"),
        (Verdict("a", 0.125, 16, 0.0, math.inf, False, ""), "pointless: p from 0.125"),
        (Verdict("a", 0.0, None, 0.45, 13.0, False, ""), "pointless: size 0.450"),
        (
            Verdict("a", 0.0, 0, math.nan, math.nan, False, "needs two treated units"),
            "pointless: needs two treated units",
        ),
        (Verdict("a", 0.004, 256, 0.0, math.inf, False, ""), "pointless: finds nothing"),
    ],
)
def test_what_a_method_can_show(method: Verdict, words: str) -> None:
    assert benefit_tables.can_show(method, 0.05) == words
