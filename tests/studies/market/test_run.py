"""The market study: from a SIMULATED market or files of a user to the page; files that cannot be used are refused."""

import json
from pathlib import Path

import pytest

from ich_jax import config as config_lib
from ich_jax import errors
from ich_jax.studies.market import files, page, result, run, simulated, tables, templates

CONFIG = Path(__file__).resolve().parents[3] / "configs" / "market.py"


def make_config(variant: str, **overrides: object) -> config_lib.MarketConfig:
    found = config_lib.load(f"{CONFIG}:{variant}", {"compilation_cache": False, **overrides}, config_lib.MarketConfig)
    assert isinstance(found, config_lib.MarketConfig)
    return found


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    work = tmp_path_factory.mktemp("market")
    run.run(make_config("tiny"), str(work))
    return work


def test_a_simulated_market_is_found_again(folder: Path) -> None:
    stored = json.loads((folder / "results.json").read_text())
    assert {"ll", "wtp_share_covered", "bass_p", "bass_q", "n_persons", "npv"} <= stored["summary"].keys()
    assert stored["summary"]["wtp_share_covered"] >= 0.6 and stored["simulated"]
    assert abs(stored["summary"]["bass_q"] - simulated.CURVE["q"]) < 0.1
    launch = stored["launch"]
    assert sum(launch["shares"].values()) == pytest.approx(1.0)
    assert launch["npv"][1] < launch["npv"][0] < launch["npv"][2]
    written = (folder / "report" / "index.html").read_text()
    for text in ("SIMULATED", "Willingness to pay", "What the data cannot say", "Value of the launch"):
        assert text in written


def test_briefs_can_be_drawn(folder: Path) -> None:
    header, best, *others = (folder / "briefs.csv").read_text().splitlines()
    assert header == "palette,silhouette,width" and len(others) == 2
    assert best == "indigo,folding,+1.5"  # the highest of the true part-worths


@pytest.fixture
def answers(tmp_path: Path) -> Path:
    templates.write_templates(str(tmp_path))
    return tmp_path


def test_the_templates_can_be_read(answers: Path) -> None:
    market = files.load(answers, make_config("csv", **{"data.path": str(answers)}))
    assert market.choices is not None and market.coding is not None and market.candidates is not None
    assert market.coding.names == ("constant: none", "palette: red", "silhouette: round", "price")
    assert market.sales is not None and market.sales.period == "month" and not market.notes
    assert market.candidates.attributes.tolist() == [[0.0, 0.0, 0.0, 68.0], [0.0, 1.0, 1.0, 58.0]]
    with pytest.raises(errors.WorkdirError, match="not overwritten"):
        templates.write_templates(str(answers))


def test_parts_that_are_absent_are_said(tmp_path: Path) -> None:
    config = make_config("tiny")
    market = simulated.create(config)
    found = result.analyse(type(market)(None, None, "price", None, None, "nothing"), config)
    assert {what for what, _ in found.not_computable} == {
        "part-worths, prices and shares",
        "the curve of sales",
        "an assortment",
    }
    assert tables.missing_table(found).rows == found.not_computable and page._summary(found) == "Data: nothing."


@pytest.mark.parametrize(
    ("name", "change", "message"),
    [
        ("choices.csv", ("1,1,A,", "1,1,A,x"), "line 2: chosen is 'x"),
        ("choices.csv", ("palette", "Palette,palette"), "cells for"),
        ("choices.csv", ("task", "question"), "there is no column 'task'"),
        ("choices.csv", (",none,0,", ",none,1,"), "several alternatives are chosen in task"),
        ("sales.csv", (",55", ",-55"), "line 2: units are negative"),
        ("sales.csv", ("2023-04,190\n", ""), "2023-04"),
        ("sales.csv", ("2023-04", "soon"), "line 5: date is 'soon'"),
        ("sales.csv", ("2023-02", "2023-01"), "stands twice"),
        ("assortment.csv", ("indigo", "mauve"), "'mauve' is not among the choices: indigo, red"),
    ],
)
def test_files_that_cannot_be_used_are_refused(answers: Path, name: str, change: tuple[str, str], message: str) -> None:
    text = (answers / name).read_text()
    assert change[0] in text
    (answers / name).write_text(text.replace(*change))
    config = make_config("csv", **{"data.path": str(answers)})
    with pytest.raises(errors.DataError, match=message) as caught:
        run.run(config, str(answers / "work"))
    assert name in str(caught.value) and not (answers / "work").exists()


def test_all_faults_of_a_file_stand_in_one_message(answers: Path) -> None:
    (answers / "sales.csv").write_text("date,units\n2023-01,x\nsoon,-1\n")
    with pytest.raises(errors.DataError) as caught:
        files.read_sales(answers / "sales.csv")
    for text in ("line 2: units is 'x'", "line 3: date is 'soon'", "line 3: units are negative", "at least 4 periods"):
        assert text in str(caught.value)


def test_a_folder_without_files_is_refused(tmp_path: Path) -> None:
    with pytest.raises(errors.DataError, match="--write_templates"):
        files.load(tmp_path, make_config("csv", **{"data.path": str(tmp_path)}))
