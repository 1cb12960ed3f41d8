"""The kernel against each method by itself, and levels that are known."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ich_jax import errors
from ich_jax.econometrics import panel
from ich_jax.econometrics.did import two_way
from ich_jax.econometrics.synthetic import conformal
from ich_jax.econometrics.synthetic import control as sc
from ich_jax.studies.benefit import calibration, changes
from ich_jax.studies.benefit.methods.table import CHANGES
from ich_jax.uncertainty import float64

KEY = jax.random.key(1)
OF_PANEL = jax.jit(functools.partial(calibration.statistics, n1=2, start=12))
OF_CHANGES = jax.jit(functools.partial(changes.statistics, tests=tuple(CHANGES.values()), n1=2))
SMALL = {"controls": (20,), "periods": (24,), "treated": 2}


@pytest.fixture(scope="module")
def study():
    calls = []
    found = calibration.size_study(
        KEY, autocorrelation=(0.0, 0.8), n_panels=400, n_pairs=40, progress=lambda *done: calls.append(done), **SMALL
    )
    return found, calls


@pytest.mark.parametrize("seed", [0, 1])
def test_kernel_is_the_methods_themselves(seed):
    y = np.random.default_rng(seed).normal(size=(8, 24)).cumsum(axis=1)
    data = panel.from_matrix(y, [12, 12] + [24] * 6)
    draws_of = changes.reassignments(2, 6)
    with float64.enabled():
        values = OF_PANEL(jnp.asarray(y), draws_of)
        of_changes = OF_CHANGES(jnp.asarray(two_way.changes(data)), draws_of)
    np.testing.assert_allclose(values[:6], of_changes, rtol=1e-9)
    study = sc.study(panel.from_matrix(y[[0, *range(2, 8)]], [12] + [24] * 6))
    expected = [sc.placebo_in_space(study).p, conformal.conformal_test(study).p]
    np.testing.assert_allclose(values[6:], expected, atol=1e-12)


def test_levels_that_are_known(study):
    """Units are alike, so that reassignment and placebo ranks are exact whatever the dependence over time."""
    found, calls = study
    assert calls == [(1, 2), (2, 2)] and found.rejected.shape == (2, 9)
    assert found.autocorrelation.tolist() == [0.0, 0.8] and found.controls.tolist() == [20, 20]
    share = dict(zip(found.methods, found.rejected.T, strict=True))
    expected = {"collapsed t": 0.05, "randomisation": 0.05, "synthetic control, placebo in space": 1 / 21}
    for name, level in expected.items():
        assert np.abs(share[name] - level).max() < 4 * np.sqrt(level * (1 - level) / 400), name
    assert (share["sign flips"] == 0).all()  # two effects cannot give less than .5
    assert share["clustered t"].min() > 0.1
    assert (share["Conley-Taber"] > 0.02).all() and (share["Conley-Taber"] < 0.12).all()
    n = np.array([400] * 8 + [40])
    np.testing.assert_allclose(found.error, np.sqrt(found.rejected * (1 - found.rejected) / n))
    # Between the placebo's level and the bound of its authors.
    bound = sc.LeaveTwoOut(0.0, 190, 0, 21).level_bound(0.05)
    assert share["synthetic control, leave two out"].max() < bound + 4 * np.sqrt(bound * (1 - bound) / 40)


def test_smallest_p(study):
    found, _ = study
    smallest = dict(zip(found.methods, found.smallest_p[0], strict=True))
    assert smallest["randomisation"] == 1 / 231 and smallest["sign flips"] == 0.5
    assert smallest["Conley-Taber"] == 1 / 401 and smallest["wild cluster bootstrap"] == 1 / 1000
    assert (
        smallest["synthetic control, placebo in space"] == 1 / 21 and smallest["conformal, whole trajectory"] == 1 / 24
    )


def test_effects_are_found(study):
    """The same panels with an effect of two standard deviations a day; what cannot reject still does not."""
    found, _ = study
    power = calibration.size_study(KEY, autocorrelation=(0.0, 0.8), n_panels=400, n_pairs=40, effect=2.0, **SMALL)
    share = dict(zip(power.methods, power.rejected.T, strict=True))
    assert share["randomisation"][0] > 0.99 and share["Conley-Taber"][0] > 0.99
    assert share["randomisation"][1] > found.rejected[1, 2] + 0.2
    assert share["synthetic control, placebo in space"][0] > 0.3 and share["synthetic control, leave two out"][0] > 0.3
    assert (share["sign flips"] == 0).all()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"autocorrelation": (0.0, 1.0)}, r"autocorrelation: got 1.0; expected numbers inside \(-1, 1\)"),
        ({"controls": (1,)}, "controls: got 1; expected whole numbers from 2"),
        ({"periods": ()}, "periods: got 'none'"),
        ({"alpha": 5}, "alpha: got 5"),
        ({"n_panels": 10}, "n_panels"),
        ({"effect": float("nan")}, "effect"),
        ({"n_pairs": 2000}, "n_pairs: got 2000; expected a whole number from 20 to 1000"),
    ],
)
def test_bad_input_is_refused(change, message):
    with pytest.raises(errors.ConfigError, match=message):
        calibration.size_study(KEY, **change)
