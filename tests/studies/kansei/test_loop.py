"""Once round with a generator that draws what it is asked for: part-worths come back, and wanted designs are wanted."""

import csv
import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from PIL import Image

from ich_jax import config as config_lib
from ich_jax import errors
from ich_jax.studies.design import briefs as design_briefs
from ich_jax.studies.design import plan as design_plan
from ich_jax.studies.kansei import loop, sheets, simulated, works
from ich_jax.types import DesignSpace, Element

SPACE = DesignSpace(
    ("book", "fan"), (Element("palette", ("ink", "indigo", "red")), Element("trim", ("a", "b"))), ("w",)
)


def make_config(**changed: Any) -> config_lib.KanseiConfig:
    values = {
        "data.source": "loop",
        "analysis.n_resamples": 199,
        "analysis.n_parallel": 100,
        "analysis.n_briefs": 2,
        "loop.designs": 24,
        "loop.candidates": 3,
        "loop.deliver": 3,
        "loop.raters": 8,
        "compilation_cache": False,
    }
    config = Path(__file__).resolve().parents[3] / "configs" / "kansei_study.py"
    found = config_lib.load(f"{config}:loop_tiny", {**values, **changed}, config_lib.KanseiConfig)
    assert isinstance(found, config_lib.KanseiConfig)
    return found


def draw(config: config_lib.DesignConfig, folder: str, checkpoint: str, request: design_plan.Request) -> None:
    """Stands for the design study: delivers every brief as it is asked for, in the files that the study writes."""
    del checkpoint
    names = ("product", "palette", "trim", "w")
    head = ["brief", "rank", "file", *(f"{who}_{name}" for who in ("asked", "own", "inspector") for name in names)]
    rows = []
    (Path(folder) / "designs").mkdir(parents=True, exist_ok=True)
    for one in design_briefs.read((), request.file, SPACE):  # the file goes through the reader of the real study
        for rank in range(config.deliver):
            stated = dict(one.stated)
            file = f"designs/{one.name}_{rank}.png"
            Image.new("RGB", (4, 4)).save(Path(folder) / file)
            rows.append([one.name, rank, file, *[stated[name] for name in names] * 3, 0.0, 0.0])
    text = sheets.text_of([*head, "error_own_w", "error_inspector_w"], rows)
    (Path(folder) / "designs.csv").write_text(text)


@pytest.fixture
def generator(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loop, "design", SimpleNamespace(run=draw, load=lambda *_: SimpleNamespace(space=SPACE)))


def test_once_round(generator: None, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = make_config()
    found = loop.go_round(config, str(tmp_path / "run"), "")
    assert len(found.true) == 3 * (3 + 2 + 3) and len(found.random) == 24 and len(found.delivered) == 6
    assert found.covered >= 20 and found.correlation > 0.9  # 24 limits of 95 %
    assert found.raised == 6 and found.superiority.a12 > 0.9
    # The first wanted design is the best of all, as the raters think, but for errors of the estimates.
    raters = simulated.create(SPACE, config.loop, config.data.axis_levels, config.seed)
    best = sum(max(worth.values()) for worth in raters.part_worth["warm"].values())
    assert best - 0.3 < found.delivered[0] <= best + 1e-9
    last = capsys.readouterr().out.splitlines()[-1]
    assert last.startswith("summary: part_worths=24 ") and "share_raised=1" in last
    stored = json.loads((tmp_path / "run" / "results.json").read_text())
    assert stored["simulated"] == ["raters"] and stored["raters"]["part_worth"]["warm"].keys() == {
        "palette",
        "trim",
        "w",
    }
    page = (tmp_path / "run" / "report" / "index.html").read_text()
    assert "SIMULATED" in page and "Part-worths" in page
    with (tmp_path / "run" / "analysis" / "briefs.csv").open(newline="") as file:
        (first, _) = csv.DictReader(file)
    assert first["product"] == "fan" and float(first["w"]) in config.data.axis_levels
    # The same command goes on; another one is refused.
    again = loop.go_round(config, str(tmp_path / "run"), "")
    np.testing.assert_array_equal(again.estimate, found.estimate)
    with pytest.raises(errors.WorkdirError, match=r"loop\.raters"):
        loop.go_round(make_config(**{"loop.raters": 9}), str(tmp_path / "run"), "")


def test_random_briefs_are_balanced_and_those_of_the_seed() -> None:
    config = make_config().loop
    text = simulated.random_briefs(SPACE, config, (-1.5, 0.0, 1.5), 0)
    rows = list(csv.DictReader(text.splitlines()))
    for name, n in (("palette", 3), ("trim", 2), ("w", 3)):
        values, counts = np.unique([row[name] for row in rows], return_counts=True)
        assert len(values) == n and set(counts.tolist()) == {24 // n}
    assert text == simulated.random_briefs(SPACE, config, (-1.5, 0.0, 1.5), 0)
    assert text != simulated.random_briefs(SPACE, config, (-1.5, 0.0, 1.5), 1)


def test_raters_judge_what_is_read_off_a_design() -> None:
    raters = simulated.create(SPACE, make_config().loop, (-1.5, 0.0, 1.5), 4)
    for worths in raters.part_worth.values():
        for worth in worths.values():
            assert sum(worth.values()) == pytest.approx(0.0, abs=1e-12)
    work = works.Work("x", Path("x.png"), "", {"product": "fan", "palette": "red", "trim": "b"}, {"w": 0.9})
    own = raters.part_worth["light"]
    assert raters.score(work, "light") == own["palette"]["red"] + own["trim"]["b"] + own["w"]["+1.5"]


def test_what_the_generator_does_not_know_is_refused(generator: None, tmp_path: Path) -> None:
    with pytest.raises(errors.ConfigError, match=r"loop\.product"):
        loop.go_round(make_config(**{"loop.product": "fann"}), str(tmp_path / "a"), "")
    with pytest.raises(errors.ConfigError, match=r"analysis\.wanted"):
        loop.go_round(make_config(**{"analysis.wanted": "worm=1"}), str(tmp_path / "b"), "")
    assert not list(tmp_path.iterdir())
