"""The user's cache folder: used where it can be, left out with one warning where it cannot."""

import logging
from pathlib import Path

import jax
import pytest

from ich_jax import cache
from ich_jax.studies import console


@pytest.fixture(autouse=True)
def _not_warned() -> None:
    cache._WARNED.clear()


def test_what_is_stored_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache.find("inspectors", "a.npz") is None
    cache.store("inspectors", "a.npz", b"weights")
    found = cache.find("inspectors", "a.npz")
    assert found == tmp_path / "ich_jax" / "inspectors" / "a.npz"
    assert found.read_bytes() == b"weights"
    assert cache.writable("compiled") == tmp_path / "ich_jax" / "compiled"


def test_a_file_in_its_place_costs_a_warning(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    with caplog.at_level(logging.WARNING):
        for _ in range(2):
            cache.store("inspectors", "a.npz", b"weights")
            assert cache.find("inspectors", "a.npz") is None
    (line,) = [record.getMessage() for record in caplog.records]
    assert "not used for inspectors" in line and "XDG_CACHE_HOME" in line and "--workdir" not in line


@pytest.mark.parametrize("fault", ["unreadable", "no home", "read only"])
def test_whatever_the_system_refuses_costs_a_warning(
    fault: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))

    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    if fault == "no home":
        monkeypatch.delenv("XDG_CACHE_HOME")
        monkeypatch.setattr(Path, "home", lambda: (_ for _ in ()).throw(RuntimeError("Could not determine home.")))
    elif fault == "unreadable":
        monkeypatch.setattr(Path, "open", refuse)
        monkeypatch.setattr(Path, "mkdir", refuse)
    else:
        monkeypatch.setattr(cache.os, "access", lambda *_: False)
        monkeypatch.setattr(cache.workdir.tempfile, "mkstemp", refuse)
    with caplog.at_level(logging.WARNING):
        assert cache.find("formulations", "a.json") is None
        cache.store("formulations", "a.json", b"{}")
        before = jax.config.jax_compilation_cache_dir
        console.keep_compiled_programs()
    assert jax.config.jax_compilation_cache_dir == before
    assert len(caplog.records) == 2  # one for each kind
    assert all("the run goes on without" in record.getMessage() for record in caplog.records)
