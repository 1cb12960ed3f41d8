"""Choice models agree with direct maximisation, and do not hang on labels, constants, scales and orders."""

import jax
import numpy as np
import pytest
from scipy import optimize, special

from ich_jax import errors
from ich_jax.econometrics import choice
from ich_jax.uncertainty import float64

RNG = np.random.default_rng(4)
T, J = 120, 3
TRUE = np.array([1.0, -0.8])


def rows(seed: int = 0) -> dict[str, np.ndarray]:
    """Long table of SIMULATED choices: three alternatives, two attributes, four tasks a person."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(T, J, 2))
    chosen = (x @ TRUE + rng.gumbel(size=(T, J))).argmax(axis=1)
    return {
        "task": np.repeat(np.arange(T), J),
        "alternative": np.tile(["bus", "car", "train"], T),
        "chosen": np.eye(J)[chosen].ravel(),
        "light": x[..., 0].ravel(),
        "price": x[..., 1].ravel(),
        "person": np.repeat(np.arange(T) // 4, J),
    }


def made(table: dict[str, np.ndarray], **changed: object) -> choice.Choices:
    given = {"person": table["person"], **changed}
    attributes = {name: table[name] for name in ("light", "price")}
    return choice.from_long(table["task"], table["alternative"], table["chosen"], attributes, **given)


@pytest.fixture(scope="module")
def choices() -> choice.Choices:
    return made(rows())


@pytest.fixture(scope="module")
def fit(choices: choice.Choices) -> choice.ChoiceFit:
    return choice.conditional_logit(choices)


def brute_force(choices: choice.Choices) -> tuple[np.ndarray, float]:
    def negative(b: np.ndarray) -> float:
        v = np.where(choices.available, choices.attributes @ b, -np.inf)
        return float((special.logsumexp(v, axis=1) - v[np.arange(len(v)), choices.chosen]).sum())

    found = optimize.minimize(negative, np.zeros(2), options={"gtol": 1e-9})
    return found.x, -found.fun


def test_estimates_are_those_of_scipy(choices: choice.Choices, fit: choice.ChoiceFit) -> None:
    theta, log_likelihood = brute_force(choices)
    np.testing.assert_allclose(fit.theta, theta, rtol=1e-5)
    assert fit.log_likelihood == pytest.approx(log_likelihood, abs=1e-8)
    assert fit.log_likelihood_equal == pytest.approx(-T * np.log(3))
    assert 0 < fit.mcfadden < 1 and fit.aic < fit.bic
    assert fit.table.covariance == "clustered" and set(fit.covariances) == {"information", "robust", "clustered"}


def test_covariances_are_their_definitions(choices: choice.Choices, fit: choice.ChoiceFit) -> None:
    p = special.softmax(choices.attributes @ fit.theta, axis=1)
    mean = np.einsum("tj,tjk->tk", p, choices.attributes)
    d = choices.attributes - mean[:, None]
    bread = np.linalg.inv(np.einsum("tj,tjk,tjl->kl", p, d, d))
    scores = choices.attributes[np.arange(T), choices.chosen] - mean
    summed = np.zeros((T // 4, 2))
    np.add.at(summed, choices.person, scores)
    np.testing.assert_allclose(fit.covariances["information"].matrix, bread, rtol=1e-7)
    np.testing.assert_allclose(fit.covariances["robust"].matrix, bread @ scores.T @ scores @ bread, rtol=1e-7)
    np.testing.assert_allclose(fit.covariances["clustered"].matrix, bread @ summed.T @ summed @ bread, rtol=1e-7)


def test_order_of_rows_and_names_do_not_matter(fit: choice.ChoiceFit) -> None:
    order = RNG.permutation(T * J)
    table = {name: values[order] for name, values in rows().items()}
    table["alternative"] = np.array([{"bus": "z", "car": "m", "train": "a"}[a] for a in table["alternative"]])
    table["person"] = 1000 - table["person"]
    again = choice.conditional_logit(made(table))
    np.testing.assert_allclose(again.theta, fit.theta, rtol=1e-8)
    np.testing.assert_allclose(again.covariance, fit.covariance, rtol=1e-7)


def test_only_differences_of_utility_and_ratios_of_weights_count(fit: choice.ChoiceFit) -> None:
    table = rows()
    shift = np.repeat(RNG.normal(size=T), J)
    table = {**table, "light": table["light"] + shift, "price": table["price"] - 3 * shift}
    again = choice.conditional_logit(made(table, weights=np.full(T * J, 2.0)))
    np.testing.assert_allclose(again.theta, fit.theta, rtol=1e-7)
    np.testing.assert_allclose(again.covariance, fit.covariance, rtol=1e-6)


def test_price_in_another_currency_scales_willingness_to_pay(fit: choice.ChoiceFit) -> None:
    table = rows()
    dear = choice.conditional_logit(made({**table, "price": 1e5 * table["price"]}))
    for method in ("delta", "krinsky_robb"):
        a, b = (
            choice.willingness_to_pay(f, "price", method=method, key=jax.random.key(0), n_draws=500)
            for f in (fit, dear)
        )
        for name in ("estimate", "low", "high"):
            np.testing.assert_allclose(getattr(b, name), 1e5 * getattr(a, name), rtol=1e-6)


def test_intervals_of_willingness_to_pay_agree(choices: choice.Choices, fit: choice.ChoiceFit) -> None:
    found = [
        choice.willingness_to_pay(fit, "price", method=method, key=jax.random.key(1), choices=choices, n_draws=400)
        for method in ("delta", "krinsky_robb", "bootstrap")
    ]
    width = [float(w.high[0] - w.low[0]) for w in found]
    assert max(width) < 1.5 * min(width)
    for w in found:
        assert w.low[0] < w.estimate[0] < w.high[0] and w.price_t < -2


def test_removed_alternatives_are_unavailable(choices: choice.Choices) -> None:
    table = rows()
    lost = (table["alternative"] == "train") & (table["chosen"] == 0) & (table["task"] % 2 == 0)
    closed = choice.conditional_logit(made(table, available=~lost))
    gone = choice.conditional_logit(made({name: values[~lost] for name, values in table.items()}))
    np.testing.assert_allclose(closed.theta, gone.theta, rtol=1e-9)
    assert closed.log_likelihood == pytest.approx(gone.log_likelihood)


def test_nested_logit_is_its_formula(choices: choice.Choices, fit: choice.ChoiceFit) -> None:
    nests = {"bus": "public", "train": "public"}
    found = choice.nested_logit(choices, nests)

    def negative(theta: np.ndarray) -> float:
        v = choices.attributes @ theta[:2]
        inclusive = np.logaddexp(v[:, 0] / theta[2], v[:, 2] / theta[2])
        total = np.logaddexp(v[:, 1], theta[2] * inclusive)
        log_p = np.stack(
            [
                v[:, 0] / theta[2] - inclusive + theta[2] * inclusive - total,
                v[:, 1] - total,
                v[:, 2] / theta[2] - inclusive + theta[2] * inclusive - total,
            ],
            axis=1,
        )
        return -float(log_p[np.arange(T), choices.chosen].sum())

    assert found.log_likelihood == pytest.approx(-negative(found.theta), abs=1e-9)
    best = optimize.minimize(negative, found.theta + 0.05, options={"gtol": 1e-8})
    np.testing.assert_allclose(found.theta, best.x, atol=1e-4)
    assert negative(np.append(fit.theta, 1.0)) == pytest.approx(-fit.log_likelihood)
    with float64.enabled():
        p = np.asarray(found.kernel.shares(*map(np.asarray, (found.theta, choices.attributes[0], np.ones(3, bool)))))
    assert p.sum() == pytest.approx(1.0)


def test_ordered_logit_is_its_formula_and_leaves_out_answers_that_nobody_gave() -> None:
    x = RNG.normal(size=90)
    code = np.digitize(x + RNG.logistic(size=90), [-0.7, 0.7])
    found = choice.ordered_logit(np.array([1, 2, 7])[code], {"x": x})
    assert found.category == (1.0, 2.0, 7.0)

    def negative(theta: np.ndarray) -> float:
        below = np.concatenate(
            [np.zeros((90, 1)), special.expit(theta[1:] - theta[0] * x[:, None]), np.ones((90, 1))], axis=1
        )
        return -float(np.log(np.diff(below)[np.arange(90), code]).sum())

    best = optimize.minimize(negative, [0.5, -0.7, 0.7], options={"gtol": 1e-9})
    np.testing.assert_allclose([*found.coefficient, *found.threshold], best.x, rtol=1e-5)
    assert found.log_likelihood == pytest.approx(-best.fun) and np.isfinite(found.table.standard_error).all()


class TestDemand:
    def test_elasticities_are_those_of_the_formula(self, choices: choice.Choices, fit: choice.ChoiceFit) -> None:
        found = choice.responses(fit, choices, "price")
        p, x = special.softmax(choices.attributes @ fit.theta, axis=1), choices.attributes[..., 1]
        own = (p * fit.theta[1] * x * (1 - p)).sum(axis=0) / p.sum(axis=0)
        np.testing.assert_allclose(found.own, own, rtol=1e-8)
        cross = -(p[:, 0] * p[:, 1] * fit.theta[1] * x[:, 1]).sum() / p[:, 0].sum()
        assert found.elasticity[0, 1] == pytest.approx(cross)
        np.testing.assert_allclose(np.nansum(found.diversion, axis=1), 1.0)

    def test_a_copy_takes_half_and_surplus_grows(self, fit: choice.ChoiceFit) -> None:
        x = np.array([[1.0, 0.0], [1.0, 0.0], [0.0, 0.0]])
        found = choice.market_shares(fit, x, ("a", "b", "none"), jax.random.key(0), n_draws=200)
        assert found.share[0] == pytest.approx(found.share[1]) and found.share.sum() == pytest.approx(1.0)
        assert (found.low < found.share).all() and (found.share < found.high).all()
        more, low, high = choice.surplus_change(fit, x[1:], x, "price", jax.random.key(0), n_draws=200)
        before, after = special.logsumexp(x[1:] @ fit.theta), special.logsumexp(x @ fit.theta)
        assert more == pytest.approx((after - before) / -fit.theta[1]) and 0 < low < more < high

    def test_designs_are_made_while_they_pay(self, fit: choice.ChoiceFit) -> None:
        designs = np.array([[2.0, 0.0], [1.9, 0.0], [-3.0, 0.0]])
        rest, names = np.zeros((1, 2)), ("good", "nearly as good", "bad")
        options = {"buyers": 100.0, "key": jax.random.key(0), "n_draws": 50}
        free = choice.best_assortment(fit, designs, names, rest, 1.0, 0.0, **options)
        assert free.made.all() and free.exhaustive
        dear = choice.best_assortment(fit, designs, names, rest, 1.0, 20.0, **options)
        assert dear.made.tolist() == [True, False, False] and dear.p_made[0] > 0.9
        assert dear.profit == pytest.approx(100 * dear.share[0] - 20) and dear.low < dear.profit < dear.high

    def test_a_climb_finds_what_enumeration_finds(self, fit: choice.ChoiceFit, monkeypatch) -> None:
        designs = np.random.default_rng(1).normal(size=(5, 2))
        call = (
            fit,
            designs,
            tuple("abcde"),
            np.zeros((1, 2)),
            [3.0, 1.0, 2.0, 2.0, 1.0],
            8.0,
            100.0,
            jax.random.key(0),
        )
        every = choice.best_assortment(*call, n_draws=3)
        monkeypatch.setattr(choice.demand, "_ALL_SUBSETS", 2)
        climbed = choice.best_assortment(*call, n_draws=3)
        assert climbed.profit == pytest.approx(every.profit) and not climbed.exhaustive


def test_bad_rows_are_named_together() -> None:
    table = rows()
    chosen = table["chosen"].copy()
    chosen[:3], chosen[3:6] = 0.0, 1.0
    available = np.ones(T * J)
    available[6 + int(chosen[6:9].argmax())] = 0.0
    with pytest.raises(errors.DataError) as caught:
        made({**table, "chosen": chosen}, available=available)
    for text in ("no alternative is chosen in task 0", "several alternatives are chosen in task 1", "in row"):
        assert text in str(caught.value)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda t: {"light": t["task"].astype(float)}, "'light' does not vary"),
        (lambda t: {"light": 2 * t["price"] + t["task"]}, "'light', 'price' determine each other"),
        (lambda t: {"light": t["chosen"] + t["task"]}, "'light' separates"),
        (lambda t: {"light": 3 * t["chosen"] - t["price"]}, "'light', 'price' together separate"),
        (lambda t: {"alternative": np.tile(["bus", "bus", "car"], T)}, "an alternative stands twice: bus"),
    ],
)
def test_what_has_no_estimate_is_named(change, message: str) -> None:
    table = rows()
    with pytest.raises(errors.DataError, match=message):
        made({**table, **change(table)})


def test_a_price_that_attracts_is_noted(fit: choice.ChoiceFit) -> None:
    assert choice.check_price(fit, "price") == ""
    assert "not negative" in choice.check_price(fit, "light")


def test_with_constants_predicted_and_observed_shares_agree() -> None:
    found = made(rows(), base="car")
    assert found.names[:2] == ("constant: bus", "constant: train") and found.labelled
    fitted = choice.conditional_logit(found)
    p = special.softmax(found.attributes @ fitted.theta, axis=1)
    np.testing.assert_allclose(p.mean(axis=0), np.bincount(found.chosen) / T, atol=1e-8)
