"""The steps of shipped configs are those that were stored: a change that is to leave results alone leaves them."""

import importlib
import json
from pathlib import Path
from types import ModuleType

import jax
import pytest

SCRIPTS = Path(__file__).resolve().parents[2] / "scripts"
STORED = json.loads((SCRIPTS.parent / "tests" / "reference" / "steps.json").read_text())
VERSION = jax.__version__


@pytest.fixture(scope="module")
def digests() -> ModuleType:
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(SCRIPTS))
        return importlib.import_module("make_step_digests")


def test_every_run_has_a_digest(digests: ModuleType) -> None:
    for stored in STORED.values():
        assert stored.keys() == digests.cases().keys()
        assert stored.keys() >= set(digests.TESTED)
        assert len(set(stored.values())) == len(
            stored
        )  # each run has a step of its own, so each digest tells something


@pytest.mark.skipif(VERSION not in STORED, reason=f"steps.json holds no digests of JAX {VERSION}")
def test_steps_are_those_that_were_stored(digests: ModuleType) -> None:
    cases = digests.cases()
    changed = [name for name in digests.TESTED if digests.digest(cases[name]) != STORED[VERSION][name]]
    assert not changed, "if the step is meant to change, run scripts/make_step_digests.py"
