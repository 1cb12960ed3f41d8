"""Panels in which series are copies or do not vary: p-values keep their floors, or the method refuses."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ich_jax import errors
from ich_jax.econometrics import panel, synthetic
from ich_jax.econometrics.did import few_treated, randomisation
from ich_jax.econometrics.panel import Panel
from ich_jax.econometrics.synthetic import conformal, control
from ich_jax.studies.benefit import refits
from ich_jax.uncertainty import float64

N, T, START = 6, 12, 8
NOISE = 800 + np.random.default_rng(0).normal(0, 25, (N, T))


def made(change: Callable[[np.ndarray], None]) -> Panel:
    y = NOISE.copy()
    change(y)
    return panel.from_matrix(y, [START] + [T] * (N - 1))


def copied_treated(y: np.ndarray) -> None:
    y[3] = y[0]


def copied_before(y: np.ndarray) -> None:
    y[3, :START] = y[0, :START]


def two_copies(y: np.ndarray) -> None:
    y[3], y[5] = y[0], y[0]


def copied_donors(y: np.ndarray) -> None:
    y[4] = y[5]


def alike(y: np.ndarray) -> None:
    y[1:] = y[1]


def constant_donors(y: np.ndarray) -> None:
    y[1:] = 700.0


PANELS = [copied_treated, copied_before, two_copies, copied_donors, alike, constant_donors]


@pytest.mark.parametrize("change", PANELS)
def test_no_p_is_nan_or_below_its_floor(change: Callable[[np.ndarray], None]) -> None:
    data = made(change)
    study = synthetic.study(data)
    floors: dict[str, tuple[float, float]] = {}

    def note(name: str, compute: Callable[[], tuple[float, float]]) -> None:
        try:
            floors[name] = compute()
        except errors.DataError:
            assert change in (alike, constant_donors), name  # nothing else may be refused

    space = control.placebo_in_space(study)
    floors["space"] = space.p, 1 / N
    assert not np.isnan(space.ratio).any() and 1 <= space.rank <= N
    pairs = control.leave_two_out(study)
    floors["pairs"] = pairs.p, 0.0
    note("conformal", lambda: ((test := conformal.conformal_test(study)).p, test.smallest_p))
    note("launches", lambda: ((test := randomisation.randomise(data)).p, test.smallest_p))
    note("coefficient", lambda: (float((test := few_treated.placebo_test(data)).p.min()), test.smallest_p))
    note("changes", lambda: ((test := few_treated.conley_taber(data)).p, test.smallest_p))
    note("sizes", lambda: ((test := few_treated.ferman_pinto(data, np.ones(N), jax.random.key(0))).p, test.smallest_p))
    for name, (p, floor) in floors.items():
        assert floor <= p <= 1, (name, p, floor)
    pool, pre = np.vstack([study.series, study.pool]), control.before_mask(study)
    with float64.enabled():
        kernel = float(refits.placebo_p(jnp.asarray(pool), jnp.asarray(pre), jnp.zeros(1))[0])
    assert kernel == pytest.approx(space.p)


def test_a_copy_of_the_treated_unit_shows_no_effect() -> None:
    found = control.placebo_in_space(synthetic.study(made(copied_treated)))
    assert found.ratio[0] == 0 and found.p == 1
    assert control.synthetic_control(synthetic.study(made(copied_treated))).ratio == 0
    assert control.placebo_in_space(synthetic.study(made(copied_before))).ratio[0] == np.inf


def test_augmentation_needs_donors_that_differ() -> None:
    with pytest.raises(errors.DataError, match="all 5 donors are alike before treatment"):
        synthetic.augmented(synthetic.study(made(alike)))
