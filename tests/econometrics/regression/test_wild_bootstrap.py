"""The wild cluster bootstrap against refitting every draw, and against wildboottest."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ich_jax import errors
from ich_jax.econometrics.regression import covariance, linear, wild_bootstrap
from ich_jax.uncertainty import float64
from tests import helpers
from tests.econometrics import made

REFERENCE = made.reference("wild")
DATA = made.columns(made.reference("linear")["data"])
KEY = jax.random.key(0)


def fitted(design, weights=None, y=DATA["y"]):
    if design == "ols":
        return linear.fit(y, {name: DATA[name] for name in ("x1", "x2", "treated")}, weights=weights)
    absorb = {name: DATA[name] for name in ("unit", "period")[: 1 if design == "unit" else 2]}
    return linear.fit(y, {name: DATA[name] for name in ("x1", "treated")}, weights=weights, absorb=absorb)


@pytest.mark.parametrize("case", [case for case in REFERENCE["cases"] if case.endswith("True")])
def test_equal_to_wildboottest(case):
    """Every draw of the enumeration; in the two-way design the peer counts the dummies in its factor, which cancels.

    Its p-value is no reference: it leaves out draws that tie with the data where rounding lets it, and so changes with
    the order of the rows (.0625 and 0). Ours counts them: with the hypothesis imposed the data's own signs and their
    reverse always tie.
    """
    expected = REFERENCE["cases"][case]
    design, cluster, _ = case.split()
    test = wild_bootstrap.wild_cluster(fitted(design), "treated", DATA[cluster])
    factor = expected["t"] / test.t
    assert test.exact and len(test.draws) == 2 ** len(test.clusters)
    np.testing.assert_allclose(factor, 1.0, rtol=1e-10 if design == "ols" else 0.1)
    np.testing.assert_allclose(np.sort(np.abs(test.draws)) * factor, expected["abs_draws"], rtol=1e-8)
    draws, t = np.array(expected["abs_draws"]), abs(expected["t"])
    assert test.p == (draws >= t * (1 - 1e-9)).mean() >= 2 / len(draws)


@pytest.mark.parametrize("impose_null", [True, False])
@pytest.mark.parametrize(("design", "weights"), [("ols", DATA["weight"]), ("unit", None), ("two_way", DATA["weight"])])
def test_draws_are_refits(design, weights, impose_null):
    fit = fitted(design, weights)
    region, r = DATA["region"], 0.3
    test = wild_bootstrap.wild_cluster(fit, "treated", region, null=r, impose_null=impose_null)
    j = fit.names.index("treated")

    def t_of(y, centre):
        again = fitted(design, weights, y)
        v = covariance.cluster(again, region)
        return (again.beta[j] - centre) / np.sqrt(v.matrix[j, j])

    assert test.t == pytest.approx(t_of(DATA["y"], r), rel=1e-9)
    if impose_null:
        x = {name: DATA[name] for name in fit.names if name not in ("treated", linear.INTERCEPT)}
        absorb = {a.name: a.codes for a in fit.absorbed}
        residual = linear.fit(DATA["y"] - r * DATA["treated"], x, weights=weights, absorb=absorb).residuals
    else:
        residual = fit.residuals
    fitted_values, centre = DATA["y"] - residual, r if impose_null else fit.beta[j]
    signs = np.array(list(itertools.product([1, -1], repeat=5)))[:, ::-1]
    for b in (0, 3, 17, 30):
        expected = t_of(fitted_values + residual * signs[b][(region).astype(int)], centre)
        assert test.draws[b] == pytest.approx(expected, rel=1e-7)


def test_smallest_p_and_an_unbounded_set():
    """Five clusters cannot reject at 5 %: the least p is 2 / 32, and every hypothesis is kept."""
    test = wild_bootstrap.wild_cluster(fitted("ols"), "treated", DATA["region"])
    assert test.smallest_p == 2 / 32 and test.p >= test.smallest_p
    assert (test.low, test.high) == (-np.inf, np.inf)
    narrower = wild_bootstrap.wild_cluster(fitted("ols"), "treated", DATA["region"], confidence=0.8)
    assert -np.inf < narrower.low < narrower.estimate < narrower.high < np.inf


@pytest.mark.parametrize("impose_null", [True, False])
def test_confidence_set_inverts_the_test(impose_null):
    fit = fitted("ols")
    test = wild_bootstrap.wild_cluster(fit, "x1", DATA["unit"], impose_null=impose_null, confidence=0.9)
    width = test.high - test.low
    for end, outwards in ((test.low, -1), (test.high, 1)):
        inside, outside = (
            wild_bootstrap.wild_cluster(
                fit, "x1", DATA["unit"], null=end + s * 1e-6 * width, impose_null=impose_null, confidence=None
            )
            for s in (-outwards, outwards)
        )
        assert inside.p > 0.1 >= outside.p


@pytest.mark.parametrize("weights", wild_bootstrap.WEIGHTS)
def test_weights_have_mean_0_and_variance_1(weights):
    with float64.enabled():
        v = np.asarray(wild_bootstrap.draw_weights(KEY, weights=weights, size=5, n_draws=20_000, exact=False))
    assert v.mean() == pytest.approx(0.0, abs=0.02) and v.var() == pytest.approx(1.0, abs=0.03)
    assert (v**3).mean() == pytest.approx(1.0 if weights == "mammen" else 0.0, abs=0.06)
    assert len(np.unique(v)) == {"rademacher": 2, "webb": 6, "mammen": 2, "normal": v.size}[weights]


def test_draws_agree_with_the_enumeration():
    fit = fitted("ols")
    exact = wild_bootstrap.wild_cluster(fit, "x2", DATA["unit"], confidence=None)
    options = {"key": KEY, "max_exact": 1, "n_resamples": 9999, "confidence": None}
    drawn = wild_bootstrap.wild_cluster(fit, "x2", DATA["unit"], **options)
    assert abs(drawn.p - exact.p) < 4 * np.sqrt(exact.p * (1 - exact.p) / 9999) + 1e-4
    webb = wild_bootstrap.wild_cluster(fit, "x2", DATA["unit"], weights="webb", **options)
    assert not webb.exact and webb.smallest_p == 1 / 10_000 and abs(webb.p - exact.p) < 0.05


@pytest.mark.parametrize(
    ("weights", "values"),
    [
        ("rademacher", {1.0: 0.5, -1.0: 0.5}),
        ("webb", {sign * k: 1 / 6 for sign in (-1, 1) for k in (1, 2, 3)}),
        ("mammen", {1.618: 0.2763932, -0.618: 0.7236068}),
    ],
)
def test_no_p_is_below_the_chance_of_weights_that_are_all_alike(weights, values):
    """By enumeration; such weights give the data's own t again."""
    alike = {sign: sum(p**4 for v, p in values.items() if sign * v > 0) for sign in (-1, 1)}
    clusters = np.arange(48) % 4
    treated = (clusters == 0) * 1.0
    y = 5.0 * treated + np.random.default_rng(0).normal(size=48)
    fit = linear.fit(y, {"treated": treated}, intercept=True)
    options = {"key": KEY, "max_exact": 1, "n_resamples": 9999, "confidence": None, "weights": weights}
    for alternative, expected in (("two-sided", sum(alike.values())), ("greater", alike[1])):
        test = wild_bootstrap.wild_cluster(fit, "treated", clusters, alternative=alternative, **options)
        assert test.smallest_p == pytest.approx(max(expected, 1e-4), rel=1e-5)
        assert test.p >= test.smallest_p


def test_one_sided_p_values_by_hand():
    fit = fitted("ols")
    for alternative, sign in (("greater", 1), ("less", -1)):
        test = wild_bootstrap.wild_cluster(fit, "x2", DATA["unit"], alternative=alternative, confidence=None)
        assert test.p == (sign * test.draws >= sign * test.t - 1e-9).mean()
        assert test.smallest_p == 1 / 512


def test_joint_adjusts_with_the_same_draws():
    fits = [fitted("ols", y=y) for y in (DATA["y"], DATA["y"] + DATA["x2"], -DATA["y"] + DATA["treated"] * 4)]
    tests = [wild_bootstrap.wild_cluster(fit, "treated", DATA["unit"], confidence=None) for fit in fits]
    adjusted = wild_bootstrap.joint(tests)
    np.testing.assert_allclose(adjusted.p, [test.p for test in tests])
    largest = np.max([np.abs(test.draws) for test in tests], axis=0)
    best = int(np.argmax([abs(test.t) for test in tests]))
    assert adjusted.p_step_down[best] == (largest >= abs(tests[best].t) * (1 - 1e-9)).mean()
    with pytest.raises(errors.ConfigError, match="same key and options"):
        wild_bootstrap.joint([tests[0], wild_bootstrap.wild_cluster(fits[1], "treated", DATA["region"])])


def test_many_panels_at_once():
    """The kernels vmap: 20 outcomes in one program give what 20 calls give."""
    rng = np.random.default_rng(2)
    x = np.column_stack([np.ones(67), DATA["x1"], DATA["treated"]])
    many = rng.normal(size=(20, 67))
    code = DATA["unit"].astype(int)
    with float64.enabled():
        v = wild_bootstrap.draw_weights(None, weights="rademacher", size=9, n_draws=512, exact=True)

        @jax.jit
        def of(y):
            parts = wild_bootstrap.pieces(jnp.asarray(x), y, jnp.asarray(code), size=9, j=2, impose_null=True)
            t, stars = wild_bootstrap.t_and_draws(parts, v, jnp.asarray(0.0))
            return (jnp.abs(stars) >= jnp.abs(t) * (1 - 1e-9)).astype(jnp.float64).mean()

        p = np.asarray(jax.vmap(of)(jnp.asarray(many)))
    for y, value in zip(many[:5], p, strict=False):
        fit = linear.fit(y, {"x1": DATA["x1"], "treated": DATA["treated"]})
        assert wild_bootstrap.wild_cluster(fit, "treated", code, confidence=None).p == pytest.approx(value, abs=1e-12)


def test_units_and_order_do_not_matter_and_nothing_recompiles():
    order = np.random.default_rng(3).permutation(len(DATA["y"]))
    x = {name: DATA[name] for name in ("x1", "x2", "treated")}
    base = wild_bootstrap.wild_cluster(fitted("ols"), "treated", DATA["unit"])
    moved_fit = linear.fit(5 * DATA["y"][order] + 2, {name: column[order] for name, column in x.items()})
    with helpers.count_compiles() as compiles:
        moved = wild_bootstrap.wild_cluster(moved_fit, "treated", DATA["unit"][order])
    assert compiles.count == 0, compiles.functions
    assert moved.p == base.p and moved.t == pytest.approx(base.t, rel=1e-9)
    np.testing.assert_allclose([moved.low, moved.high], [5 * base.low, 5 * base.high], rtol=1e-7)
    assert base.draws.dtype == np.float64 and jnp.ones(1).dtype == jnp.float32


def test_bad_input_is_refused():
    fit = fitted("ols")
    with pytest.raises(errors.ConfigError, match=r"got 'treatd'; did you mean 'treated'"):
        wild_bootstrap.wild_cluster(fit, "treatd", DATA["unit"])
    with pytest.raises(errors.ConfigError, match="webb weights of 9 clusters must be drawn: pass a key"):
        wild_bootstrap.wild_cluster(fit, "treated", DATA["unit"], weights="webb")
    with pytest.raises(errors.DataError, match="at least two clusters"):
        wild_bootstrap.wild_cluster(fit, "treated", np.zeros(len(DATA["y"])))
    with pytest.raises(errors.ConfigError, match="normal"):
        wild_bootstrap.wild_cluster(fit, "treated", DATA["unit"], weights="gamma")
    with pytest.raises(errors.ConfigError, match="confidence"):
        wild_bootstrap.wild_cluster(fit, "treated", DATA["unit"], confidence=95)
