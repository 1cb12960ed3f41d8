import csv
import dataclasses
import html
import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from ich_jax.studies.train import page as train_page
from ich_jax.types import DesignSpace, Element
from tests.studies.train import made

FIGURES = {
    "real_and_generated.png",
    "generated.png",
    "real.png",
    "sweeps.png",
    "accuracy.svg",
    "confusion.svg",
    "axis_errors.svg",
    "requested_and_read.svg",
    "nearest.png",
    "curves.svg",
}
TABLES = {
    "axis_errors_table",
    "axis_errors_by_product",
    "distances",
    "diversity",
    "memorisation",
    "inspector_accuracy",
    "inspector_axes",
    "training",
    "figures",
    "config",
}


@dataclasses.dataclass(frozen=True)
class Written:
    """A page as a reader sees it (`text`, without pictures), as stored (`source`), and the files beside it."""

    folder: Path
    source: str
    text: str
    files: set[str]


def write(folder: Path, space: DesignSpace = made.SPACE, **changes: Any) -> Written:
    path = train_page.write(folder, **made.arguments(space, **changes))
    assert path == folder / "report" / "index.html"
    source = path.read_text(encoding="utf-8")
    files = {file.name for file in path.parent.iterdir()} - {"index.html"}
    return Written(path.parent, source, html.unescape(re.sub(r'"data:[^"]*"', '""', source)), files)


@pytest.fixture(scope="module")
def usual(tmp_path_factory: pytest.TempPathFactory) -> Written:
    """The page of a sound run on simulated images."""
    return write(tmp_path_factory.mktemp("usual"))


def test_page_holds_every_figure_and_table_and_leaves_them_beside_it(usual: Written) -> None:
    assert usual.files == FIGURES | {f"{name}.{kind}" for name in TABLES for kind in ("csv", "md")}
    assert usual.text.count("<img") == len(FIGURES)
    assert usual.text.count("<table") == len(TABLES)
    assert not re.search(r"""(src|href)=["'](?!data:|#)""", usual.source)
    assert "<script" not in usual.source


def test_figures_of_the_page_are_those_of_the_evaluation(usual: Written) -> None:
    found = made.evaluation(made.SPACE)
    with (usual.folder / "figures.csv").open(encoding="utf-8") as file:
        rows = {row["figure"]: row for row in csv.DictReader(file)}
    product = found.designs.product
    assert float(rows["accuracy, product"]["value"]) == product.accuracy
    assert float(rows["accuracy, product"]["low"]) == product.interval.low
    assert rows["accuracy, product"]["n"] == "120"
    width = found.designs.axes.axes[0]
    assert float(rows["width, P95"]["value"]) == width.p95
    assert float(rows["width, share beyond 0.5"]["high"]) == width.interval.high
    kid = rows["KID: generated"]
    assert float(kid["value"]) == found.generated.kid.mean
    assert (kid["n"], kid["seeds"]) == ("400", "3")
    assert float(rows["KID: real against real"]["value"]) == found.real.kid.mean
    assert float(rows["AUC of the discriminator"]["value"]) == 0.94
    for shown in (f"{product.accuracy:.3f}", f"{found.designs.axes.any_beyond}</dd>", "412</dd>", "0.84</dd>", "0.940"):
        assert shown in usual.text


def test_simulated_images_and_the_papers_figures_are_marked(usual: Written) -> None:
    assert 'class="badge">simulated<' in usual.text
    # Everything but the curves, the run and the configuration rests on images.
    assert usual.text.count('class="badge">simulated data<') == len(FIGURES) + len(TABLES) - 3
    assert usual.text.count('<blockquote class="paper">') == 1
    assert "1.16, 0.72 and 0.77" in usual.text


def test_a_sound_run_carries_no_warning(usual: Written) -> None:
    assert "Before you trust these figures" not in usual.text
    assert "No alarm was raised." in usual.text


def test_what_speaks_against_the_figures_stands_at_the_top(tmp_path: Path) -> None:
    class Alarm(SimpleNamespace):
        def __str__(self) -> str:
            return "ALARM <collapse> at step 40."

    alarms = (Alarm(name="collapse"), Alarm(name="gradient_explosion"), Alarm(name="collapse"))
    evaluation = made.evaluation(made.SPACE, judged=False)
    diversity = dataclasses.replace(evaluation.diversity, real=None, ratio=None, within_product_generated=None)
    page = write(
        tmp_path,
        train=made.train_result(steps=300, stopped=True, alarms=alarms),
        inspector=made.inspector_report(made.SPACE, p999=0.61, accuracy=0.91),
        evaluation=dataclasses.replace(evaluation, diversity=diversity),
        history=[],
        evaluated_step=250,
    )
    top, rest = page.text.split("</header>")
    assert "stopped at step 300 of 500" in top
    assert "the averaged weights of step 250," in top
    assert "width 0.61 and depth 0.61" in top
    assert "product 0.910, palette 0.910 and trim 0.910" in top
    assert "No real images were held out" in top
    assert "3 alarms (collapse and gradient explosion)" in top
    assert "ALARM <collapse> at step 40." in rest
    assert "Does it copy?" not in rest
    assert not {"nearest.png", "distances.csv", "curves.svg"} & page.files


NO_AXES = {"sweeps.png", "axis_errors.svg", "requested_and_read.svg"}


@pytest.mark.parametrize(
    ("space", "missing"),
    [
        (DesignSpace(("<b>fan</b>", "$5 & more"), (), ("a<b",)), set()),
        (DesignSpace(("fan", "book"), (Element("<i>", ("x", "y")),)), NO_AXES),
        (DesignSpace(("only",)), NO_AXES | {"confusion.svg"}),
    ],
)
def test_what_a_set_lacks_is_left_out_and_its_names_are_escaped(
    tmp_path: Path, space: DesignSpace, missing: set[str]
) -> None:
    page = write(tmp_path, space, evaluation=made.evaluation(space, simulated=False))
    assert {name for name in page.files if name.endswith((".png", ".svg"))} == FIGURES - missing
    assert ("blockquote" in page.text) == bool(space.axes)
    assert ("lowest element" in page.text) == bool(space.elements)
    assert 'class="badge"' not in page.text
    for name in ("<b>fan", "$5 & m", "<i>", "a<b"):
        assert name not in page.source


def test_grey_images_of_many_products(tmp_path: Path) -> None:
    space = DesignSpace(tuple(f"class {i}" for i in range(10)), (), ("width",))
    page = write(tmp_path, space, sheets=made.sheets(space, rows=10, columns=6, channels=1), history=[])
    assert {"real_and_generated.png", "requested_and_read.svg"} <= page.files
