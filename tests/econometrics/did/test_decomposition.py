"""The decomposition against stored references and by hand."""

import jax
import numpy as np
import pytest

from ich_jax.econometrics import panel
from ich_jax.econometrics.did import decomposition, two_way
from tests.econometrics import made

REFERENCE = made.reference("staggered")
PANEL = panel.from_matrix(REFERENCE["y"], REFERENCE["start"])
KEY = jax.random.key(0)
TOGETHER = panel.from_matrix(made.launched_together(), [4] * 3 + [6] * 5)


def test_bacon_is_diff_diff_and_adds_up():
    result = decomposition.bacon(PANEL)
    assert result.weight.sum() == pytest.approx(1.0) and np.all(result.weight > 0)
    assert result.weight @ result.estimate == pytest.approx(two_way.twfe(PANEL).effect, rel=1e-10)
    ours = {
        (kind.replace(" ", "_").replace("never", "never"), int(g), int(c)): (estimate, weight)
        for kind, g, c, estimate, weight in zip(
            result.kind, result.group, result.control, result.estimate, result.weight, strict=True
        )
    }
    for kind, group, control, estimate, weight in REFERENCE["bacon"]:
        key = kind, group - 1, 8 if control == "never_treated" else control - 1
        np.testing.assert_allclose(ours.pop(key), (estimate, weight), rtol=1e-9)
    assert not ours
    assert result.forbidden == pytest.approx(sum(w for k, *_, w in REFERENCE["bacon"] if k == "later_vs_earlier"))
    assert decomposition.bacon(TOGETHER).forbidden == 0.0
