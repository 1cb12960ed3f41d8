"""Which way of computing convolutions a run takes: asked for, measured once, written down."""

import dataclasses
import json
import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from ich_jax.models.convolutions import DIRECT, Formulation
from ich_jax.training import formulation
from tests.training import made

MEASURED = formulation._measured  # the test's fixtures replace it


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(formulation, "_measured", MEASURED)
    MEASURED.cache_clear()
    return tmp_path


def test_what_is_clearly_faster_is_taken_and_remembered(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Any] = []

    def measure(ways: list[Any]) -> list[float]:
        asked.append(ways)
        return [float(way[0].taps != 4) for way in ways]

    monkeypatch.setattr(formulation, "measure", measure)
    choice = formulation.choose(made.config())
    assert choice.form == dataclasses.replace(formulation.MERGED, taps=4)
    assert re.fullmatch(r"measured: .*merged, taps of 2x2 0\.0 ms.*", choice.reason)
    MEASURED.cache_clear()  # as a new process
    again = formulation.choose(made.config())
    assert (again.form, again.options) == (choice.form, choice.options)
    assert len(asked) == 1
    assert len(set(asked[0])) == len(asked[0]) >= 2
    (file,) = (home / "cache").rglob("*.json")
    file.write_text("{")
    MEASURED.cache_clear()
    assert formulation.choose(made.config()).form == choice.form
    assert len(asked) == 2


def test_what_is_hardly_faster_is_not_taken(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(formulation, "measure", lambda ways: [1.0, *(0.95 for _ in ways[1:])])
    assert formulation.choose(made.config()).form == formulation.MERGED


def test_a_run_goes_on_as_it_began(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    taken = formulation.Choice(Formulation(merged=True, taps=4), (), "measured: so")
    monkeypatch.setattr(formulation, "_measured", lambda: taken)
    assert formulation.choose(made.config(), home) == taken
    monkeypatch.setattr(formulation, "_measured", lambda: pytest.fail("measured again"))
    again = formulation.choose(made.config(), home)
    assert (again.form, again.reason) == (taken.form, "as the run began (measured: so)")
    assert formulation.choose(made.config(compute={"formulation": "direct"}), home).form == DIRECT
    assert json.loads((home / formulation.FILE).read_text())["form"] == dataclasses.asdict(DIRECT)
    assert formulation.choose(made.config(compute={"formulation": "merged"})).form == formulation.MERGED


def test_every_way_of_the_probe_runs() -> None:
    took_ms = formulation.measure([(DIRECT, ()), (formulation.MERGED, formulation.supported(formulation.NO_YNN))])
    assert np.all(np.array(took_ms) > 0)


def test_options_that_this_release_does_not_know_are_left_out() -> None:
    assert formulation.supported((("xla_no_such_option", 1), ("xla_backend_optimization_level", 1))) == (
        ("xla_backend_optimization_level", 1),
    )


def test_gpus_multiply_without_the_fusions_that_abort(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(formulation.jax, "devices", lambda: [SimpleNamespace(platform="gpu")])
    choice = formulation.choose(made.config())
    assert (choice.form, choice.options) == (Formulation(merged=True), formulation.NO_TRITON_GEMM)
    assert formulation.choose(made.config(compute={"formulation": "direct"})).options == formulation.NO_TRITON_GEMM
