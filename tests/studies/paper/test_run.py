"""The reproduction from its stages to its page, with trivial stages and stored results of real ones."""

import re
from pathlib import Path

import pytest

from ich_jax import config as config_lib
from ich_jax import errors
from ich_jax.report import style
from ich_jax.studies.paper import pictures, pitfalls, running
from ich_jax.studies.paper.run import Request, find_given, run
from ich_jax.studies.paper.stages import STAGES, Stage

RESULTS = Path(__file__).resolve().parents[3] / "docs" / "results"
TINY = config_lib.ReproduceConfig(name="tiny", size="tiny")
MAKE = "import sys, pathlib; (pathlib.Path(sys.argv[1]) / 'results.json').write_text('{}')"
GIVEN = (
    f"error_comparison={RESULTS / 'error_comparison' / 'quick'}",
    f"interference={RESULTS / 'interference' / 'quick'}",
)
TABLE = (
    *(stage for stage in STAGES if stage.name in ("error_comparison", "interference")),
    Stage("works", "it works", "1", command=("-c", MAKE, "{workdir}")),
    Stage("breaks", "it breaks", "2", command=("-c", "raise SystemExit('broken on purpose')", "{workdir}")),
    Stage("nowhere", "not there", "3", study="nowhere", configs={"tiny": "nowhere"}),
)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """A run whose one stage fails, and what it printed."""
    root = tmp_path_factory.mktemp("paper") / "run"
    with pytest.MonkeyPatch.context() as patch:
        lines: list[str] = []
        patch.setattr("builtins.print", lambda *words, **_: lines.append(" ".join(map(str, words))))
        assert run(TINY, str(root), Request(given=GIVEN), TABLE) == 1
    return root, "\n".join(lines)


def test_a_failed_and_a_missing_stage_are_shown_and_the_others_still_are(made: tuple[Path, str]) -> None:
    root, printed = made
    html = (root / "report" / "index.html").read_text()
    assert "broken on purpose" in html and "no study" in html
    assert 'href="../interference/report/index.html"' in html
    assert (root / "report" / "interference_curves.svg").exists()
    summary = dict(word.split("=") for word in printed.splitlines()[-1].removeprefix("summary: ").split())
    assert (summary["stages"], summary["stages_failed"]) == ("5", "1")
    verdicts = ("holds", "fails", "contradicts", "error", "not_testable", "unsupported", "wording", "remark")
    assert sum(int(summary[name]) for name in verdicts) == int(summary["claims"]) == 30


def test_links_of_the_page_stay_inside_the_folder_and_lead_somewhere(made: tuple[Path, str]) -> None:
    report = made[0] / "report"
    links = re.findall(r'href="(\.\./[^"]+)"', (report / "index.html").read_text())
    assert links
    for link in links:
        assert (report / link).resolve().is_relative_to(made[0].resolve()) and (report / link).exists()


def test_resuming_gives_the_same_page_but_for_times(made: tuple[Path, str]) -> None:
    root, _ = made
    before = _timeless(root)
    assert run(TINY, str(root), Request(given=GIVEN), TABLE) == 1
    assert _timeless(root) == before


def _timeless(root: Path) -> dict[str, bytes]:
    """Everything beside the page, and the page, without the minutes of the stages and the time of writing."""
    files = {path.name: path.read_bytes() for path in sorted((root / "report").iterdir())}
    page = files["index.html"].decode()
    page = re.sub(r"<time .*?</time>", "", page)
    page = re.sub(r"<h3>Minutes of each stage</h3>.*?</figure>", "", page, flags=re.DOTALL)
    return {name: data for name, data in files.items() if not name.startswith("minutes")} | {
        "index.html": page.encode()
    }


def test_requests_are_refused_before_anything_is_written(tmp_path: Path) -> None:
    root = tmp_path / "run"
    for request, message in (
        (Request(only=("trian",)), "did you mean 'train'"),
        (Request(given=("trian=x",)), "did you mean 'train'"),
        (Request(given=(str(tmp_path),)), "holds no finished run"),
    ):
        with pytest.raises(errors.IchJaxError, match=message):
            run(TINY, str(root), request)
    assert not root.exists()


def test_folders_of_finished_runs_are_found(tmp_path: Path) -> None:
    (tmp_path / "train").mkdir()
    (tmp_path / "train" / running.RESULTS).write_text("{}")
    assert find_given([str(tmp_path), "pulse=elsewhere"], ["train", "pulse"]) == {
        "train": tmp_path / "train",
        "pulse": Path("elsewhere"),
    }


def test_a_dry_run_prints_the_commands(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(TINY, str(tmp_path / "run"), Request(dry_run=True)) == 0
    printed = capsys.readouterr().out
    assert (
        f"train: python -m ich_jax.studies.train --config=quick:tiny --workdir={tmp_path / 'run' / 'train'}" in printed
    )
    assert f"--checkpoint={tmp_path / 'run' / 'train'}" in printed
    assert not (tmp_path / "run").exists()


def test_figures_of_a_report_keep_their_size() -> None:
    for path in (RESULTS / "error_comparison/quick/worst.png", RESULTS / "error_comparison/quick/error_strips.svg"):
        picture = pictures.read(path)
        assert 100 < picture.width <= style.PAGE_WIDTH and picture.height > 50
        assert picture.format == path.suffix[1:]


def test_pitfalls_hold_the_numbers_computed_by_hand() -> None:
    shown = " ".join(str(cell) for row in pitfalls.table().rows for cell in row)
    for words in (
        "no count over 1,000 designs; the least possible number is 157",
        "298 and 306 of 500 people",
        "p is 0.65 if they chose independently",
        "Of 270 differences of Table 1, 113 hold",
        "worst-case z of 0.93",
        "3 eigenvalues of 10 samples exceed 1, and 1 stands above noise",
        "below 0.125, three axes none below 0.25",
        "at most 0.60",
        "0.48 times",
    ):
        assert words in shown
