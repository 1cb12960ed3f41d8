"""Sign-flip tests against brute force."""

import itertools

import jax
import numpy as np
import pytest
from scipy import stats

from ich_jax.evaluation import level_tests

NAMES = ("width", "height")
S = 6


def test_six_seeds_enumerate_all_flips_and_max_t() -> None:
    d = np.random.default_rng(0).normal((0.2, 0.1), 0.2, (S, 2))

    def t(x: np.ndarray) -> np.ndarray:
        return np.abs(stats.ttest_1samp(x, 0.0, axis=0).statistic)

    null = np.array([t(np.array(signs)[:, None] * d) for signs in itertools.product((1, -1), repeat=S)])
    observed = t(d)
    order = np.argsort(-observed)
    p = {NAMES[a]: (null[:, a] >= observed[a] - 1e-9).mean() for a in range(2)}
    first = (null.max(axis=1) >= observed[order[0]] - 1e-9).mean()
    second = max(first, (null[:, order[1]] >= observed[order[1]] - 1e-9).mean())
    test = level_tests.level_test("seeds", d, NAMES, key=jax.random.key(0))
    assert (test.level, test.units, test.smallest_p, test.withheld) == ("seeds", S, 2 ** (1 - S), "")
    assert test.p == pytest.approx(p)
    assert test.p_max_t == pytest.approx({NAMES[order[0]]: first, NAMES[order[1]]: second})
    assert "trained anew" in test.claim


def test_withheld_for_one_unit_or_equal_arms() -> None:
    single = level_tests.level_test("seeds", np.ones((1, 2)), NAMES, key=jax.random.key(0))
    assert (single.p, single.p_max_t, single.smallest_p) == ({}, {}, None)
    assert "needs two" in single.withheld
    equal = level_tests.level_test("designs", np.array([[1.0, 0.0], [2.0, 0.0]]), NAMES, key=jax.random.key(0))
    assert "equal along height" in equal.withheld
