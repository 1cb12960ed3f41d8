"""The user's road: template, file, analysis, page; what is refused, in which words, before anything is written."""

import dataclasses
import json
import math
import re
from pathlib import Path

import pytest

from ich_jax import config as config_lib
from ich_jax import errors
from ich_jax.report import provenance
from ich_jax.studies.benefit import analysis, carries, daily, prepared, reading, simulation
from ich_jax.studies.benefit import page as benefit_page
from ich_jax.studies.benefit import run as benefit

ROOT = Path(__file__).resolve().parents[3]
CONFIG = ROOT / "configs" / "economic_benefit.py"
SMALL = {
    **{"analysis.n_simulations": 100, "analysis.n_refits": 20, "analysis.n_resamples": 199, "analysis.n_placebos": 20},
    **{"compilation_cache": False, "plan.investment": 500.0},
}
FILES = {
    "figures": ("curves", "event_study", "forest_figurine", "synthetic_figurine", "products", "balance", "money"),
    "tables": ("curves", "event_study", "synthetic_control", "placebo_gaps", "money", "audit", "estimates"),
}


def make_config(path: Path, **overrides: object) -> config_lib.BenefitConfig:
    found = config_lib.load(f"{CONFIG}:csv", {"data.path": str(path), **SMALL, **overrides}, config_lib.BenefitConfig)
    assert isinstance(found, config_lib.BenefitConfig)
    return found


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("sales") / "sales.csv"
    benefit.write_template(str(path), sales=False)
    return path


@pytest.fixture(scope="module")
def done(template: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[analysis.Analysis, Path, str]:
    """The template through the whole road: the result, its folder, and what was printed."""
    folder = tmp_path_factory.mktemp("runs") / "sales"
    with pytest.MonkeyPatch.context() as patch:
        printed: list[str] = []
        patch.setattr("builtins.print", lambda *words, sep=" ", **_: printed.append(sep.join(map(str, words))))
        result = benefit.run(make_config(template), str(folder))
    return result, folder, "\n".join(printed)


def test_the_template_becomes_a_page(done: tuple[analysis.Analysis, Path, str]) -> None:
    result, folder, _ = done
    product = result.products[0]
    assert (product.prepared.name, product.prepared.audit.treated, product.prepared.audit.donors) == ("figurine", 1, 2)
    # The template sells 6 pieces of 21 yuan more from day 14 on, at outlets that are alike but for their size.
    assert product.main.effect == pytest.approx(6 * 21, rel=0.01)
    assert all(math.isfinite(e.effect) for e in product.estimates) and len(product.estimates) >= 8
    carried = {claim: (word, why) for claim, word, why in carries.table(result).rows}
    usable = any(method.usable for method in product.prepared.audit.methods)
    assert carried["figurine earns more than it would have"][0] == ("yes" if usable else "no")
    assert carried["figurine moved as the local outlets did before"][0] == "no"  # one of three outlets: p from 1/3 on
    assert "0.3333" in carried["figurine moved as the local outlets did before"][1]
    assert carried["the regional economy grows"][0] == "no"
    page = (folder / "report" / "index.html").read_text()
    headings = [
        "1 Target",
        "2 Assumptions and design audit",
        "3 Parallel",
        "4 Choice",
        "5 Effects",
        "6 Sens",
        "7 Where",
    ]
    places = [page.index(f"<h2>{heading}") for heading in [*headings, "8 Robustness", "What it is worth"]]
    assert places == sorted(places)
    for name in FILES["figures"]:
        assert (folder / "report" / f"{name}.svg").stat().st_size > 2000, name
    for name in FILES["tables"]:
        lines = (folder / "tables" / f"{name}.csv").read_text().splitlines()
        assert len(lines) > 1 and all(len(line.split(",")) >= 4 for line in lines[:2]), name
    assert "SIMULATED" not in page


def test_the_summary_stands_in_the_results(done: tuple[analysis.Analysis, Path, str]) -> None:
    result, folder, printed = done
    found = json.loads((folder / "results.json").read_text())
    line = printed.splitlines()[-1]
    assert line.startswith("summary: figurine_effect=")
    words = dict(word.split("=") for word in line.removeprefix("summary: ").split())
    assert words.keys() == found["summary"].keys()
    assert float(words["figurine_effect"]) == pytest.approx(found["summary"]["figurine_effect"], rel=1e-5)
    assert (words["units"], words["treated"], words["days"], words["data"]) == ("3", "1", "28", "csv")
    assert float(words["smallest_p"]) == pytest.approx(1 / 3, rel=1e-5)
    audit = found["products"][0]["audit"]["methods"]
    assert {m["name"] for m in audit} == {m.name for m in result.products[0].prepared.audit.methods}
    assert re.fullmatch("[0-9a-f]{64}", found["source"]["sha256"]) and found["label"] == "data of the user"


def test_the_audit_is_printed_before_any_effect(done: tuple[analysis.Analysis, Path, str]) -> None:
    steps = [int(n) for n in re.findall(r"^== (\d)", done[2], re.M)]
    assert steps == [1, 2, 3, 4, 5, 6, 7, 8]
    assert done[2].index("POINTLESS HERE") < done[2].index("== 3") < done[2].index("== 5")


def test_simulated_data_say_so_everywhere(done: tuple[analysis.Analysis, Path, str], tmp_path: Path) -> None:
    result, _, _ = done
    marked = dataclasses.replace(result, simulated=True)
    products = [product.prepared for product in result.products]
    benefit_page.write(
        tmp_path,
        config=make_config(tmp_path / "x.csv"),
        products=products,
        result=marked,
        provenance=provenance.provenance(),
    )
    files = [path for path in tmp_path.rglob("*") if path.is_file() and path.name not in ("config.csv", "config.md")]
    assert len(files) > 20
    for path in files:
        assert path.name.startswith("simulated_") or "simulated data" in path.read_text(), path.name
    for path in (tmp_path / "tables").iterdir():
        header, *rows = path.read_text().splitlines()
        assert header.endswith(",data") and rows and all(row.endswith(",SIMULATED") for row in rows)


def test_a_shuffled_file_gives_the_same_result(
    done: tuple[analysis.Analysis, Path, str], template: Path, tmp_path: Path
) -> None:
    """Rows in another order: what is read is equal, so that all that follows is."""
    header, *rows = template.read_text().splitlines()
    other = tmp_path / "other.csv"
    other.write_text("\n".join([header, *rows[::-1]]) + "\n")
    before, after = reading.load_daily(template).panels[0], reading.load_daily(other).panels[0]
    for name in ("units", "periods", "outcome", "observed", "start"):
        assert (getattr(before, name) == getattr(after, name)).all(), name


def change(path: Path, to: Path, line: int, old: str, new: str) -> Path:
    lines = path.read_text().splitlines()
    assert old in lines[line - 1]
    lines[line - 1] = lines[line - 1].replace(old, new)
    to.write_text("\n".join(lines) + "\n")
    return to


@pytest.mark.parametrize(
    ("line", "old", "new", "words"),
    [
        (
            3,
            "2025-03-04",
            "2025-03-03",
            "1 unit-days occur more than once, the first is outlet 1 on 2025-03-03 in lines 2",
        ),
        (4, "2025-03-05", "5 March", "line 4: '5 March' is not a date; expected year-month-day"),
        (5, "EXAMPLE", "EXAMPLE,x", "line 5: another number of cells"),
        (6, "before", "prior", "column arm: 'prior' in line 6; expected ai"),
        (29, ",ai,", ",before,", "switches off"),
    ],
)
def test_bad_rows_are_refused_before_anything_is_written(
    template: Path, tmp_path: Path, line: int, old: str, new: str, words: str
) -> None:
    bad = change(template, tmp_path / "bad.csv", line, old, new)
    with pytest.raises(errors.DataError, match=re.escape(words)) as caught:
        benefit.run(make_config(bad), str(tmp_path / "run"))
    assert str(bad) in str(caught.value) and not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("number", "words"),
    [
        ("many", "column benefit is not a number in line 7"),
        ("nan", "not finite"),
        ("inf", "not finite"),
        ("", "is empty"),
    ],
)
def test_bad_numbers_are_refused(template: Path, tmp_path: Path, number: str, words: str) -> None:
    old = template.read_text().splitlines()[6].split(",")[4]
    bad = change(template, tmp_path / "bad.csv", 7, old, number)
    with pytest.raises(errors.DataError, match=words):
        benefit.run(make_config(bad), str(tmp_path / "run"))
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("keep", "words"),
    [
        (lambda row: "outlet 1" not in row, "no unit has the arm ai"),
        (lambda row: ",local," not in row, "no unit has the arm local"),
        (lambda row: ",before," not in row, "has no day with the arm before"),
        (lambda row: row.startswith("2025-03-17"), "all rows are of 2025-03-17"),
        (lambda row: "outlet 3" not in row, "product figurine: audit: 1 untreated units leave nothing to compare with"),
        (lambda row: row[:10] > "2025-03-11", "product figurine: audit: 5 periods before the first launch"),
    ],
)
def test_designs_that_cannot_be_analysed_are_refused(template: Path, tmp_path: Path, keep, words: str) -> None:
    header, *rows = template.read_text().splitlines()
    bad = tmp_path / "bad.csv"
    bad.write_text("\n".join([header, *filter(keep, rows)]) + "\n")
    with pytest.raises(errors.DataError, match=words) as caught:
        benefit.run(make_config(bad), str(tmp_path / "run"))
    assert str(bad) in str(caught.value) and not (tmp_path / "run").exists()


def test_constant_benefit_and_negative_price_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "sales.csv"
    benefit.write_template(str(path), sales=True)
    with pytest.raises(errors.DataError, match="column price is negative in line 9"):
        benefit.run(make_config(change(path, tmp_path / "bad.csv", 9, "35.00", "-35.00")), str(tmp_path / "run"))
    header, *rows = path.read_text().splitlines()
    flat = [re.sub(r",\d+,35.00", ",40,35.00", row) for row in rows]
    (tmp_path / "flat.csv").write_text("\n".join([header, *flat]) + "\n")
    with pytest.raises(errors.DataError, match="the benefit is 840 in every row"):
        benefit.run(make_config(tmp_path / "flat.csv"), str(tmp_path / "run"))
    assert not (tmp_path / "run").exists()


def test_days_beyond_the_calendar_are_refused(template: Path, tmp_path: Path) -> None:
    late = tmp_path / "late.csv"
    late.write_text(template.read_text().replace("2025-03", "2035-03"))
    with pytest.raises(errors.DataError, match=r"outside the calendar.*config\.data\.calendar"):
        benefit.run(make_config(late), str(tmp_path / "run"))
    assert not (tmp_path / "run").exists()


def test_a_template_is_never_written_over_a_file(template: Path) -> None:
    before = template.read_text()
    with pytest.raises(errors.DataError, match="exists already"):
        benefit.write_template(str(template), sales=False)
    assert template.read_text() == before


@pytest.mark.parametrize(
    ("overrides", "words"),
    [
        ({"analysis.alpha": 5.0}, "--config.analysis.alpha: got 5.0; expected a number from 0.001 to 0.5."),
        ({"analysis.scale": "log"}, "--config.analysis.scale: got 'log'"),
        ({"analysis.n_resample": 5}, "did you mean 'n_resamples'"),
        ({"data.path": ""}, "--config.data.path is empty"),
    ],
)
def test_bad_settings_are_refused(tmp_path: Path, overrides: dict[str, object], words: str) -> None:
    with pytest.raises(errors.ConfigError, match=re.escape(words)):
        make_config(tmp_path / "x.csv", **overrides)


def test_a_bad_plan_is_refused_before_anything_is_written(template: Path, tmp_path: Path) -> None:
    with pytest.raises(errors.ConfigError, match=r"--config\.plan\.horizon_days: got 0; expected .* 1 to 3650"):
        benefit.run(make_config(template, **{"plan.horizon_days": 0}), str(tmp_path / "run"))
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("variant", ["", "quick", "size_study"])
def test_the_variants_resolve(variant: str) -> None:
    path = f"{CONFIG}:{variant}" if variant else str(CONFIG)
    config = config_lib.load(path, cls=config_lib.BenefitConfig)
    assert config.name == ("economic_benefit:" + variant if variant else "economic_benefit")
    assert config.task == ("size_study" if variant == "size_study" else "analyse")


def test_the_size_study_is_reached_by_its_config(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    small = {
        **{"size_study.autocorrelation": (0.4,), "size_study.controls": (4,), "size_study.periods": (20,)},
        **{"size_study.n_panels": 100, "size_study.n_pairs": 20},
    }
    config = config_lib.load(f"{CONFIG}:size_study", small, config_lib.BenefitConfig)
    study = benefit.run_size_study(config, str(tmp_path / "study"))
    found = json.loads((tmp_path / "study" / "results.json").read_text())
    assert found["study"]["rejected"] == study.rejected.tolist() and found["label"] == "SIMULATED"
    assert (tmp_path / "study" / "tables" / "simulated_size_study.csv").exists()
    assert "summary: designs=1 panels=100" in capsys.readouterr().out


def test_the_method_is_chosen_before_effects() -> None:
    """The choice depends on the days before the launch alone: effects of any size leave it as it is."""
    options = config_lib.AnalysisConfig(n_simulations=100, n_refits=20)
    chosen = []
    for effect in (0.0, 2.0):
        config = config_lib.BenefitConfig(
            simulation=config_lib.SimulationConfig(days=60, local=4, effect=effect), analysis=options
        )
        data = simulation.simulate(config.simulation).data
        # The simulation scales to the end of the series, which an effect moves; the level is brought back.
        one = data.panels[0]
        before = one.outcome[:, : one.start.min()].mean()
        panel = dataclasses.replace(one, outcome=one.outcome / before)
        products = prepared.audit_products(daily.Daily(("book",), (panel,), "made"), config)
        chosen.append(prepared.choose(products))
    assert chosen[0] == chosen[1]
