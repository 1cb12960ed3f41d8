import numpy as np
import pytest

from ich_jax import errors
from ich_jax.uncertainty import survival

# Remission times of 21 leukaemia patients under 6-mercaptopurine and 21 controls, Freireich et al. (1963).
TREATED = [6, 6, 6, 6, 7, 9, 10, 10, 11, 13, 16, 17, 19, 20, 22, 23, 25, 32, 32, 34, 35]
TREATED_SEEN = [1, 1, 1, 0, 1, 0, 1, 0, 0, 1, 1, 0, 0, 0, 1, 1, 0, 0, 0, 0, 0]
CONTROL = [1, 1, 2, 2, 3, 4, 4, 5, 5, 8, 8, 8, 8, 11, 11, 12, 12, 15, 17, 22, 23]


def test_kaplan_meier_of_a_published_example() -> None:
    km = survival.kaplan_meier(TREATED, TREATED_SEEN)
    # Table 1.1 of Kalbfleisch and Prentice.
    assert km.times.tolist() == [6, 7, 10, 13, 16, 22, 23]
    np.testing.assert_allclose(km.survival, [0.857, 0.807, 0.753, 0.690, 0.627, 0.538, 0.448], atol=5e-4)
    assert km.at_risk.tolist() == [21, 17, 15, 12, 11, 7, 6]
    assert (km.median, km.n, km.n_events) == (23.0, 21, 9)
    assert (km.low < km.survival).all() and (km.high > km.survival).all()
    np.testing.assert_allclose((km.low[0], km.high[0]), (0.620, 0.952), atol=1e-3)  # log(-log), as R's survfit has it


def test_log_rank_of_a_published_example() -> None:
    test = survival.log_rank(TREATED + CONTROL, TREATED_SEEN + [1] * 21, ["drug"] * 21 + ["none"] * 21)
    assert test.df == 1
    np.testing.assert_allclose(test.statistic, 16.793, atol=1e-3)
    np.testing.assert_allclose(test.expected, [10.749, 19.251][::-1], atol=1e-3)
    assert test.observed.tolist() == [9, 21]
    np.testing.assert_allclose(test.p, 4.17e-5, rtol=1e-2)


def test_without_censoring_it_is_the_share_that_is_left() -> None:
    times = np.random.default_rng(0).integers(1, 9, 40)
    km = survival.kaplan_meier(times, np.ones(40))
    np.testing.assert_allclose(km.survival, [(times > t).mean() for t in km.times])


def test_what_never_happens_has_no_median() -> None:
    km = survival.kaplan_meier([5, 5], [0, 0])
    assert km.median == np.inf and km.n_events == 0 and len(km.times) == 0


def test_three_alike_groups_do_not_differ() -> None:
    test = survival.log_rank([1, 2, 3] * 3, [1, 1, 0] * 3, np.repeat(["a", "b", "c"], 3))
    assert test.statistic == pytest.approx(0, abs=1e-12) and test.df == 2


def test_bad_input_is_refused() -> None:
    with pytest.raises(errors.DataError, match="none negative"):
        survival.kaplan_meier([-1.0], [1])
    with pytest.raises(errors.DataError, match="two groups"):
        survival.log_rank([1, 2], [1, 1], ["a", "a"])
    with pytest.raises(errors.ConfigError, match="inside"):
        survival.kaplan_meier([1], [1], confidence=1.0)
    for marks in ([1.0, np.nan], ["1", "0"], [2, 1], [None, 1]):
        with pytest.raises(errors.DataError, match="marks of events must be true or false"):
            survival.kaplan_meier([1, 2], marks)
