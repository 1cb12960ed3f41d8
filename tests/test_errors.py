import pytest

from ich_jax import errors


def test_nearest_proposes_close_names_first() -> None:
    assert errors.nearest("stepz", ["batch", "steps"]) == "did you mean 'steps'? Allowed: batch, steps"


def test_nearest_lists_what_is_allowed_when_nothing_is_close() -> None:
    assert errors.nearest("zzz", ["batch", "steps"]) == "Allowed: batch, steps"


def test_nearest_takes_any_iterable_and_an_empty_one() -> None:
    assert errors.nearest("b", (name for name in ("a", "b"))).startswith("did you mean 'b'?")
    assert errors.nearest("b", []) == "there is none to choose from"


def test_require_returns_the_value_or_says_what_was_allowed() -> None:
    assert errors.require("hinge", ("hinge", "minimax"), "loss") == "hinge"
    with pytest.raises(
        errors.ConfigError, match=r"^loss: got 'hing'; did you mean 'hinge'\? Allowed: hinge, minimax\.$"
    ):
        errors.require("hing", ("hinge", "minimax"), "loss")


@pytest.mark.parametrize(
    ("error", "builtin"),
    [
        (errors.ConfigError, ValueError),
        (errors.DataError, ValueError),
        (errors.MismatchError, ValueError),
        (errors.WorkdirError, RuntimeError),
        (errors.CheckpointError, RuntimeError),
        (errors.TrainingDivergedError, RuntimeError),
    ],
)
def test_errors_are_caught_together_and_as_their_builtin(error: type[Exception], builtin: type[Exception]) -> None:
    assert issubclass(error, errors.IchJaxError)
    assert issubclass(error, builtin)


@pytest.mark.parametrize("seed", [-1, 2**32, 2.0, True, "1"])
def test_seeds_that_would_repeat_another_are_refused(seed: object) -> None:
    errors.require_seed(0, "seed")
    errors.require_seed(2**32 - 1, "seed")
    with pytest.raises(
        errors.ConfigError, match=r"seed: got .*; expected a whole number from 0 to 4,294,967,295: of a"
    ):
        errors.require_seed(seed, "seed")
    with pytest.raises(errors.ConfigError, match=r"seed: got 11; expected a whole number from 0 to 10"):
        errors.require_seed(11, "seed", largest=10)


@pytest.mark.parametrize("value", [0.9, 3.1, float("nan"), float("inf"), float("-inf")])
def test_numbers_outside_their_limits_are_refused(value: float) -> None:
    errors.require_within(1, 1, 3, "days", whole=True)
    errors.require_within(2.5, 1.0, float("inf"), "share")
    with pytest.raises(errors.ConfigError, match=r"days: got .*; expected a number from 1 to 3\."):
        errors.require_within(value, 1, 3, "days")
    with pytest.raises(errors.ConfigError, match=r"got 2\.5; expected a whole number from 1 to 3\."):
        errors.require_within(2.5, 1, 3, "days", whole=True)
