"""From answers to the page: the paper's tables, a user's files, and what is refused."""

import json
import re
from pathlib import Path

import numpy as np
import pytest

from ich_jax import config as config_lib
from ich_jax import errors
from ich_jax.kansei import published
from ich_jax.studies.kansei import carries, files, result, run, templates
from ich_jax.studies.kansei.answers import Answers, simulate_questionnaires

CONFIG = Path(__file__).resolve().parents[3] / "configs" / "kansei_study.py"


def make_config(variant: str, **overrides: object) -> config_lib.KanseiConfig:
    small = {"analysis.n_resamples": 199, "analysis.n_parallel": 100, "compilation_cache": False}
    found = config_lib.load(f"{CONFIG}:{variant}", {**small, **overrides}, config_lib.KanseiConfig)
    assert isinstance(found, config_lib.KanseiConfig)
    return found


@pytest.fixture(scope="module")
def answers(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("study") / "answers"
    templates.write_templates(str(folder))
    return folder


def test_the_paper_from_its_tables_to_the_page(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = run.run(make_config("tiny"), str(tmp_path / "run"))
    last = capsys.readouterr().out.splitlines()[-1]
    summary = dict(part.split("=") for part in last.removeprefix("summary: ").split())
    expected = {
        "review_mean_experimental": "21.5",
        "review_mean_control": "17.3",
        "n_valid": "500",
        "n_returned": "509",
    }
    assert expected.items() <= summary.items()
    assert float(summary["review_permutation_p"]) == pytest.approx(354 / 184756, rel=1e-5)
    assert summary["dimensions"] == "1"
    stored = json.loads((tmp_path / "run" / "results.json").read_text())
    assert stored["simulated"] == ["survey"] and stored["summary"]["n_valid"] == 500
    page = (tmp_path / "run" / "report" / "index.html").read_text()
    assert "SIMULATED" in page and "not computable" in page.lower() and "354" in page
    tables = {path.stem for path in (tmp_path / "run" / "report").glob("*.csv")}
    assert {"comparison", "icc_bounds", "means", "surviving_rankings", "simulated_shares"} <= tables
    assert found.elements is None and {what for what, _ in found.not_computable}

    # What Tables 1 and 2 can carry, and what needs single answers.
    carried = {claim: (word, why) for claim, word, why in carries.table(found).rows}
    assert carried["one arm scores higher"][0] == "yes" and "1.32" in carried["one arm scores higher"][1]
    assert carried["experts agree"][0] == "no" and "experimental at most 0.60" in carried["experts agree"][1]
    assert carried["one sample ranks above another on a word"] == (
        "in part",
        "113 of 270 differences hold whatever the unpublished standard deviations are; no other one can",
    )
    assert carried["words have 3 dimensions"] == ("no", "10 samples support 1 beyond noise")
    assert carried["a design element raises a word"][0] == "no"
    assert "carries" in tables


def test_simulated_questionnaires_have_the_counts_of_the_paper() -> None:
    for seed in range(3):
        given = simulate_questionnaires(seed)
        found = result.analyse(
            Answers(given, (), (), None, None, 0, (), None, None, "test"), make_config("tiny", seed=seed)
        ).survey
        assert found is not None and found.shares is not None and found.importance is not None
        assert (found.screening.n_returned, found.screening.n_valid) == (509, published.DEMAND.valid)
        assert found.shares.count.tolist() == [178, 298, 306, 156]
        assert found.importance.aspect[:3] == published.IMPORTANCE_ORDER


def test_templates_are_analysed_as_they_are(answers: Path, tmp_path: Path) -> None:
    found = run.run(make_config("csv", **{"data.path": str(answers)}), str(tmp_path / "run"))
    assert found.words is not None and found.words.reliability.keys() == {"warm", "light", "lively", "elegant"}
    assert found.words.mixed.keys() == found.words.reliability.keys()
    assert found.words.mixed["warm"].p_samples < 0.001
    carried = {claim: word for claim, word, _ in carries.table(found).rows}
    assert carried["one sample ranks above another on a word"] == carried["experts agree"] == "yes"
    assert found.elements is not None and found.elements.profiles.brief(0)["palette"] == "red"
    assert found.elements.conjoint["warm"].item == ("silhouette", "palette")
    assert found.elements.conjoint["warm"].importance[1] > found.elements.conjoint["warm"].noise_high[1]
    briefs = (tmp_path / "run" / "briefs.csv").read_text().splitlines()
    assert briefs[0] == "silhouette,palette" and len(briefs) == 5 and briefs[1].endswith(",red")
    assert found.review is not None and found.review.ordinal is not None and found.review.severity is not None
    assert found.review.severity.rater == ("expert 1", "expert 2", "expert 3")
    assert found.review is not None and found.review.agreement is not None and found.survey is not None
    page = (tmp_path / "run" / "report" / "index.html").read_text()
    assert "SIMULATED" not in page and "Category scores" in page
    with pytest.raises(errors.WorkdirError, match="another run"):
        run.run(make_config("csv", **{"data.path": str(answers), "seed": 5}), str(tmp_path / "run"))


def test_templates_are_not_overwritten(answers: Path) -> None:
    with pytest.raises(errors.WorkdirError, match="not overwritten"):
        templates.write_templates(str(answers))


def test_chinese_labels_and_a_byte_order_mark_go_all_the_way(answers: Path, tmp_path: Path) -> None:
    folder = tmp_path / "答卷"
    folder.mkdir()
    names = {
        "warm": "温暖",
        "light": "轻盈",
        "lively": "活泼",
        "elegant": "雅致",
        "fan": "扇",
        "palette": "色彩",
        "red": "红",
    }
    for name in ("ratings.csv", "elements.csv"):
        text = (answers / name).read_text(encoding="utf-8")
        for english, chinese in names.items():
            text = re.sub(rf"\b{english}\b", chinese, text)
        (folder / name).write_text(text, encoding="utf-8-sig")
    wanted = {"data.path": str(folder), "analysis.wanted": "轻盈=1,温暖=0.5"}
    found = run.run(make_config("csv", **wanted), str(tmp_path / "run"))
    assert found.elements is not None and found.elements.profiles.brief(0)["色彩"] == "红"
    assert found.review is None and found.survey is None
    assert "温暖" in (tmp_path / "run" / "report" / "index.html").read_text(encoding="utf-8")


def change(folder: Path, source: Path, name: str, old: str, new: str) -> Path:
    folder.mkdir(exist_ok=True)
    for path in source.glob("*.csv"):
        (folder / path.name).write_text(path.read_text())
    text = (folder / name).read_text()
    assert old in text
    (folder / name).write_text(text.replace(old, new, 1))
    return folder


@pytest.mark.parametrize(
    ("name", "old", "new", "message"),
    [
        ("ratings.csv", "rater,sample", "judge,sample", "there is no column 'rater'"),
        (
            "ratings.csv",
            "rater 1,fan 1,warm,",
            "rater 1,fan 1,warm,9",
            r"score -?9\d*; expected a whole number from -3",
        ),
        ("ratings.csv", "rater 2,fan 1,warm", "rater 1,fan 1,warm", "2 times"),
        ("elements.csv", "fan 3,", "fan 33,", "sample 'fan 3' of the ratings has no row"),
        ("review.csv", "control 1,control", "control 1,third", "found 3|both arms"),
        ("review.csv", "control 1,control,expert 2", "control 1,control,expert 1", "second score"),
        ("questionnaires.csv", "tick: souvenir", "ticks souvenir", "column 'ticks souvenir' is unknown"),
    ],
)
def test_files_that_cannot_be_right_are_refused(
    answers: Path, tmp_path: Path, name: str, old: str, new: str, message: str
) -> None:
    folder = change(tmp_path / "bad", answers, name, old, new)
    with pytest.raises(errors.DataError, match=message) as caught:
        files.load(folder, (-3.0, 3.0))
    assert name in str(caught.value)


def test_half_filled_reviews_are_left_out_and_named(answers: Path, tmp_path: Path) -> None:
    lines = (answers / "review.csv").read_text().splitlines()
    gone = next(line for line in lines if line.startswith("control 2,control,expert 3"))
    folder = change(tmp_path / "half", answers, "review.csv", gone + "\n", "")
    review = files.read_review(folder / "review.csv")
    assert review.dropped == ("control 2",) and list(map(len, review.works)) == [6, 5]
    np.testing.assert_array_equal(
        review.scores[1], files.read_review(answers / "review.csv").scores[1][[0, 2, 3, 4, 5]]
    )


def test_settings_are_checked(tmp_path: Path) -> None:
    with pytest.raises(errors.DataError, match="none of questionnaires"):
        files.load(tmp_path, (-3.0, 3.0))
    with pytest.raises(errors.ConfigError, match="did you mean 'Warm'"):
        result.wanted_words("Wrm=1", published.WORDS)
    with pytest.raises(errors.ConfigError, match="is not a number"):
        result.wanted_words("Warm=much", published.WORDS)
    assert result.wanted_words("", published.WORDS) == {"Emotional": 1.0}
    with pytest.raises(errors.ConfigError, match="scale_low"):
        config_lib.KanseiDataConfig(scale_low=3.0)
