"""Every covariance against stored numbers of pyfixest, statsmodels and linearmodels, and against its definition."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from ich_jax import errors
from ich_jax.econometrics import panel
from ich_jax.econometrics.did import two_way
from ich_jax.econometrics.regression import covariance, crv3, linear, wild_bootstrap
from tests.econometrics import made

REFERENCE = made.reference("linear")
DATA = made.columns(REFERENCE["data"])


def fitted(case):
    """The fit that a stored case names: 'wls unit+period CRV1 unit' and the like."""
    weights = DATA["weight"] if case.startswith("wls") else None
    effects = {"unit": ("unit",), "unit+period": ("unit", "period")}.get(case.split()[1], ())
    x = {name: DATA[name] for name in (("x1", "treated") if effects else ("x1", "x2", "treated"))}
    return linear.fit(DATA["y"], x, weights=weights, absorb={name: DATA[name] for name in effects})


def asked(case, fit):
    """The covariance that a stored case names."""
    words = case.split()
    labels = [DATA[word] for word in words[words.index("CRV1") + 1 :] if word != "+"] if "CRV1" in words else []
    if "k_fixef" in case:
        small = covariance.SmallSample(k_fixef=case.split("=")[1])
        return covariance.cluster(fit, DATA["unit"], small_sample=small)
    if words[-1] == "conventional":
        small = covariance.SmallSample(G_df="conventional")
        return covariance.cluster(fit, DATA["unit"], DATA["period"], small_sample=small)
    if words[-1] == "uncorrected":
        return covariance.cluster(fit, DATA["unit"], small_sample=covariance.UNCORRECTED)
    if labels:
        return covariance.cluster(fit, *labels)
    if "CRV3" in words:
        return crv3.jackknife(fit, DATA[words[-1]])
    if "DK" in words:
        return covariance.driscoll_kraay(fit, DATA["period"], int(words[-1]))
    return covariance.iid(fit) if words[-1] == "iid" else covariance.heteroskedastic(fit, words[-1])


@pytest.mark.parametrize("case", REFERENCE["pyfixest"])
def test_equal_to_pyfixest(case):
    expected = REFERENCE["pyfixest"][case]
    fit = fitted(case)
    table = covariance.table(fit, asked(case, fit))
    assert [name.replace(linear.INTERCEPT, "Intercept") for name in table.names] == expected["names"]
    np.testing.assert_allclose(table.estimate, expected["beta"], rtol=1e-9)
    np.testing.assert_allclose(table.standard_error, expected["se"], rtol=1e-8)
    np.testing.assert_allclose(table.p, expected["p"], rtol=1e-7, atol=1e-12)


@pytest.mark.parametrize("case", REFERENCE["statsmodels"])
def test_equal_to_statsmodels_and_linearmodels(case):
    words = case.split()
    fit = fitted("wls CRV1" if words[0] == "wls" else "ols CRV1")
    if words[0] == "HAC":
        small = covariance.DEFAULT if words[2] == "True" else covariance.UNCORRECTED
        actual = covariance.newey_west(fit, int(words[1]), small_sample=small)
    elif words[0] == "linearmodels":
        actual = covariance.driscoll_kraay(fit, DATA["period"], int(words[2]), small_sample=covariance.UNCORRECTED)
    else:
        small = covariance.DEFAULT if words[-1] == "HC1" else covariance.UNCORRECTED
        actual = covariance.heteroskedastic(fit, words[-1], small_sample=small)
    np.testing.assert_allclose(np.sqrt(np.diag(actual.matrix)), REFERENCE["statsmodels"][case], rtol=1e-10)


def test_jackknife_is_refitting():
    """CRV3 by leaving out each cluster and fitting again; the classical jackknife multiplies by (G - 1) / G."""
    x = {name: DATA[name] for name in ("x1", "x2", "treated")}
    fit = linear.fit(DATA["y"], x, weights=DATA["weight"])
    change = []
    for unit in np.unique(DATA["unit"]):
        rows = DATA["unit"] != unit
        left = {name: column[rows] for name, column in x.items()}
        change.append(linear.fit(DATA["y"][rows], left, weights=DATA["weight"][rows]).beta - fit.beta)
    expected = sum(np.outer(c, c) for c in change)
    actual = crv3.jackknife(fit, DATA["unit"], small_sample=covariance.UNCORRECTED)
    np.testing.assert_allclose(actual.matrix, expected, rtol=1e-9)
    assert actual.df == 8 and actual.clusters == (9,)


def test_one_row_clusters_are_hc_and_no_lags_are_none():
    fit = fitted("ols CRV1")
    n = len(DATA["y"])
    rows = covariance.cluster(fit, np.arange(n)).matrix
    np.testing.assert_allclose(rows, covariance.heteroskedastic(fit, "HC1").matrix, rtol=1e-12)
    np.testing.assert_allclose(rows, covariance.newey_west(fit, 0).matrix, rtol=1e-12)
    hc3 = covariance.heteroskedastic(fit, "HC3", small_sample=covariance.UNCORRECTED).matrix
    jackknifed = crv3.jackknife(fit, np.arange(n), small_sample=covariance.UNCORRECTED).matrix
    np.testing.assert_allclose(jackknifed, hc3, rtol=1e-9)


def test_order_of_rows_and_names_of_clusters_do_not_matter():
    order = np.random.default_rng(0).permutation(len(DATA["y"]))
    x = {name: DATA[name] for name in ("x1", "x2", "treated")}
    fit, moved = (linear.fit(DATA["y"][i], {k: v[i] for k, v in x.items()}) for i in (slice(None), order))
    names = np.array([f"firm {9 - u:.0f}" for u in DATA["unit"]])
    for method in (covariance.cluster, crv3.jackknife):
        np.testing.assert_allclose(method(moved, names[order]).matrix, method(fit, DATA["unit"]).matrix, rtol=1e-8)
    one, other = (
        covariance.newey_west(f, 3, time=np.arange(len(order))[i]) for f, i in ((fit, slice(None)), (moved, order))
    )
    np.testing.assert_allclose(other.matrix, one.matrix, rtol=1e-8)


def test_only_ratios_of_weights_count():
    """They are inverse variances: ten times each is the same data, in other packages ten times as many rows."""
    x = {name: DATA[name] for name in ("x1", "x2", "treated")}
    one, ten = (linear.fit(DATA["y"], x, weights=scale * DATA["weight"]) for scale in (1.0, 10.0))
    np.testing.assert_allclose(ten.beta, one.beta, rtol=1e-10)
    for method in (
        covariance.iid,
        lambda fit: covariance.heteroskedastic(fit, "HC1"),
        lambda fit: covariance.cluster(fit, DATA["unit"]),
        lambda fit: crv3.jackknife(fit, DATA["unit"]),
    ):
        np.testing.assert_allclose(method(ten).matrix, method(one).matrix, rtol=1e-8)


def test_columns_of_data_frames_in_other_orders_are_refused():
    """Other packages take them by position and say nothing."""
    frame = pd.DataFrame({name: DATA[name] for name in ("y", "x1", "treated", "unit", "period", "weight")})
    turned = frame.iloc[::-1]
    fit = linear.fit(frame["y"], {"x1": frame["x1"]}, weights=frame["weight"])
    expected = covariance.cluster(linear.fit(DATA["y"], {"x1": DATA["x1"]}, weights=DATA["weight"]), DATA["unit"])
    np.testing.assert_array_equal(covariance.cluster(fit, frame["unit"]).matrix, expected.matrix)
    np.testing.assert_array_equal(covariance.cluster(fit, frame["unit"].to_numpy()).matrix, expected.matrix)
    np.testing.assert_array_equal(covariance.cluster(fit, list(frame["unit"])).matrix, expected.matrix)
    for call in (
        lambda: covariance.cluster(fit, turned["unit"]),
        lambda: crv3.jackknife(fit, turned["unit"]),
        lambda: covariance.driscoll_kraay(fit, turned["period"], 1),
        lambda: covariance.newey_west(fit, 1, time=turned["period"]),
        lambda: wild_bootstrap.wild_cluster(fit, "x1", turned["unit"]),
        lambda: linear.fit(frame["y"], {"x1": turned["x1"]}),
        lambda: linear.fit(frame["y"], {"x1": frame["x1"]}, weights=turned["weight"]),
        lambda: linear.fit(frame["y"], {"x1": frame["x1"]}, absorb={"unit": turned["unit"]}),
        lambda: two_way.two_by_two(frame["y"], frame["treated"], turned["treated"]),
        lambda: panel.from_rows(frame["unit"], frame["period"], turned["y"], frame["treated"]),
    ):
        with pytest.raises(errors.DataError, match=r"stand in another order, and rows are taken by position"):
            call()


def test_table_by_hand():
    fit = fitted("ols CRV1")
    table = covariance.table(fit, covariance.cluster(fit, DATA["unit"]), confidence=0.9)
    half = stats.t.ppf(0.95, 8) * table.standard_error
    np.testing.assert_allclose(table.low, table.estimate - half)
    np.testing.assert_allclose(table.high, table.estimate + half)
    np.testing.assert_allclose(table.p, 2 * stats.t.cdf(-np.abs(table.estimate / table.standard_error), 8), rtol=1e-10)
    assert table.covariance == "CRV1" and table.df == 8


def test_bad_input_is_refused():
    fit, within = fitted("ols CRV1"), fitted("ols unit+period")
    with pytest.raises(errors.DataError, match="at least two clusters"):
        covariance.cluster(fit, np.zeros(len(DATA["y"])))
    with pytest.raises(errors.ConfigError, match="one or two clusterings, got 0"):
        covariance.cluster(fit)
    with pytest.raises(errors.DataError, match="one label for each"):
        covariance.cluster(fit, DATA["unit"][1:])
    with pytest.raises(errors.DataError, match=r"1 of .* labels are missing, the first at row 3"):
        covariance.cluster(fit, np.where(np.arange(len(DATA["y"])) == 3, np.nan, DATA["unit"]))
    with pytest.raises(errors.ConfigError, match="HC0, HC1, HC2, HC3"):
        covariance.heteroskedastic(fit, "HC4")
    with pytest.raises(errors.ConfigError, match="HC3 needs the leverage"):
        covariance.heteroskedastic(within, "HC3")
    with pytest.raises(errors.ConfigError, match="lags"):
        covariance.newey_west(fit, -1)
    with pytest.raises(errors.DataError, match="share 8 periods; for a panel use driscoll_kraay"):
        covariance.newey_west(fit, 1, time=DATA["period"])
    with pytest.raises(errors.ConfigError, match="from 0 to 7"):
        covariance.driscoll_kraay(fit, DATA["period"], 8)
    with pytest.raises(errors.ConfigError, match="nonnested"):
        covariance.SmallSample(k_fixef="nested")
    only = {"x1": DATA["x1"], "third": (np.arange(len(DATA["y"])) == 3).astype(float)}
    with pytest.raises(errors.DataError, match="row 3 has leverage 1"):
        covariance.heteroskedastic(linear.fit(DATA["y"], only), "HC3")
