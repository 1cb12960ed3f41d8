"""A design run from briefs to page with networks that were not trained: choosing, files, resume, redraw, refusals."""

import csv
import dataclasses
import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pytest
from PIL import Image

from ich_jax import config as config_lib
from ich_jax import errors, workdir
from ich_jax.config import DesignConfig
from ich_jax.data import make
from ich_jax.evaluation import drawing, selection
from ich_jax.studies.design import delivery, files, plan, recipes, result
from ich_jax.studies.design import designer as designer_lib
from ich_jax.studies.design import run as design
from ich_jax.studies.design.plan import Request

FAN, BOOK = "product=fan, width=+1.5", "product=book"


def made(**others: Any) -> DesignConfig:
    values = {"name": "tiny", "candidates": 12, "deliver": 3, "tolerance": 6.0, "batch": 8, "judge": False}
    found = config_lib.resolve(values | {"columns": 3, "print_size": 64, "progress": False} | others, DesignConfig)
    assert isinstance(found, DesignConfig)
    return found


@pytest.fixture(scope="module")
def designer(untrained: Path) -> designer_lib.Designer:
    return design.load(str(untrained), made())


@pytest.fixture(scope="module")
def easy(designer: designer_lib.Designer) -> str:
    """A brief that some candidates meet and others do not, whatever the networks have drawn."""
    space = designer.space
    noise = recipes.noise([recipes.Noise(0, i) for i in range(12)], designer.model.config.generator.z_dim)
    open_brief = plan.job(plan._asked(_card(designer), space, "open"), [recipes.Noise(0, i) for i in range(12)]).brief
    reading, _ = designer.read(designer.draw(noise, open_brief))
    for name, categories, logits in (
        ("product", space.products, reading.product),
        *((e.name, e.categories, part) for e, part in zip(space.elements, reading.elements, strict=True)),
    ):
        counts = np.bincount(np.asarray(logits).argmax(axis=1), minlength=len(categories))
        if counts.max() < 12:
            return f"{name}={categories[int(counts.argmax())]}"
    return f"product={space.products[int(np.asarray(reading.product).argmax(axis=1)[0])]}"


def _card(designer: designer_lib.Designer) -> files.Card:
    return delivery.card_of(designer, recipes.Noise(0, 0), designer.space.brief(), 0)


@pytest.fixture(scope="module")
def whole(untrained: Path, easy: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two briefs, judged by the inspector."""
    folder = tmp_path_factory.mktemp("whole") / "designs"
    design.run(made(judge=True), str(folder), str(untrained), Request((easy, FAN)))
    return folder


def test_pictures_tables_sheets_and_page(whole: Path, easy: str) -> None:
    values = json.loads((whole / "results.json").read_text())
    wanted = {"share_meeting_brief", "n_briefs", "exceed_half", "diversity_ratio", "candidates_per_s"}
    assert wanted | {"first_draw_meeting_brief"} <= values["summary"].keys()
    assert values["summary"]["n_briefs"] == 2
    with (whole / "designs.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == values["summary"]["n_designs"] > 0
    for row in rows:
        image, card = files.decode(whole / row["file"])
        large, large_card = files.decode(whole / row["file"].replace(".png", "_print.png"))
        assert image.shape == (32, 32, 3) and large.shape == (64, 64, 3)
        np.testing.assert_array_equal(large, image.repeat(2, axis=0).repeat(2, axis=1))
        assert large_card.enlarged == "nearest 64"
        assert (int(row["seed"]), int(row["noise"])) == (card.recipe.seed, card.recipe.index)  # type: ignore[union-attr]
        assert row["meets_brief_own"] == "yes" and row["meets_brief_inspector"] in ("yes", "no")
    with Image.open(whole / "sheet.png") as sheet:
        assert sheet.width > 300
    assert (whole / "sheet.pdf").read_bytes().startswith(b"%PDF-")
    page = (whole / "report" / "index.html").read_text()
    assert easy in page and "took no part in choosing" in page and "data-facets=" in page
    assert not re.search(r"""(src|href)=["']?(http|//)""", page)  # nothing is loaded


def test_delivered_designs_are_those_that_the_rule_takes(
    whole: Path, designer: designer_lib.Designer, easy: str
) -> None:
    """The selection again from what is drawn, by the definition."""
    for i, record in enumerate(json.loads((whole / "results.json").read_text())["briefs"]):
        (job,) = plan.plan(made(), designer, Request(((easy, FAN)[i],)))
        (job,) = design.fill(made(), designer, None, "", (job,))
        assert job.filled is not None and np.asarray(job.filled.given).all()
        images = designer.draw(recipes.noise(job.recipes, designer.model.config.generator.z_dim), job.filled)
        reading, features = designer.read(images)
        meets = [
            all(
                np.argmax(part[n]) == asked[n]
                for part, asked, stated in zip(
                    (reading.product, *reading.elements),
                    (job.brief.product, *np.asarray(job.brief.elements).T),
                    np.asarray(job.brief.given)[0, : 1 + len(reading.elements)],
                    strict=True,
                )
                if stated
            )
            for n in range(len(images))
        ]
        taken = [design["candidate"] for design in record["delivered"]]
        assert record["n_meeting"] == sum(meets)
        assert len(taken) == min(3, sum(meets)) and all(meets[n] for n in taken)
        for rank in range(1, len(taken)):
            gaps = [
                min(np.linalg.norm(features[n] - features[t]) for t in taken[:rank]) if meets[n] else -1
                for n in range(len(images))
            ]
            assert gaps[taken[rank]] == pytest.approx(max(gaps), rel=1e-5)


def test_a_design_is_drawn_again_to_the_bit(
    whole: Path, untrained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for path in sorted((whole / "designs").glob("*.png"))[:3]:
        design.redraw(made(batch=3), str(untrained), str(path), str(tmp_path))  # the batch is that of the file
        assert "summary: max_difference=0 identical=True" in capsys.readouterr().out
        np.testing.assert_array_equal(files.decode(tmp_path / "redrawn" / path.name)[0], files.decode(path)[0])


def test_changed_pixels_and_other_checkpoints_are_found_out(whole: Path, untrained: Path, tmp_path: Path) -> None:
    image, card = files.decode(next((whole / "designs").glob("*_01.png")))
    changed = tmp_path / "changed.png"
    changed.write_bytes(files.encode(255 - image, card))
    with pytest.raises(errors.DataError, match="its pixels were changed"):
        design.redraw(made(), str(untrained), str(changed))
    changed.write_bytes(files.encode(image, dataclasses.replace(card, checkpoint="0" * 64)))
    with pytest.raises(errors.CheckpointError, match="another checkpoint"):
        design.redraw(made(), str(untrained), str(changed))
    with pytest.raises(errors.CheckpointError, match="another checkpoint"):
        design.run(made(), str(tmp_path / "new"), str(untrained), Request(around=str(changed)))


def apart(one: np.ndarray, other: np.ndarray) -> int:
    """Largest difference of two images; the same design may stand in another row of its call, or in another program."""
    return int(np.abs(one.astype(int) - other).max())


def records(folder: Path) -> list[Any]:
    found = json.loads((folder / "results.json").read_text())["briefs"]
    return [{name: value for name, value in one.items() if name != "seconds"} for one in found]


def test_stopped_after_one_of_three_it_goes_on_with_the_same_bits(
    untrained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    request = Request((FAN, BOOK, "height=-1"))
    stopped, straight = tmp_path / "stopped", tmp_path / "straight"
    real, calls = delivery.deliver, []

    def once(*arguments: Any) -> Any:
        calls.append(arguments[-1].name)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return real(*arguments)

    monkeypatch.setattr(delivery, "deliver", once)
    with pytest.raises(KeyboardInterrupt):
        design.run(made(), str(stopped), str(untrained), request)
    assert not (stopped / "results.json").exists()
    before = {path.name: path.stat().st_mtime_ns for path in (stopped / "designs").glob("*")}
    design.run(made(), str(stopped), str(untrained), request)
    assert calls == ["01_fan_width+1.5", "02_book", "02_book", "03_height-1"]
    design.run(made(), str(straight), str(untrained), request)
    assert records(stopped) == records(straight)
    names = sorted(path.name for path in (straight / "designs").iterdir())
    assert names == sorted(path.name for path in (stopped / "designs").iterdir())
    for name in names:
        assert (stopped / "designs" / name).read_bytes() == (straight / "designs" / name).read_bytes()
    after = {path.name: path.stat().st_mtime_ns for path in (stopped / "designs").glob("*")}
    assert before.items() <= after.items()  # nothing that was delivered is written again


def test_variations_paths_and_sweeps(whole: Path, untrained: Path, tmp_path: Path) -> None:
    first, second = sorted((whole / "designs").glob("*_0?.png"))[:2]

    def drawn(name: str, request: Request, **others: Any) -> list[np.ndarray]:
        design.run(made(**others), str(tmp_path / name), str(untrained), request)
        return [files.decode(path)[0] for path in sorted((tmp_path / name / "designs").glob("*_[0-9][0-9].png"))]

    original, other = files.decode(first)[0], files.decode(second)[0]
    for image in drawn("same", Request(around=str(first)), spread=0.0):
        assert apart(image, original) <= 1
    varied = drawn("around", Request(around=str(first)), spread=0.5)
    assert any((image != original).any() for image in varied)

    path = drawn("morph", Request(morph=f"{first},{second}"), columns=4)
    assert len(path) == 4
    assert apart(path[0], original) <= 1 and apart(path[-1], other) <= 1

    swept = drawn("sweep", Request((FAN,), sweep="width"), columns=3)
    assert len(swept) == 3 * 3
    record = result.load(tmp_path / "sweep", "sweep_width_01_fan_width+1.5")
    assert record is not None
    assert [dict(one.stated)["width"] for one in record.delivered] == [-3.0, 0.0, 3.0] * 3
    assert [one.noise for one in record.delivered] == [0, 0, 0, 1, 1, 1, 2, 2, 2]
    assert len(drawn("around_sweep", Request(around=str(first), sweep="height"), columns=3)) == 3


def test_seeds_deliver_a_design_each_in_order(untrained: Path, tmp_path: Path) -> None:
    design.run(made(seeds=(5, 2, 9)), str(tmp_path / "run"), str(untrained), Request((BOOK,)))
    (record,) = json.loads((tmp_path / "run" / "results.json").read_text())["briefs"]
    assert [(one["seed"], one["noise"], one["reason"]) for one in record["delivered"]] == [
        (5, 0, "seed 5"), (2, 0, "seed 2"), (9, 0, "seed 9")
    ]  # fmt: skip
    alone = tmp_path / "alone"
    design.run(made(seeds=(9,)), str(alone), str(untrained), Request((BOOK,)))
    images = [files.decode(folder / "designs" / f"01_book_{rank}.png")[0] for folder, rank in (
        (tmp_path / "run", "03"), (alone, "01")
    )]  # fmt: skip
    assert apart(*images) <= 1


def test_test_briefs_are_those_that_the_run_was_judged_by(designer: designer_lib.Designer) -> None:
    model = designer.model
    dataset = make.make(model.config.data, seed=model.config.seed)
    key = jax.random.key(model.config.evaluation.seed)
    judged = drawing.briefs(dataset, key, drawing.Purpose.DESIGNS, model.config.evaluation.n_designs)
    jobs = plan.plan(made(), designer, Request(test_briefs=3), lambda: dataset)
    assert [job.name[:3] for job in jobs] == ["01_", "02_", "03_"]
    for i, job in enumerate(jobs):
        for part, expected in zip(jax.tree.leaves(job.brief), jax.tree.leaves(judged), strict=True):
            np.testing.assert_array_equal(part[0], expected[i])
    with pytest.raises(errors.ConfigError, match=r"--test_briefs"):
        plan.plan(made(), designer, Request(test_briefs=10**5), lambda: dataset)


def test_a_brief_that_nothing_meets_says_so(
    untrained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    compare = selection.compare

    def miss(*arguments: Any) -> selection.Comparison:
        found = compare(*arguments)
        return dataclasses.replace(found, missed=np.ones_like(found.missed))

    monkeypatch.setattr(selection, "compare", miss)
    design.run(made(), str(tmp_path / "run"), str(untrained), Request((BOOK,)))
    out = capsys.readouterr().out
    assert "product=book: 0 of 3 designs delivered, as only 0 of 12 candidates meet the brief." in out
    assert out.splitlines()[-1].startswith("summary: share_meeting_brief=None")
    page = (tmp_path / "run" / "report" / "index.html").read_text()
    assert "No candidate meets this brief" in page
    assert "1 brief, 12 candidates, 0 designs delivered." in page and "1 briefs" not in page


def test_a_dry_run_writes_nothing(untrained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    design.run(made(), str(tmp_path / "run"), str(untrained), Request((BOOK, FAN)), dry_run=True)
    assert "summary: n_briefs=2 n_candidates=24" in capsys.readouterr().out
    assert not (tmp_path / "run").exists()
    design.list_space(str(untrained))
    assert "palette" in capsys.readouterr().out


def test_bad_input_is_refused_and_nothing_written(whole: Path, untrained: Path, tmp_path: Path) -> None:
    new, source = str(tmp_path / "new"), str(untrained)
    empty, plain = tmp_path / "empty.csv", tmp_path / "plain.png"
    empty.write_text("")
    Image.fromarray(np.zeros((32, 32, 3), np.uint8)).save(plain)
    png = str(plain)
    for request, folder, wanted in (
        (Request(), new, "No brief is given"),
        (Request(file=str(empty)), new, "holds no brief"),
        (Request(("product=teapot",)), new, "did you mean|Allowed: figurine"),
        (Request(("width=3.1",)), new, "expected a number from -3 to 3"),
        (Request((FAN,), sweep="widht"), new, "did you mean 'width'"),
        (Request(around=png), new, "does not say how it was drawn"),
        (Request((FAN,), around=png), new, "--around takes its brief from the design"),
        (Request(morph=png), new, "expected two designs"),
        (Request((FAN,), morph=f"{png},{png}"), new, "--morph takes its briefs"),
        (Request((BOOK,)), str(whole), "holds designs of other briefs|belongs to another run"),
    ):
        with pytest.raises(errors.IchJaxError, match=wanted):
            design.run(made(), folder, source, request)
    with pytest.raises(errors.WorkdirError, match="holds designs of other briefs"):
        design.run(made(judge=True), str(whole), source, Request((BOOK,)))
    with pytest.raises(errors.WorkdirError, match="belongs to another run"):
        design.run(made(judge=True, seed=1), str(whole), source, Request((BOOK,)))
    with pytest.raises(errors.ConfigError, match="lower print_size"):
        design.run(made(print_size=4096), new, source, Request((BOOK,)))
    with pytest.raises(errors.CheckpointError):
        design.run(made(), new, str(tmp_path), Request((BOOK,)))
    assert not Path(new).exists()


@pytest.mark.parametrize(
    ("values", "wanted"),
    [
        ({"deliver": 13}, "13 designs cannot be chosen among 12 candidates"),
        ({"select": "divers"}, "did you mean 'diverse'"),
        ({"tolerance": 0.0}, "tolerance"),
        ({"seeds": (1, 1)}, "different whole numbers"),
        ({"seeds": (1, 2**32)}, "seeds: got 4294967296; expected a whole number from 0 to 4,294,967,295"),
        ({"spread": 1.5}, "spread"),
    ],
)
def test_bad_fields_are_refused(values: dict[str, Any], wanted: str) -> None:
    with pytest.raises(errors.ConfigError, match=wanted):
        made(**values)


def test_a_run_without_a_reading_head_is_refused(
    untrained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    restore: Callable[..., Any] = design.checkpoint.restore_for_inference

    def headless(source: str) -> Any:
        model = restore(source)
        objective = dataclasses.replace(model.config.objective, reading_d=0.0)
        return dataclasses.replace(model, config=dataclasses.replace(model.config, objective=objective))

    monkeypatch.setattr(design.checkpoint, "restore_for_inference", headless)
    with pytest.raises(errors.CheckpointError, match="no trained reading head"):
        design.run(made(), str(tmp_path / "new"), str(untrained), Request((BOOK,)))
    assert not (tmp_path / "new").exists()


def test_style_strength_changes_what_is_drawn(untrained: Path, designer: designer_lib.Designer) -> None:
    brief = designer.space.brief(product="fan")
    strong = dataclasses.replace(designer, strength=3.0)
    noise = recipes.Noise(0, 0)
    assert (strong.redraw(noise, brief, 0) != designer.redraw(noise, brief, 0)).any()
    none = dataclasses.replace(designer, strength=0.0)
    assert apart(none.redraw(noise, brief, 0), designer.redraw(noise, designer.space.brief(), 0)) <= 1


def test_damaged_records_are_refused(whole: Path, tmp_path: Path) -> None:
    folder = tmp_path / "copy"
    shutil.copytree(whole / "briefs", folder / "briefs")
    (path, *_) = sorted((folder / "briefs").glob("*.json"))
    assert result.load(folder, path.stem) is not None
    workdir.write_json(path, {"name": "x"})
    with pytest.raises(errors.WorkdirError, match="is damaged"):
        result.load(folder, path.stem)
