"""A panel with all that goes wrong: launches on two dates, gaps, an outlet that closes, one that is too sparse."""

import dataclasses
import math

import numpy as np
import pytest

from ich_jax import config, errors
from ich_jax.econometrics import panel
from ich_jax.studies.benefit import analysis, checks, daily, prepared

EFFECT, DAYS = 30.0, 60
OPTIONS = config.AnalysisConfig(n_simulations=100, n_refits=20, n_resamples=199, n_placebos=20)
CONFIG = config.BenefitConfig(analysis=OPTIONS, plan=config.PlanConfig(investment=1000.0))


def made(effect=EFFECT):
    """Units 0 to 2 are treated (from day 30, 30 and 40), 3 to 11 local; unit 10 closes on day 20, unit 11 is sparse."""
    rng = np.random.default_rng(5)
    start = np.array([30, 30, 40, *([DAYS] * 9)])
    y = 100.0 + 2.0 * rng.normal(size=(12, DAYS)) + 5.0 * rng.normal(size=DAYS)
    y += effect * (np.arange(DAYS) >= start[:, None])
    observed = rng.random(y.shape) > 0.01
    observed[10, 20:] = False
    observed[11, ::3] = False
    days = np.datetime64("2025-06-02") + np.arange(DAYS) * np.timedelta64(1, "D")
    units = np.array([f"u{i:02d}" for i in range(12)])
    one = panel.Panel(units, days, np.where(observed, y, np.nan), observed, start)
    return daily.Daily(("fan",), (one,), "made")


@pytest.fixture(scope="module")
def found():
    data = made()
    products = prepared.audit_products(data, CONFIG)
    return analysis.estimate(data, products, CONFIG, truth={"fan": EFFECT})


def test_what_is_left_out_is_said(found):
    text = "\n".join(found.products[0].notes)
    assert "1 local units are not observed on two days before 2025-07-02" in text and "u10" in text
    assert "treatment starts on 2 dates" in text and "miss more than 10% of the periods: u11" in text
    assert "periods in which a unit is missing" in text and "too few for weeks" in text
    assert "interrupted time series: not computed: an interrupted time series needs one launch" in text
    by_name = {e.method: e for e in found.products[0].estimates}
    assert "days of local units are missing and count as at the mean of the others" in text
    assert "units that are observed in both days of a comparison" in by_name["Callaway-Sant'Anna"].note
    assert "is not known under gaps" in by_name["two-way fixed effects"].note


def test_every_method_that_applies_finds_the_effect(found):
    product = found.products[0]
    by_name = {e.method: e for e in product.estimates}
    always = {"randomisation", "imputation", "two-way fixed effects", "Callaway-Sant'Anna"}
    assert always | {"conformal, whole trajectory"} <= by_name.keys()
    assert not {"collapsed t", "Conley-Taber", "interrupted time series"} & by_name.keys()  # they need one launch
    assert all(abs(e.effect - EFFECT) < 3.0 for e in product.estimates)
    assert product.main is by_name["randomisation"] and product.main.low < EFFECT < product.main.high
    assert product.main.smallest_p == pytest.approx(1 / (55 * 9))  # two of 11 units, then one of the other 9
    assert found.together is None and found.method == "randomisation"


def test_checks_and_money(found):
    product = found.products[0]
    kinds = {c.name for c in product.heterogeneity}
    assert {"on Monday to Friday", "on Saturday and Sunday", "first third after the launch"} <= kinds
    assert all(abs(c.effect - EFFECT) < 8.0 for c in (*product.heterogeneity, *product.robustness))
    pretended = [c for c in product.sensitivity if "pretended" in c.name]
    assert len(pretended) == 2 and all(abs(c.effect) < 5.0 for c in pretended)
    assert product.value.per_day == (product.main.effect, product.main.low, product.main.high)
    assert product.value.break_even_day[0] == pytest.approx(34, abs=3)
    assert product.pre_trend.p > 0.05 and abs(product.pre_trend.implied) < 6.0


def test_an_unbounded_interval_has_no_value(found):
    product = found.products[0]
    main = dataclasses.replace(product.main, low=-math.inf, high=math.inf)
    assert checks.sensitivity(product.prepared, main, product.pre_trend, None)[1].effect == 0.0
    with pytest.raises(errors.DataError, match="unbounded"):
        analysis._value(main, CONFIG, prepared.key_of(CONFIG, 0, 6))


def test_each_product_has_its_own_method_where_none_serves_all(found):
    one = found.products[0].prepared
    useless = dataclasses.replace(
        one.audit, methods=tuple(dataclasses.replace(m, usable=False) for m in one.audit.methods)
    )
    methods, words = prepared.choose((one, dataclasses.replace(one, name="book", audit=useless)))
    assert methods == ("randomisation", "randomisation") and "book: randomisation, since no method is usable" in words
    assert prepared.choose((one, one))[0] == ("randomisation", "randomisation")


def test_launches_of_several_products_are_told_apart(found):
    """Other units: within each product. The same units and days: one decision. Between: no joint test, and why."""
    one = found.products[0].prepared
    renamed = dataclasses.replace(one.scaled, units=np.array([f"other {u}" for u in one.scaled.units]))
    assert analysis._joined((one, dataclasses.replace(one, name="book", scaled=renamed))) == (False, "")
    assert analysis._joined((one, dataclasses.replace(one, name="book"))) == (True, "")
    later = dataclasses.replace(one.scaled, start=np.where(one.scaled.start == 40, 45, one.scaled.start))
    shared, apart = analysis._joined((one, dataclasses.replace(one, name="book", scaled=later)))
    assert not shared and "unit u00 launches fan and book" in apart
