"""Writes tests/reference/*.json: numbers that other implementations give, for the tests to agree with.

    python scripts/make_references.py [--check] [name ...]

`--check` computes them again with other hash seeds, orders of rows and names, see `peers/references.py`. Both need the
extra `peers` (`pip install -e ".[peers]"`); the tests that compare with these numbers need none of it. Each file names
the versions behind its numbers.
"""

import json
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
from peers.references import arranged, main, n_draws, order, shuffled, unshuffled, versions


def multiplicity() -> dict[str, Any]:
    """Adjusted p-values of statsmodels, and the step-down procedures of pyfixest."""
    from pyfixest.estimation.post_estimation.multcomp import _get_rwolf_pval, _get_wyoung_pval
    from statsmodels.stats.multitest import multipletests

    p = [0.001, 0.03, 0.02, 0.8, 0.02, 0.049, 1.0, 0.0]
    rng = np.random.default_rng(20)
    t, draws = np.array([2.4, -0.3, 1.9, -2.1]), rng.normal(size=(199, 4))
    draws[:, 1] = 0.8 * draws[:, 0] + 0.6 * draws[:, 1]
    p4, draws_p = np.array([0.01, 0.3, 0.04, 0.02]), rng.uniform(size=(200, 4)) ** 1.5
    methods = {"bonferroni": "b", "holm": "h", "hochberg": "sh", "benjamini_hochberg": "fdr_bh"}
    methods |= {"benjamini_yekutieli": "fdr_by"}
    return {
        "versions": versions("statsmodels", "pyfixest"),
        "p": p,
        "adjusted": {
            ours: unshuffled(multipletests(shuffled(p), method=theirs)[1]).tolist() for ours, theirs in methods.items()
        },
        "t": t.tolist(),
        "t_draws": draws.tolist(),
        "romano_wolf": _get_rwolf_pval(t.copy(), shuffled(draws)).tolist(),
        "p4": p4.tolist(),
        "p4_draws": draws_p.tolist(),
        "westfall_young": _get_wyoung_pval(p4.copy(), shuffled(draws_p)).tolist(),
    }


def small_panel() -> dict[str, list[float]]:
    """Nine units, eight periods, some rows missing; two clusterings, weights, a count and a binary outcome."""
    rng = np.random.default_rng(7)
    unit, period = np.repeat(np.arange(9), 8), np.tile(np.arange(8), 9)
    here = rng.uniform(size=72) < 0.9
    unit, period = unit[here], period[here]
    n = len(unit)
    x1, x2 = rng.normal(size=n) + 0.3 * unit, rng.normal(size=n) * (1 + 0.2 * period)
    treated = ((unit % 3 == 0) & (period >= 4)).astype(float)
    effects = rng.normal(size=9)[unit] + rng.normal(size=8)[period]
    y = 2 + 0.7 * x1 - 0.4 * x2 + 1.5 * treated + effects + rng.normal(size=n) * (0.5 + 0.1 * unit)
    table = {"y": y, "x1": x1, "x2": x2, "treated": treated, "weight": rng.uniform(0.5, 2.0, size=n)}
    table |= {"count": rng.poisson(np.exp(0.3 + 0.3 * x1)), "won": rng.uniform(size=n) < 1 / (1 + np.exp(-x2))}
    table |= {"unit": unit, "period": period, "region": unit // 2}
    return {name: np.round(column.astype(float), 6).tolist() for name, column in table.items()}


def linear() -> dict[str, Any]:
    """Coefficients and standard errors of pyfixest, statsmodels and linearmodels on the small panel."""
    import pandas as pd
    import statsmodels.api as sm

    frame = arranged(pd.DataFrame(small_panel()), units=("unit", "region"), weights=("weight",))
    x = sm.add_constant(frame[["x1", "x2", "treated"]])
    return {
        "versions": versions("pyfixest", "statsmodels", "linearmodels"),
        "data": small_panel(),
        "pyfixest": _pyfixest_cases(frame),
        "statsmodels": _statsmodels_errors(frame, x),
        "r2": {
            "ols": sm.OLS(frame["y"], x).fit().rsquared,
            "wls": sm.WLS(frame["y"], x, weights=frame["weight"]).fit().rsquared,
        },
        "likelihood": _likelihoods(frame, x),
    }


def _pyfixest_cases(frame: Any) -> dict[str, Any]:
    import pyfixest as pf

    cases: dict[str, Any] = {}

    def feols(case: str, formula: str, vcov: Any, weights: str | None = None, **kwargs: Any) -> None:
        # pyfixest stops demeaning at 1e-6 by default, which shows in the eighth digit of two-way standard errors.
        exact = pf.MapDemeaner(fixef_tol=1e-13, fixef_maxiter=100_000)
        result = pf.feols(formula, frame, vcov=vcov, weights=weights, demeaner=exact, **kwargs)
        cases[case] = {
            "names": result.coef().index.tolist(),
            "beta": result.coef().tolist(),
            "se": result.se().tolist(),
            "p": result.pvalue().tolist(),
        }

    pooled = "y ~ x1 + x2 + treated"
    one_way, two_way = "y ~ x1 + treated | unit", "y ~ x1 + treated | unit + period"
    for weights in (None, "weight"):
        tag = "wls" if weights else "ols"
        for vcov in ("iid", "HC1", "HC2", "HC3", {"CRV1": "unit"}, {"CRV1": "unit + period"}, {"CRV3": "unit"}):
            name = vcov if isinstance(vcov, str) else " ".join(next(iter(vcov.items())))
            if weights is None or name not in ("HC2", "HC3"):
                feols(f"{tag} {name}", pooled, vcov, weights)
        for formula, effects in ((one_way, "unit"), (two_way, "unit+period")):
            for vcov in ("iid", "HC1", {"CRV1": "unit"}, {"CRV1": "region"}, {"CRV1": "unit + period"}):
                name = vcov if isinstance(vcov, str) else " ".join(next(iter(vcov.items())))
                feols(f"{tag} {effects} {name}", formula, vcov, weights)
    for formula, effects in ((one_way, "unit"), (two_way, "unit+period")):
        for weights in (None, "weight"):
            feols(f"{'wls' if weights else 'ols'} {effects} CRV3 unit", formula, {"CRV3": "unit"}, weights)
    feols("ols unit+period CRV3 region", two_way, {"CRV3": "region"})
    for lags in (0, 2):
        panel = {"time_id": "period", "panel_id": "unit", "lag": lags}
        feols(f"ols DK {lags}", pooled, "DK", vcov_kwargs=panel)
    for option in ("none", "full"):
        feols(f"ols unit+period k_fixef={option}", two_way, {"CRV1": "unit"}, ssc=pf.ssc(k_fixef=option))
    feols("ols conventional", pooled, {"CRV1": "unit + period"}, ssc=pf.ssc(G_df="conventional"))
    feols("ols uncorrected", pooled, {"CRV1": "unit"}, ssc=pf.ssc(k_adj=False, G_adj=False))
    return cases


def _statsmodels_errors(frame: Any, x: Any) -> dict[str, Any]:
    """Standard errors of statsmodels, and of linearmodels for Driscoll-Kraay."""
    import linearmodels
    import statsmodels.api as sm

    peers: dict[str, Any] = {}
    for kind in ("HC0", "HC1", "HC2", "HC3"):
        peers[kind] = sm.OLS(frame["y"], x).fit(cov_type=kind).bse.tolist()
        peers[f"wls {kind}"] = sm.WLS(frame["y"], x, weights=frame["weight"]).fit(cov_type=kind).bse.tolist()
    for lags in (0, 1, 4):
        for correct in (False, True):
            options: dict[str, Any] = {"maxlags": lags, "use_correction": correct}
            in_time = sm.OLS(frame["y"].sort_index(), x.sort_index())  # whose rows are in the order of time
            fitted = in_time.fit(cov_type="HAC", cov_kwds=options)
            peers[f"HAC {lags} {correct}"] = fitted.bse.tolist()
    indexed = frame.astype({"unit": int, "period": int}).set_index(["unit", "period"])
    pooled = linearmodels.PooledOLS(indexed["y"], sm.add_constant(indexed[["x1", "x2", "treated"]]))
    for lags in (0, 2):
        options = {"kernel": "bartlett", "bandwidth": lags, "debiased": False}
        peers[f"linearmodels DK {lags}"] = pooled.fit(cov_type="kernel", **options).std_errors.tolist()
    return peers


def _likelihoods(frame: Any, x: Any) -> dict[str, Any]:
    import statsmodels.api as sm

    logit = sm.Logit(frame["won"], x).fit(disp=0, tol=1e-14, maxiter=200)
    poisson = sm.Poisson(frame["count"], x).fit(disp=0, tol=1e-14, maxiter=200)
    likelihood = {}
    for name, model, outcome in (("logit", sm.Logit, "won"), ("poisson", sm.Poisson, "count")):
        plain = {"logit": logit, "poisson": poisson}[name]
        options = {"start_params": plain.params, "disp": 0, "method": "newton"}
        robust = model(frame[outcome], x).fit(cov_type="HC0", **options)
        clustered = model(frame[outcome], x).fit(
            cov_type="cluster", cov_kwds={"groups": frame["unit"], "use_correction": True}, **options
        )
        likelihood[name] = {
            "theta": plain.params.tolist(),
            "llf": float(plain.llf),
            "se": plain.bse.tolist(),
            "se_robust": robust.bse.tolist(),
            "se_cluster": clustered.bse.tolist(),
        }
    return likelihood


def staggered_panel(seed: int = 11) -> tuple[np.ndarray, np.ndarray]:
    """Outcome [24, 8] and first treated period [24] (8: never) of a panel without gaps."""
    rng = np.random.default_rng(seed)
    start = np.array([3] * 5 + [4] * 4 + [6] * 6 + [8] * 9)
    since = np.arange(8) - start[:, None]
    y = rng.normal(size=(24, 1)) + 0.2 * np.arange(8) + rng.normal(size=(24, 8))
    y += np.where(since >= 0, 1.0 + 0.3 * since + 0.2 * (start[:, None] == 6), 0.0)
    return np.round(y, 6), start


def staggered() -> dict[str, Any]:
    """Callaway-Sant'Anna, imputation and Bacon of diff-diff, did2s and TWFE of pyfixest."""
    import diff_diff
    import pandas as pd
    import pyfixest as pf

    y, start = staggered_panel()
    units, periods = y.shape
    frame = pd.DataFrame({"y": y.ravel(), "unit": np.repeat(np.arange(units), periods)})
    frame["period"] = np.tile(np.arange(periods), units) + 1
    frame["g"] = np.where(start < periods, start + 1, 0).repeat(periods)
    frame["d"] = ((frame["g"] > 0) & (frame["period"] >= frame["g"])).astype(float)
    frame["rel"] = np.where(frame["g"] > 0, frame["period"] - frame["g"], -1)
    frame["region"] = frame["unit"] // 3
    frame = arranged(frame, units=("unit", "region"))
    columns = {"outcome": "y", "unit": "unit", "time": "period", "first_treat": "g"}
    cs: dict[str, Any] = {}
    for control, theirs in (("never", "never_treated"), ("not_yet", "not_yet_treated")):
        for base in ("varying", "universal"):
            model = diff_diff.CallawaySantAnna(control_group=theirs, base_period=base, estimation_method="reg")
            fit = model.fit(frame, **columns, aggregate="all")
            cells = {f"{g - 1} {t - 1}": [e["effect"], e["se"]] for (g, t), e in fit.group_time_effects.items()}
            events = {str(e): [v["effect"], v["se"]] for e, v in fit.event_study_effects.items()}
            groups = {str(g - 1): [v["effect"], v["se"]] for g, v in fit.group_effects.items()}
            cs[f"{control} {base}"] = {
                "cells": cells,
                "simple": [fit.overall_att, fit.overall_se],
                "dynamic": events,
                "group": groups,
            }
    clustered = diff_diff.CallawaySantAnna(cluster="region", estimation_method="reg").fit(frame, **columns)
    bjs = diff_diff.ImputationDiD().fit(frame, **columns, aggregate="event_study")
    bacon = diff_diff.BaconDecomposition().fit(frame, **columns)
    exact = {"demeaner": pf.MapDemeaner(fixef_tol=1e-13, fixef_maxiter=100_000)}
    twfe = pf.feols("y ~ d | unit + period", frame, vcov={"CRV1": "unit"}, **exact)
    events = pf.feols("y ~ i(rel, ref=-1) | unit + period", frame, vcov={"CRV1": "unit"}, **exact)
    stages = {"first_stage": "~ 0 | unit + period", "treatment": "d", "yname": "y"}
    did2s = pf.did2s(frame, second_stage="~ d", cluster="unit", **stages)
    did2s_events = pf.did2s(frame, second_stage="~ i(rel, ref=-1)", cluster="unit", **stages)
    regions = pf.did2s(frame, second_stage="~ d", cluster="region", **stages)
    return {
        "versions": versions("pyfixest", "diff-diff"),
        "y": y.tolist(),
        "start": start.tolist(),
        "callaway_santanna": cs,
        "cs_region_se": clustered.overall_se,
        "bjs": {"overall": [bjs.overall_att, bjs.overall_se]}
        | {str(e): [v["effect"], v["se"]] for e, v in bjs.event_study_effects.items()},
        "bacon": [
            [c.comparison_type, c.treated_group, c.control_group, c.estimate, c.weight] for c in bacon.comparisons
        ],
        "twfe": [twfe.coef().iloc[0], twfe.se().iloc[0]],
        "event_study": {name: [events.coef()[name], events.se()[name]] for name in events.coef().index},
        "did2s": [did2s.coef().iloc[0], did2s.se().iloc[0]],
        "did2s_region_se": regions.se().iloc[0],
        "did2s_events": {
            name: [did2s_events.coef()[name], did2s_events.se()[name]] for name in did2s_events.coef().index
        },
    }


def wild() -> dict[str, Any]:
    """Full enumeration of wildboottest, as t of the data and of every sign vector."""
    import pandas as pd
    import statsmodels.api as sm
    from wildboottest.wildboottest import WildboottestCL

    frame = arranged(pd.DataFrame(small_panel()), units=("unit", "region"))
    cases = {}
    ols = sm.add_constant(frame[["x1", "x2", "treated"]])
    dummies = pd.get_dummies(frame[["unit", "period"]].astype(int).astype(str), dtype=float, drop_first=True)
    two_way = pd.concat([sm.add_constant(frame[["x1", "treated"]]), dummies], axis=1)
    for design, x in (("ols", ols), ("two_way", two_way)):
        for cluster in ("unit", "region"):
            for impose in (True, False):
                hypothesis = np.array([float(name == "treated") for name in x.columns])
                boot = WildboottestCL(
                    X=x, Y=frame["y"], cluster=frame[cluster].to_numpy(), R=hypothesis, B=99_999, seed=1
                )
                boot.get_scores(bootstrap_type="11", impose_null=impose, adj=True, cluster_adj=True)
                boot.get_weights(weights_type="rademacher")
                for step in (boot.get_numer, boot.get_denom, boot.get_tboot, boot.get_vcov, boot.get_tstat):
                    step()
                draws = np.sort(np.abs(np.ravel(boot.t_boot)))
                t = float(np.ravel(boot.t_stat)[0])
                # Not its p: rounding decides whether draws that tie with the data count, so p depends on the order of
                # the rows.
                cases[f"{design} {cluster} {impose}"] = {"t": t, "abs_draws": draws.tolist()}
    return {"versions": versions("wildboottest", "statsmodels"), "cases": cases}


def block_panel(treated: int = 3) -> np.ndarray:
    """Outcome [15, 12] of a factor model, donors first; `treated` units are treated from period 8."""
    rng = np.random.default_rng(31)
    y = rng.normal(size=(15, 2)) @ np.cumsum(rng.normal(size=(2, 12)), axis=1) + rng.normal(size=(15, 1)) * 2
    y += 0.3 * rng.normal(size=(15, 12))
    y[15 - treated :, 8:] += 1.5
    return np.round(y, 6)


def synthetic() -> dict[str, Any]:
    """Synthetic difference-in-differences and its relatives of synthdid-py, a port of the R package."""
    import synthdid

    stored = block_panel()
    y = stored[np.concatenate([order(12), 12 + order(3)])]
    fits = {
        "sdid": synthdid.synthdid_estimate(y, 12, 8),
        "sc": synthdid.sc_estimate(y, 12, 8),
        "did": synthdid.did_estimate(y, 12, 8),
        "difp": synthdid.synthdid_estimate(y, 12, 8, weights={"lambda": np.full(8, 1 / 8)}, eta_omega=1e-6),
    }
    sdid = fits["sdid"]
    return {
        "versions": versions("synthdid-py"),
        "y": stored.tolist(),
        "effect": {name: float(fit) for name, fit in fits.items()},
        "unit_weights": {name: unshuffled(fit.weights.omega).tolist() for name, fit in fits.items()},
        "time_weights": {name: np.asarray(fit.weights.lambda_).tolist() for name, fit in fits.items()},
        "jackknife": synthdid.jackknife_se(sdid),
        "placebo_1000": synthdid.placebo_se(sdid, replications=n_draws(1000), random_state=0),
        "bootstrap_1000": synthdid.bootstrap_se(sdid, replications=n_draws(1000), random_state=0),
    }


def autocorrelated(n: int = 60) -> np.ndarray:
    """A series with AR(2) errors, a trend that changes in period 35, and ties."""
    rng = np.random.default_rng(41)
    error, shocks = np.zeros(n + 50), rng.normal(size=n + 50)
    for t in range(2, n + 50):
        error[t] = 0.5 * error[t - 1] + 0.2 * error[t - 2] + shocks[t]
    time = np.arange(n)
    return np.round(20 + 0.05 * time + (time >= 35) * (2 + 0.1 * (time - 35)) + error[50:], 1)


def series() -> dict[str, Any]:
    """Autoregressive errors and their tests of statsmodels, trends of pymannkendall, days off of chinesecalendar."""
    import chinese_calendar
    import pymannkendall
    import statsmodels.api as sm
    from scipy.linalg import toeplitz
    from statsmodels.stats.diagnostic import acorr_ljungbox
    from statsmodels.tsa.arima_process import arma_acovf

    y = autocorrelated()
    time = np.arange(len(y))
    after = time >= 35
    x = np.column_stack([np.ones(len(y)), time, after, after * (time - 35)])
    glsar, gls = {}, {}
    for lags in (1, 3):
        model = sm.GLSAR(y, x, rho=lags)
        fit = model.iterative_fit(maxiter=500, rtol=1e-14)
        ljung_box = acorr_ljungbox(fit.wresid - fit.wresid.mean(), lags=[10], model_df=lags)
        glsar[str(lags)] = {
            "beta": fit.params.tolist(),
            "se": fit.bse.tolist(),
            "p": fit.pvalues.tolist(),
            "rho": model.rho.tolist(),
            "ljung_box_p": float(ljung_box["lb_pvalue"].iloc[0]),
        }
    for rho in ([0.6], [0.4, -0.2, 0.3]):
        sigma = toeplitz(arma_acovf(np.r_[1, -np.array(rho)], [1], len(y)))
        fit = sm.GLS(y, x, sigma=sigma).fit()
        gls[json.dumps(rho)] = {"beta": fit.params.tolist(), "se": fit.bse.tolist()}
    hac = sm.OLS(y, x).fit(cov_type="HAC", cov_kwds={"maxlags": 3, "use_correction": True}, use_t=True)
    fine = np.round(y + np.random.default_rng(42).normal(size=len(y)) / 3, 6)
    trends = {}
    for name, test in (
        ("none", pymannkendall.original_test),
        ("hamed_rao", pymannkendall.hamed_rao_modification_test),
        ("hamed_rao 5", lambda v: pymannkendall.hamed_rao_modification_test(v, lag=6)),
    ):
        # Rounding decides how it ranks tied detrended values; an even number of pairs leaves no ties.
        for piece, values in (("tied", y), ("fine", fine), ("fine, first 40", fine[:40])):
            if name == "none" or piece != "tied":
                outcome = test(values)
                keys = ("s", "Tau", "z", "p", "var_s", "slope", "intercept")
                trends[f"{name}: {piece}"] = {key: float(getattr(outcome, key)) for key in keys}
    holidays: dict[str, list[str]] = {}
    for day, name in sorted(chinese_calendar.holidays.items()):
        if day.year >= 2018:
            holidays.setdefault(str(name), []).append(day.isoformat())
    return {
        "versions": versions("statsmodels", "pymannkendall", "chinesecalendar"),
        "y": y.tolist(),
        "fine": fine.tolist(),
        "glsar": glsar,
        "gls": gls,
        "hac": [hac.params.tolist(), hac.bse.tolist(), hac.pvalues.tolist()],
        "trends": trends,
        "holidays": holidays,
    }


REFERENCES: dict[str, Callable[[], dict[str, Any]]] = {
    "multiplicity": multiplicity,
    "linear": linear,
    "staggered": staggered,
    "wild": wild,
    "synthetic": synthetic,
    "series": series,
}

_DRAWN = "which units the 200 draws of a check take depends on their order: four errors of 5 %, twice"
LOOSE = {f"synthetic/{kind}_1000": (0.28, 0.0, _DRAWN) for kind in ("placebo", "bootstrap")}


if __name__ == "__main__":
    sys.exit(main(REFERENCES, loose=LOOSE))
