"""Simulated data: what is matched, what is assumed, and that the truth is in them."""

import numpy as np
import pytest

from ich_jax import config, errors
from ich_jax.econometrics.did import two_way
from ich_jax.studies.benefit import daily, reading, simulation


def test_simulated_data_end_where_the_paper_says():
    found = simulation.simulate()
    data = found.data
    assert data.simulated and data.products == ("book", "earrings", "fan", "figurine")
    assert daily.describe(data)[0].startswith("SIMULATED data from simulation (seed 0")
    for product, final in (("figurine", 1312.0), ("earrings", 1118.0)):
        _, values = daily.curves(data.panel(product))["ai"]
        assert values[-7:].mean() == pytest.approx(final, rel=1e-12)
    for one in data.panels:
        assert one.outcome.shape == (9, 365) and one.missing == 0 and (one.outcome > 0).all()
        assert 0.4 * 365 - 1 <= one.start[0] <= 0.6 * 365


def test_simulated_effects_are_in_the_data():
    """The same seed without an effect, up to the scale, differs by the effect; estimates find its mean."""
    found = simulation.simulate()
    without = simulation.simulate(config.SimulationConfig(effect=0.0))
    for name, one, plain in zip(found.data.products, found.data.panels, without.data.panels, strict=True):
        effect, launch = found.effect[name], one.start[0]
        scale = one.outcome[3, 0] / plain.outcome[3, 0]
        np.testing.assert_allclose(one.outcome[0] - plain.outcome[0] * scale, effect[0], atol=1e-9)
        assert (effect[:, :launch] == 0).all() and (effect[:, launch:] > 0).all()
        assert (without.effect[name] == 0).all()
        assert two_way.collapsed(one).effect == pytest.approx(effect[0, launch:].mean(), rel=0.5)
    many = simulation.simulate(config.SimulationConfig(treated=200, local=200, spread=0.0, noise=0.02))
    fan = many.data.panel("fan")
    truth = many.effect["fan"][:, fan.start[0] :].mean()
    assert two_way.collapsed(fan).effect == pytest.approx(truth, rel=0.02)


def test_simulated_days_have_weeks_holidays_and_dependence():
    found = simulation.simulate(config.SimulationConfig(treated=1, local=300, effect=0.0, common=0.0, noise=0.05))
    one = found.data.panel("book")
    mean = one.outcome[1:].mean(axis=0)
    weekday = (one.periods.astype(int) + 3) % 7
    assert mean[weekday == 5].mean() / mean[weekday == 1].mean() == pytest.approx(1.25, rel=0.05)
    festival = (one.periods >= np.datetime64("2024-10-01")) & (one.periods <= np.datetime64("2024-10-07"))
    assert mean[festival & (weekday == 1)][0] / mean[weekday == 1].mean() == pytest.approx(1.45, rel=0.05)
    rng = np.random.default_rng(0)
    series = simulation.autoregressive_noise(rng, (400, 200), 0.6)
    assert series.var() == pytest.approx(1.0, rel=0.05)
    assert (series[:, 1:] * series[:, :-1]).mean() == pytest.approx(0.6, abs=0.03)


def test_simulated_data_are_a_function_of_their_assumptions(tmp_path):
    one, same = simulation.simulate(), simulation.simulate()
    other = simulation.simulate(config.SimulationConfig(seed=1))
    for a, b, c in zip(one.data.panels, same.data.panels, other.data.panels, strict=True):
        np.testing.assert_array_equal(a.outcome, b.outcome)
        assert not np.allclose(a.outcome, c.outcome)
    path = tmp_path / "data" / "simulated.csv"
    daily.write_daily(one.data, path)
    lines = path.read_text().splitlines()
    assert lines[0].endswith(",note") and all(line.endswith(",SIMULATED") for line in lines[1:])
    again = reading.load_daily(path)
    for a, b in zip(one.data.panels, again.panels, strict=True):
        order = np.searchsorted(b.units, a.units)
        np.testing.assert_array_equal(b.outcome[order], a.outcome)
        np.testing.assert_array_equal(b.start[order], a.start)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"days": 10}, "days: got 10; expected a whole number from 30"),
        ({"treated": 1.5}, "treated: got 1.5; expected a whole number"),
        ({"autocorrelation": 1.0}, "autocorrelation: got 1.0; expected a number from -0.99"),
    ],
)
def test_bad_assumptions_are_refused(change, message):
    with pytest.raises(errors.ConfigError, match=message):
        config.resolve({"simulation": change}, config.BenefitConfig)


def test_days_beyond_the_calendar_are_refused():
    with pytest.raises(errors.DataError, match="outside the calendar"):
        simulation.simulate(config.SimulationConfig(first="2030-06-01"))
    with pytest.raises(errors.DataError, match="not a date"):
        simulation.simulate(config.SimulationConfig(first="June"))
