"""Counts by hand; detectable effects against theory; what is refused."""

import math

import jax
import numpy as np
import pytest
from scipy import stats

from ich_jax import errors
from ich_jax.econometrics import panel
from ich_jax.studies.benefit import audit
from ich_jax.studies.benefit.counts import Sizes
from ich_jax.studies.benefit.methods.table import BY_NAME, CHANGES

KEY = jax.random.key(5)


def made(n1, n0, before=60, after=30, start=None, seed=0):
    """Independent days of spread 1 about unit and period effects; the treated units first."""
    rng = np.random.default_rng(seed)
    y = rng.normal(size=(n1 + n0, before + after)) + rng.normal(size=(n1 + n0, 1)) + rng.normal(size=before + after)
    first = np.full(n1, before) if start is None else np.asarray(start)
    return panel.from_matrix(y, np.concatenate([first, np.full(n0, before + after)]))


@pytest.fixture(scope="module")
def small():
    return audit.audit(made(4, 4), KEY, block=1, n_simulations=400)


@pytest.fixture(scope="module")
def few():
    return audit.audit(made(1, 7), KEY, block=1, n_simulations=400)


def by_name(result):
    return {m.name: m for m in result.methods}


def test_counts_by_hand(small):
    """Four treated and four others: 70 halves, of which two mirror each other; 16 sign vectors; 5 ranks."""
    found = by_name(small)
    assert (small.treated, small.donors, small.before, small.after, small.starts) == (4, 4, 60, 30, 1)
    expected = {
        "randomisation": (70, 2 / 70),
        "sign flips": (16, 0.125),
        "Conley-Taber": (0, 1.0),
        "wild cluster bootstrap": (128, 1 / 128),
        "synthetic control, placebo in space": (5, 0.2),
        "conformal, whole trajectory": (90, 1 / 90),
        "conformal, each period": (61, 1 / 61),
        "collapsed t": (None, 0.0),
    }
    for name, (distinct, smallest) in expected.items():
        assert (found[name].distinct, found[name].smallest_p) == (distinct, pytest.approx(smallest)), name
    pointless = {name for name, m in found.items() if not m.usable}
    assert {"sign flips", "Conley-Taber", "synthetic control, placebo in space"} <= pointless
    assert "synthetic difference-in-differences, placebo error" in pointless
    assert "collapsed t" not in pointless and "randomisation" not in pointless


def test_placebo_error_and_detectable_effect_follow_from_theory(small):
    """Independent days: the error of an effect is sqrt((1/n1 + 1/n0)(1/T1 + 1/T0)) up to the finite sample."""
    theory = math.sqrt((1 / 4 + 1 / 4) * (1 / 30 + 1 / 60))
    assert small.placebo_error == pytest.approx(theory, rel=0.2)
    # Non-central t with 6 degrees of freedom, power .8 at 5 %.
    limit = stats.t.isf(0.025, 6)
    shift = next(
        s for s in np.arange(2.0, 5.0, 0.001) if stats.nct.sf(limit, 6, s) + stats.nct.cdf(-limit, 6, s) >= 0.8
    )
    found = by_name(small)
    assert found["collapsed t"].detectable == pytest.approx(shift * small.placebo_error, rel=0.12)
    assert abs(found["collapsed t"].size - 0.05) < 4 * math.sqrt(0.05 * 0.95 / 400)
    assert abs(found["randomisation"].size - 2 / 70) < 4 * math.sqrt(0.03 / 400)
    assert found["sign flips"].detectable == math.inf and found["sign flips"].size == 0.0
    assert math.isnan(found["conformal, each period"].detectable)
    assert (np.diff(small.rejected[:, 0]) >= -0.02).all() and small.rejected[-1, 0] > 0.99


def test_one_treated_unit_and_clustered_errors(few):
    """The residual of a single treated unit is zero, so that its clustered error is far too small."""
    found = by_name(few)
    assert found["clustered t"].size > 0.25 and not found["clustered t"].usable
    assert "rejects" in found["clustered t"].reason and found["collapsed t"].usable
    floors = [found[name].smallest_p for name in tuple(CHANGES)[2:]]
    assert floors == pytest.approx([1 / 8, 1.0, 1 / 8, 1 / 128])


def test_dependence_over_time_makes_effects_harder_to_find():
    rng = np.random.default_rng(9)
    shocks, y = rng.normal(size=(8, 90)), np.zeros((8, 90))
    for t in range(1, 90):
        y[:, t] = 0.8 * y[:, t - 1] + shocks[:, t]
    data = panel.from_matrix(y, [60] * 4 + [90] * 4)
    blocks = audit.audit(data, KEY, n_simulations=400)
    days = audit.audit(data, KEY, block=1, n_simulations=400)
    assert blocks.block > 3 and blocks.placebo_error > 1.5 * days.placebo_error


def test_scale_relabelling_and_gaps():
    data = made(4, 4)
    base = audit.audit(data, KEY, block=1, n_simulations=400)
    scaled = audit.audit(panel.from_matrix(7 * data.outcome + 3, data.start), KEY, block=1, n_simulations=400)
    assert scaled.placebo_error == pytest.approx(7 * base.placebo_error)
    np.testing.assert_array_equal(scaled.rejected, base.rejected)
    holes = data.outcome.copy()
    holes[2, 5], holes[6, 70] = np.nan, np.nan
    gaps = audit.audit(panel.from_matrix(holes, data.start), KEY, block=1, n_simulations=400)
    assert gaps.missing == 2 and gaps.placebo_error == pytest.approx(base.placebo_error, rel=0.1)


def test_several_starts(small):
    """Four starts among eight units: 8 x 7 x 6 x 5 ways to hand them out."""
    found = by_name(audit.audit(made(4, 4, start=[60, 62, 64, 66]), KEY, block=1, n_simulations=400))
    assert found["randomisation"].distinct == 1680 and found["randomisation"].smallest_p == 1 / 1680
    assert found["randomisation"].usable and math.isfinite(found["randomisation"].detectable)
    for name in CHANGES.keys() - {"randomisation"}:
        assert not found[name].usable and found[name].reason == "needs one launch, there are 4", name


def test_words(small):
    text = audit.lines(small)
    assert text[0].startswith("4 treated units, 4 donors; 60 periods before the first launch, 30 after")
    flips = next(line for line in text if line.startswith("sign flips"))
    assert "p >= 0.125" in flips and "POINTLESS HERE: 16 distinct draws cannot give a p of 0.05" in flips
    assert len(text) == 2 + len(small.methods)


def test_bad_input_is_refused():
    with pytest.raises(errors.DataError, match="1 untreated units leave nothing"):
        audit.audit(made(4, 1), KEY)
    with pytest.raises(errors.DataError, match="5 periods before the first launch"):
        audit.audit(made(2, 3, before=5), KEY)
    flat = np.arange(8.0)[:, None] + np.arange(90.0) + (np.arange(90) >= 60)
    with pytest.raises(errors.DataError, match="differ by constants alone"):
        audit.audit(panel.from_matrix(flat, [60] * 4 + [90] * 4), KEY, block=1, n_simulations=400)
    with pytest.raises(errors.ConfigError, match="power"):
        audit.audit(made(2, 3), KEY, power=80.0)
    with pytest.raises(errors.ConfigError, match="n_simulations"):
        audit.audit(made(2, 3), KEY, n_simulations=10)
    with pytest.raises(errors.ConfigError, match="whole number from 1 to 60"):
        audit.audit(made(2, 3), KEY, block=61)


def test_a_thousand_units_are_not_too_many_to_count():
    """2^1200 and 400^200 do not fit into a float; their inverses are 0 for all that a p-value can tell."""
    counts = {name: BY_NAME[name].counts(Sizes(200, 1000, 9, 9, (200,)), 0.05) for name in CHANGES}
    assert counts["wild cluster bootstrap"].smallest_p == counts["Conley-Taber"].smallest_p == 0.0
    assert counts["randomisation"].smallest_p < 1e-200
    assert counts["wild cluster bootstrap"].distinct == 2**1199
