"""The comparison of two arms against brute force and scipy."""

import jax
import numpy as np
import pytest
from scipy import stats

from ich_jax import errors
from ich_jax.evaluation import arms
from ich_jax.uncertainty import tolerance

NAMES = ("width", "height")
D, S = 12, 6


def table(plain: np.ndarray, residual: np.ndarray, asked: np.ndarray) -> dict[str, np.ndarray]:
    """Errors `[D, S, A]` of both arms as the long table that `compare_arms` takes, in shuffled order of networks."""
    rows: dict[str, list[np.ndarray]] = {"requested": [], "read": [], "arm": [], "seed": []}
    for name, error in (("residual", residual), ("plain", plain)):
        for s in range(error.shape[1]):
            rows["requested"].append(asked)
            rows["read"].append(asked + error[:, s])
            rows["arm"].append(np.full(len(asked), name))
            rows["seed"].append(np.full(len(asked), 10 + s))
    return {key: np.concatenate(parts) for key, parts in rows.items()}


@pytest.fixture(scope="module")
def made() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    asked = rng.uniform(-3, 3, (D, 2))
    design, network = rng.normal(0, 0.1, (D, 1, 2)), rng.normal(0, 0.05, (1, S, 2))
    plain = design + network + rng.normal(0.1, 0.4, (D, S, 2))
    residual = design + network + rng.normal(0, 0.15, (D, S, 2))
    return asked, plain, residual


@pytest.fixture(scope="module")
def found(made: tuple[np.ndarray, np.ndarray, np.ndarray]) -> arms.ArmComparison:
    asked, plain, residual = made
    own = np.random.default_rng(5).normal(0, 0.05, (40, 2))
    return arms.compare_arms(**table(plain, residual, asked), names=NAMES, inspector_error=own, n_resamples=2000)


def test_figures_by_hand(found: arms.ArmComparison, made: tuple[np.ndarray, ...]) -> None:
    asked, plain, residual = made
    assert (found.n_designs, found.seeds, found.names) == (D, tuple(range(10, 10 + S)), NAMES)
    for of, error in ((found.plain, plain), (found.residual, residual)):
        for a, axis in enumerate(of.axes):
            e = error[:, :, a]
            assert (axis.name, axis.n, axis.beyond) == (NAMES[a], D * S, (np.abs(e) > 0.5).sum())
            assert axis.bias.value == pytest.approx(e.mean())
            assert axis.mae.value == pytest.approx(np.abs(e).mean())
            assert axis.rmse.value == pytest.approx(np.sqrt((e**2).mean()))
            assert axis.p95 == pytest.approx(np.quantile(np.abs(e), 0.95))
            assert axis.max == pytest.approx(np.abs(e).max())
            assert axis.skill == pytest.approx(1 - (e**2).mean() / asked[:, a].var())
            assert axis.mae.interval.low < axis.mae.value < axis.mae.interval.high
            assert axis.upper_limits == (None,) * S  # twelve designs cannot say it
        for s, one in enumerate(of.by_seed):
            beyond = (np.abs(error[:, s]) > 0.5).any(axis=1).sum()
            assert one.any_beyond == beyond
            exact = stats.binomtest(int(beyond), D).proportion_ci(0.95, "exact")
            assert (one.any_interval.low, one.any_interval.high) == pytest.approx((exact.low, exact.high))
            bound = stats.binomtest(int(beyond), D, alternative="less").proportion_ci(0.95, "exact").high
            assert of.contents[s].content == pytest.approx(1 - bound)
    for a, contrast in enumerate(found.contrasts):
        d = np.abs(plain[:, :, a]) - np.abs(residual[:, :, a])
        assert contrast.difference.value == pytest.approx(d.mean())
        assert contrast.by_seed == pytest.approx(d.mean(axis=0))
        assert contrast.ratio.value == pytest.approx(np.abs(residual[:, :, a]).mean() / np.abs(plain[:, :, a]).mean())


def test_intervals_against_a_bootstrap_in_numpy(found: arms.ArmComparison, made: tuple[np.ndarray, ...]) -> None:
    _, plain, residual = made
    d, rng = np.abs(plain) - np.abs(residual), np.random.default_rng(1)
    drawn: dict[str, list[np.ndarray]] = {"both": [], "designs": [], "seeds": []}
    for _ in range(4000):
        i, j = rng.integers(0, D, D), rng.integers(0, S, S)
        drawn["both"].append(d[i][:, j].mean(axis=(0, 1)))
        drawn["designs"].append(d[i].mean(axis=(0, 1)))
        drawn["seeds"].append(d[:, j].mean(axis=(0, 1)))
    for a, contrast in enumerate(found.contrasts):
        assert contrast.over_seeds is not None
        intervals = {
            "both": contrast.difference.interval,
            "designs": contrast.over_designs,
            "seeds": contrast.over_seeds,
        }
        for name, interval in intervals.items():
            low, high = np.quantile(drawn[name], [0.025, 0.975], axis=0)[:, a]
            assert (interval.low, interval.high) == pytest.approx((low, high), abs=0.15 * (high - low))


def test_design_level_agrees_with_scipy(found: arms.ArmComparison, made: tuple[np.ndarray, ...]) -> None:
    _, plain, residual = made
    d = (np.abs(plain) - np.abs(residual)).mean(axis=1)
    for a, name in enumerate(NAMES):
        exact = stats.permutation_test(
            (d[:, a],), lambda x, axis: x.mean(axis), permutation_type="samples", n_resamples=np.inf, vectorized=True
        )
        assert found.test("designs").p[name] == pytest.approx(exact.pvalue, abs=1e-9)  # |t| grows with |mean|
    assert found.test("designs").smallest_p == 2 ** (1 - D)


def test_inspector_error_is_set_beside_and_propagated(found: arms.ArmComparison) -> None:
    assert found.inspector is not None
    assert found.inspector.n == D
    for of in (found.plain, found.residual):
        for axis in of.axes:
            assert axis.rmse_corrected is not None and axis.rmse_corrected < axis.rmse.value
            assert axis.rmse_corrected == pytest.approx(np.sqrt(axis.rmse.value**2 - 0.05**2), abs=0.01)
            assert axis.beyond_surely <= axis.beyond <= axis.beyond_possibly


def test_299_designs_without_any_beyond_hold_a_tolerance_statement() -> None:
    rng = np.random.default_rng(2)
    asked = rng.uniform(-3, 3, (299, 2))
    plain, residual = rng.uniform(-0.9, 0.9, (299, 2, 2)), rng.uniform(-0.4, 0.4, (299, 2, 2))
    found = arms.compare_arms(**table(plain, residual, asked), names=NAMES, n_resamples=99)
    assert [content.content > 0.99 for content in found.residual.contents] == [True, True]
    assert [content.content > 0.99 for content in found.plain.contents] == [False, False]
    for a, axis in enumerate(found.residual.axes):
        assert axis.upper_limits == pytest.approx(np.abs(residual[:, :, a]).max(axis=0))
        least = tolerance.limits(np.abs(residual[:, 0, a]), content=0.99, side="upper")
        assert axis.upper_limits[0] == pytest.approx(least.high)
    assert not any("designs per network" in note for note in found.notes)
    assert any("own error was not measured" in note for note in found.notes)
    fewer = table(plain[:298], residual[:298], asked[:298])
    notes = arms.compare_arms(**fewer, names=NAMES, n_resamples=99).notes
    assert any("for 99% it takes 299" in note for note in notes)


def test_tests_are_withheld_or_named_powerless() -> None:
    rng = np.random.default_rng(3)
    asked, plain = rng.uniform(-3, 3, (9, 2)), rng.normal(0, 1, (9, 2, 2))
    one = arms.compare_arms(**table(plain[:, :1], plain[:, :1] / 2, asked), names=NAMES, n_resamples=99)
    assert one.test("seeds").withheld.startswith("a test over seeds needs two")
    assert (one.test("seeds").p, one.test("seeds").smallest_p) == ({}, None)
    assert one.contrasts[0].over_seeds is None
    two = arms.compare_arms(**table(plain, plain / 2, asked), names=NAMES, n_resamples=99)
    assert two.test("seeds").smallest_p == 0.5
    assert any("2 seeds cannot give a p below 0.5" in note for note in two.notes)
    equal = plain.copy()
    equal[..., 0] /= 2
    same = arms.compare_arms(**table(plain, equal, asked), names=NAMES, n_resamples=99)
    assert "equal along height" in same.test("designs").withheld


def test_the_order_of_rows_of_networks_does_not_matter(made: tuple[np.ndarray, ...]) -> None:
    asked, plain, residual = made
    rows = table(plain, residual, asked)
    order = np.argsort(rows["seed"], kind="stable")
    shuffled = {name: column[order] for name, column in rows.items()}
    key = jax.random.key(7)
    one = arms.compare_arms(**rows, names=NAMES, n_resamples=99, key=key)
    two = arms.compare_arms(**shuffled, names=NAMES, n_resamples=99, key=key)
    assert one == two


def changed(rows: dict[str, np.ndarray], name: str, at: int, value: object) -> dict[str, np.ndarray]:
    column = rows[name].copy()
    column[at] = value
    return rows | {name: column}


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda rows: changed(rows, "arm", 3, "plane"), "expected the arms"),
        (lambda rows: rows | {"seed": rows["seed"] + (rows["arm"] == "plain")}, "one arm only"),
        (lambda rows: changed(rows, "read", 3, np.nan), "row 3"),
        (lambda rows: changed(rows, "requested", 3, 0.0), "same designs"),
        (lambda rows: {name: column[1:] for name, column in rows.items()}, "same designs"),
        (lambda rows: rows | {"read": rows["read"][:, :1]}, r"must be \[N, 2\]"),
    ],
)
def test_refusals(made: tuple[np.ndarray, ...], change, words: str) -> None:
    asked, plain, residual = made
    with pytest.raises(errors.DataError, match=words):
        arms.compare_arms(**change(table(plain, residual, asked)), names=NAMES, n_resamples=99)
