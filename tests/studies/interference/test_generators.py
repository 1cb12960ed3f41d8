"""Generators are distinguished by their identity, under present and former names of its fields."""

import json
from pathlib import Path

import pytest

from ich_jax import errors
from ich_jax.studies.interference import generators

IDENTITY = {"step": 6, "generator_sha256": "ab", "dataset": "made"}


@pytest.mark.parametrize("name", ["generator_sha256", "params_sha256"])
def test_stored_identities_are_read(tmp_path: Path, name: str) -> None:
    stored = {name if key == "generator_sha256" else key: value for key, value in IDENTITY.items()}
    (tmp_path / generators.FILE).write_text(json.dumps(stored))
    assert generators.read_identity(tmp_path) == IDENTITY
    generators.check_same_generator(str(tmp_path), IDENTITY)
    with pytest.raises(errors.WorkdirError, match=r"another generator \(generator_sha256 differ\)"):
        generators.check_same_generator(str(tmp_path), IDENTITY | {"generator_sha256": "cd"})


def test_a_new_work_directory_takes_any_generator(tmp_path: Path) -> None:
    generators.check_same_generator(str(tmp_path / "new"), IDENTITY)
