"""The table agrees with itself and with what is stored."""

import pytest

from ich_jax.studies.benefit import calibration
from ich_jax.studies.benefit.counts import Sizes
from ich_jax.studies.benefit.methods import table

SIZES = Sizes(treated=2, donors=6, before=60, after=30, by_launch=(2,))


def test_columns_of_stored_rejections_keep_their_places():
    assert [test.column for test in table.CHANGES.values()] == list(range(len(table.CHANGES)))
    stored = ["collapsed t", "clustered t", "randomisation", "sign flips", "Conley-Taber", "wild cluster bootstrap"]
    assert list(table.CHANGES)[:6] == stored
    series = ["synthetic control, placebo in space", "conformal, whole trajectory", "synthetic control, leave two out"]
    assert list(calibration.METHODS)[-3:] == series


def test_names_are_unique_and_shown_in_one_order():
    assert len(table.BY_NAME) == len(table.METHODS)
    assert list(table.BY_NAME)[:4] == ["collapsed t", "randomisation", "clustered t", "wild cluster bootstrap"]
    families = [method.family for method in table.METHODS]
    assert families == sorted(families, key=families.index)


@pytest.mark.parametrize("method", table.METHODS, ids=lambda method: method.name)
def test_each_row_is_complete(method):
    """A simulated method is audited, and the audit shows nothing but methods that test."""
    assert method.simulate is None or method.counts is not None
    assert method.counts is not None or method.preference == 0
    assert method.estimate is not None or method.counts is not None
    if method.counts is not None:
        counts = method.counts(SIZES, 0.05)
        assert 0.0 <= counts.smallest_p <= 1.0 and (counts.distinct is None or counts.distinct >= 1)


def test_candidates_in_order_of_preference():
    names = [method.name for method in table.CANDIDATES]
    assert names[:4] == ["collapsed t", "randomisation", "Conley-Taber", "wild cluster bootstrap"]
    assert [method.preference for method in table.CANDIDATES] == list(range(1, len(names) + 1))
    assert [method.name for method in table.CANDIDATES if method.staggered] == [table.RANDOMISATION]
    assert table.COLLAPSED in names and all(method.estimate for method in table.CANDIDATES)


def test_counts_by_hand():
    """28 pairs of 8 units; 4 signs; 36 draws of 6, of which 21 differ; 128 pairs of signs; 15 pairs of donors."""
    expected = {
        "collapsed t": (0.0, None),
        "randomisation": (1 / 28, 28),
        "sign flips": (0.5, 4),
        "Conley-Taber": (1 / 37, 21),
        "wild cluster bootstrap": (2 / 256, 128),
        "synthetic control, placebo in space": (1 / 7, 7),
        "synthetic control, leave two out": (0.0, 15),
        "conformal, whole trajectory": (1 / 90, 90),
        "conformal, each period": (1 / 61, 61),
        "synthetic difference-in-differences, placebo error": (0.0, 15),
        "synthetic difference-in-differences, jackknife": (0.0, 8),
    }
    for name, (smallest, distinct) in expected.items():
        counts = table.BY_NAME[name].counts(SIZES, 0.05)
        assert counts.smallest_p == pytest.approx(smallest) and counts.distinct == distinct, name
    alike = Sizes(treated=3, donors=3, before=60, after=30, by_launch=(3,))
    assert table.BY_NAME["randomisation"].counts(alike, 0.05).smallest_p == 2 / 20
    assert table.BY_NAME["Conley-Taber"].counts(alike, 0.05).distinct == 0
    assert not table.BY_NAME["synthetic difference-in-differences, placebo error"].counts(alike, 0.05).possible
