import re
from typing import Any

import ml_collections
import pytest

from ich_jax import config as config_lib
from ich_jax import errors
from ich_jax.studies import console


@pytest.mark.parametrize(
    ("flag", "words"),
    [
        ("--config.train.stepz", "'stepz'; did you mean 'steps'"),
        ("--config.trian.steps", "'trian'; did you mean 'train'"),
        ("--noconfig.loop.progres", "'progres'; did you mean 'progress'"),
        ("--config.train.steps.more", "there is no field 'more'"),
    ],
)
def test_unknown_fields_are_refused_with_the_nearest(flag: str, words: str) -> None:
    config = config_lib.editable(config_lib.Config())
    with pytest.raises(errors.ConfigError, match=re.escape(words)) as caught:
        console.check_fields(config, ["--workdir", flag])
    assert flag in str(caught.value)
    assert isinstance(config, ml_collections.ConfigDict)


def test_known_fields_and_other_flags_pass() -> None:
    flags = ["--config", "--config.train.steps", "--noconfig.loop.progress", "-config.seed", "--workdir", "run"]
    console.check_fields(config_lib.editable(config_lib.Config()), flags)


@pytest.mark.parametrize(
    ("value", "text"), [(3, "3"), (0.123456789, "0.123457"), ("a", "a"), ("", "''"), ((1, 2), "(1,2)"), (True, "True")]
)
def test_shown(value: Any, text: str) -> None:
    assert console.shown(value) == text
