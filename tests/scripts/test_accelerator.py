"""scripts/benchmark.py accelerator: the table, what is refused, recorded and survives; the stages at tiny size."""

import importlib
import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from ich_jax import errors

ROOT = Path(__file__).resolve().parents[2]
SCRIPTS = ROOT / "scripts"


@pytest.fixture
def scripts(monkeypatch):
    """Imports modules of scripts/ as scripts/benchmark.py does."""
    monkeypatch.syspath_prepend(str(SCRIPTS))
    return lambda name: importlib.import_module(f"benchmarks.{name}")


def run(*arguments, timeout=300):
    command = [sys.executable, str(SCRIPTS / "benchmark.py"), "accelerator", *arguments]
    return subprocess.run(command, capture_output=True, text=True, cwd=ROOT, timeout=timeout)


def summary(text):
    return dict(pair.split("=") for pair in text.strip().splitlines()[-1].removeprefix("summary: ").split())


class TestTable:
    def test_nine_stages_fit_nine_minutes(self, scripts):
        stages = scripts("stages.table").STAGES
        usual = [stage for stage in stages if not stage.asked]
        assert len(usual) == 9 and [stage.name for stage in stages if stage.asked] == ["devices"]
        assert len({stage.name for stage in stages}) == len(stages)
        assert sum(stage.minutes for stage in usual) == pytest.approx(9.0)
        assert all(0 < stage.least <= stage.minutes for stage in stages)

    def test_the_listing_shows_every_stage_and_its_minutes(self, scripts):
        table = scripts("stages.table")
        lines = table.listing().splitlines()
        for stage, line in zip(table.STAGES, lines, strict=True):
            assert stage.name in line and f"{stage.minutes:.1f} min" in line and stage.worth in line
        assert "after 9.0" in lines[8] and "with --devices" in lines[9]

    def test_minutes_are_given_in_the_order_of_worth(self, scripts):
        table = scripts("stages.table")
        made = [
            table.Stage("a", "", 1.0, 0.1, print),
            table.Stage("b", "", 2.0, 0.5, print, surplus=3),
            table.Stage("c", "", 1.0, 0.1, print, surplus=1),
        ]
        assert table.allowance(made, 30) == 30  # less than the first one's own
        assert table.allowance(made, 100) == 60
        assert table.allowance(made, 240) == 60
        assert table.allowance(made, 1000) == 60 + 380  # it ends by itself: up to half of the surplus
        assert table.allowance(made[1:], 180 + 100) == 120 + 75  # three of four parts of the surplus
        assert table.allowance(made[2:], 60 + 100) == 160  # the last one: all
        assert table.allowance(made, -5) == 0


class TestRecord:
    def test_a_row_replaces_the_one_with_the_same_first_cell(self, scripts):
        entry = scripts("stages.record").Entry("running")
        entry.add("speed", way="a", ms=1.0)
        entry.add("other", way="a", ms=2.0)
        entry.add("speed", way="a", ms=3.0)
        assert entry.rows == [{"table": "other", "way": "a", "ms": 2.0}, {"table": "speed", "way": "a", "ms": 3.0}]

    def test_what_was_written_is_read_and_what_was_under_way_is_unfinished(self, scripts, tmp_path):
        records = scripts("stages.record")
        record = records.Record(tmp_path, "tiny")
        record.begin("step", 5.0).add("speed", way="a", ms=1.0)
        record.end("step", records.DONE, 2.0)
        record.begin("stacks", 5.0).leave_out("a stack of 64", "not  ready")
        record.write()
        again = records.read(tmp_path)
        assert records.interrupted(again, "ended") == ["stacks"]
        assert [entry.state for entry in again.entries.values()] == ["done", "unfinished"]
        assert again.entries["step"].rows == record.entries["step"].rows and again.entries["step"].seconds == 2.0
        text = (tmp_path / records.TABLES).read_text()
        assert "**speed**" in text and "Left out of stacks: a stack of 64: not ready" in text

    @pytest.mark.parametrize(
        ("text", "message"),
        [
            ("{", "cannot be read"),
            ('{"format": 0, "size": "tiny", "calls": [], "stages": {}}', "format 0, not 1"),
            ('{"format": 1, "size": "tiny", "calls": [], "stages": {"a": {"state": "odd"}}}', "odd"),
            ('{"format": 1, "size": "tiny", "calls": [], "stages": {"a": 1}}', "cannot be read"),
        ],
    )
    def test_other_files_are_refused(self, scripts, tmp_path, text, message):
        records = scripts("stages.record")
        (tmp_path / records.FILE).write_text(text)
        with pytest.raises(errors.WorkdirError, match=message):
            records.read(tmp_path)


class TestRefusals:
    """Nothing is measured and nothing written."""

    @pytest.fixture
    def given(self, scripts, monkeypatch, tmp_path):
        """Sets flags; returns the module."""
        accelerator = scripts("accelerator")
        values = {
            **{"output": "", "resume": "", "minutes": 0.0, "stages": [], "devices": -1, "versus": "none"},
            **{"platform": "", "tiny": True, "rehearse": False, "rehearsal": str(tmp_path / "none"), "rehearsed": True},
        }

        def give(**changes):
            known = values | changes
            flags = type("Flags", (), known | {"__getitem__": lambda self, name: self._flag(name)})()
            flags._flag = lambda name: type("Flag", (), {"present": name in changes})
            monkeypatch.setattr(accelerator, "FLAGS", flags)
            return accelerator

        return give

    def test_flags_that_cannot_be(self, given):
        for changes, message in [
            ({}, "Name one folder"),
            ({"output": "a", "resume": "b"}, "Name one folder"),
            ({"output": "a", "minutes": 0.05}, "too few for any stage asked for; device needs 0.1, all of them 9.0"),
            ({"output": "a", "minutes": float("nan")}, "too few"),
            ({"output": "a", "stages": ["step"], "minutes": 0.2}, "step needs 0.5"),
            ({"output": "a", "stages": ["stack"]}, "did you mean 'stacks'"),
            ({"output": "a", "platform": "gpus"}, "did you mean 'gpu'"),
            ({"output": "a", "versus": "jax"}, "--versus"),
        ]:
            with pytest.raises(errors.ConfigError, match=message):
                given(**changes).check_flags()

    def test_stages_that_are_asked_for(self, given):
        names = lambda **changes: [stage.name for stage in given(output="a", **changes).check_flags()[0]]  # noqa: E731
        assert len(names()) == 9 and "devices" not in names()
        assert names(stages=["step", "device"]) == ["device", "step"]  # in the order of worth
        assert names(stages=["step"], devices=2) == ["step", "devices"]

    def test_folders_that_hold_something_else(self, given, tmp_path):
        (tmp_path / "foreign").mkdir()
        (tmp_path / "foreign" / "thesis.txt").write_text("mine")
        (tmp_path / "file").write_text("mine")
        for folder in ("foreign", "file"):
            with pytest.raises(errors.WorkdirError, match="holds something else"):
                given(output=str(tmp_path / folder))._open("tiny")
        with pytest.raises(errors.WorkdirError, match="--output"):
            given(output=str(tmp_path / "file" / "below"))._open("tiny")
        with pytest.raises(errors.WorkdirError, match=r"it holds no accelerator\.json"):
            given(resume=str(tmp_path / "foreign"))._open("tiny")
        given(output=str(tmp_path / "new"))._open("tiny")
        assert not (tmp_path / "new").exists()  # it is made when the device has been found

    def test_a_run_goes_on_at_its_own_size_and_not_from_the_start(self, given, scripts, tmp_path):
        scripts("stages.record").Record(tmp_path, "tiny").write()
        with pytest.raises(errors.WorkdirError, match="resume it by --resume"):
            given(output=str(tmp_path))._open("tiny")
        with pytest.raises(errors.WorkdirError, match="of size tiny; go on with --tiny"):
            given(resume=str(tmp_path), tiny=False)._open("full")
        assert given(resume=str(tmp_path))._open("tiny").size == "tiny"

    def test_a_full_run_asks_for_a_rehearsal_of_these_sources(self, given, tmp_path, capsys):
        full = {"tiny": False, "output": "a", "rehearsal": str(tmp_path)}
        with pytest.raises(errors.ConfigError, match="a rehearsal of nothing; run `make rehearse` first"):
            given(**full)._check_rehearsal("full")
        receipt = {"sources": "another", "versions": {"jax": "0.0.1"}}
        (tmp_path / "rehearsal.json").write_text(json.dumps(receipt))
        with pytest.raises(errors.ConfigError, match="other sources than these"):
            given(**full)._check_rehearsal("full")
        given(**full, rehearsed=False)._check_rehearsal("full")
        assert "0.0.1 was rehearsed with" in capsys.readouterr().out
        accelerator = given(**full)
        (tmp_path / "rehearsal.json").write_text(json.dumps(receipt | {"sources": accelerator.records.sources()}))
        accelerator._check_rehearsal("full")
        assert "warning: JAX" in capsys.readouterr().out  # another version is no reason to refuse

    def test_no_such_device(self, tmp_path):
        done = run("--tiny", "--platform=gpu", f"--output={tmp_path / 'new'}")
        assert done.returncode == 1 and "error: --platform=gpu: JAX finds" in done.stderr, done.stderr
        assert not (tmp_path / "new").exists()


MADE_UP = """
import os, sys, time
sys.path[:0] = [{scripts!r}, {root!r}]
from benchmarks import accelerator
from benchmarks.stages import table, watcher, worker

def good(job):
    job.add("rows", n=1, value=0.5)

def wrong(job):
    job.add("rows", n=1)
    raise ValueError("as it happens")

def aborts(job):
    job.add("rows", n=1)
    os.abort()

def hangs(job):
    job.add("rows", n=1)
    time.sleep(600)

def slow(job):
    for n in range(40):
        if not job.has("rows", n):
            job.add("rows", n=n)
            time.sleep(0.02)

def later(job):
    if job.known("good", "calls") is None:
        job.figure("calls", 1.0)
        job.goes_on = "step 1 of 2"

accelerator.STAGES = worker.STAGES = tuple(
    table.Stage(function.__name__, "made up", minutes, 0.001, function)
    # The last one expects more minutes than there are, so that nothing is left over for one that hangs.
    for function, minutes in ((good, 1), (wrong, 1), (aborts, 1), (hangs, 0.02), (slow, 1), (later, 100))
)
watcher._ROOT, watcher._GRACE_S = __import__("pathlib").Path({folder!r}), 0.5
if __name__ == "__main__":
    import benchmark
    benchmark.main(sys.argv)
"""


@pytest.fixture
def made_up(tmp_path):
    """A command of made-up stages, in the place of scripts/benchmark.py; returns `(*flags) -> process`."""
    folder = tmp_path / "made_up"
    (folder / "scripts").mkdir(parents=True)
    file = folder / "scripts" / "benchmark.py"
    file.write_text(MADE_UP.format(scripts=str(SCRIPTS), root=str(ROOT), folder=str(folder)))
    benchmark = (SCRIPTS / "benchmark.py").read_text().replace('__name__ == "__main__"', "False")
    (folder / "benchmark.py").write_text(benchmark)
    environment = os.environ | {"PYTHONPATH": f"{folder}:{ROOT}"}

    def start(*flags):
        command = [sys.executable, str(file), "accelerator", "--tiny", *flags]
        return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=environment)

    return start


def test_what_raises_aborts_or_hangs_takes_nothing_from_the_others(made_up, scripts, tmp_path):
    out = tmp_path / "out"
    process = made_up("--stages=good,wrong,aborts,hangs,later", f"--output={out}")
    text, _ = process.communicate(timeout=200)
    assert process.returncode == 1, text
    assert {"stages": "5", "done": "1", "failed": "3"}.items() <= summary(text).items()
    found = scripts("stages.record").read(out).entries
    assert [entry.state for entry in found.values()] == ["done", "failed", "failed", "failed", "unfinished"]
    assert found["wrong"].reason == "ValueError: as it happens" and "left with -6" in found["aborts"].reason
    assert "did not stop at its deadline" in text and found["later"].reason == "step 1 of 2"
    assert all(found[name].rows for name in ("good", "wrong", "aborts", "hangs"))
    assert "ValueError" in (out / "log.txt").read_text()


def test_killed_at_random_moments_it_goes_on_and_loses_nothing(made_up, scripts, tmp_path):
    out, records, moment = tmp_path / "out", scripts("stages.record"), random.Random(0)
    flag, before = f"--output={out}", 0
    for _ in range(2):
        process = made_up("--stages=good,slow", flag)
        while not (out / records.FILE).exists() or len(_slow(records.read(out))) <= before:
            assert process.poll() is None, process.communicate()
            time.sleep(0.01)
        time.sleep(0.3 * moment.random())
        process.send_signal(moment.choice([signal.SIGKILL, signal.SIGTERM]))
        process.communicate(timeout=30)  # until the process that works has left, too: it ends when its input does
        rows = _slow(records.read(out))
        time.sleep(0.3)
        assert _slow(records.read(out)) == rows  # nobody writes any more
        assert rows == list(range(len(rows))) and before < len(rows)
        before, flag = len(rows), f"--resume={out}"
    process = made_up("--stages=good,slow", flag)
    text, _ = process.communicate(timeout=100)
    assert process.returncode == 0 and {"done": "2", "failed": "0"}.items() <= summary(text).items(), text
    found = records.read(out)
    assert _slow(found) == list(range(40)) and "good:" not in text  # what was done is left as it is
    assert len(found.calls) == 3


def _slow(record):
    return [row["n"] for row in record.entries["slow"].rows] if "slow" in record.entries else []


# ---------------------------------------------------------------- stages


def test_every_stage_that_measures_runs_tiny_without_pytorch(tmp_path):
    out = tmp_path / "out"
    names = "device,step,profile,stacks,drawing,penalty,econometrics"
    done = run("--tiny", "--versus=none", f"--stages={names}", f"--output={out}", timeout=600)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    figures = summary(done.stdout)
    assert figures["stages"] == figures["done"] == "7" and figures["step_vs_torch"] == "n/a"
    assert 0 < float(figures["mfu"]) < 1 and float(figures["minutes"]) > 0
    stages = json.loads((out / "accelerator.json").read_text())["stages"]
    titles = {name: {row["table"] for row in stage["rows"]} for name, stage in stages.items()}
    assert titles["step"] == {"Ours alone", "The step in turns"}
    assert titles["profile"] == {"Time by part", "Time by kind", "Longest operations"}
    assert titles["stacks"] >= {"Stacks of seeds", "Processes beside each other"}
    assert len(stages["device"]["rows"]) == 3
    parts = [row["part"] for row in stages["profile"]["rows"] if row["table"] == "Time by part"]
    assert any("Discriminator/block_0, backward" in part for part in parts)
    assert "PyTorch: --versus=none" in stages["step"]["left_out"]
    assert str(tmp_path) not in (out / "accelerator.json").read_text()


class TestSeveral:
    """Two of the virtual devices of the tests; the step on several devices has tests of its own (tests/training)."""

    @pytest.fixture
    def job(self, scripts, tmp_path):
        jobs, records, sizes = (scripts(f"stages.{name}") for name in ("job", "record", "sizes"))
        record = records.Record(tmp_path, "tiny")
        record.begin("devices", 0.0)
        return jobs.Job("devices", sizes.TINY, record, time.monotonic() + 60, devices=2)

    def test_an_update_that_devices_share_is_that_of_one(self, scripts, job):
        scripts("stages.several")._divided_update(job, 2)
        assert job.entry.rows[0]["what"] == "Adam by shard_map on 2 devices"

    def test_more_devices_than_there_are(self, scripts, job):
        job.devices = 99
        with pytest.raises(errors.ConfigError, match="--devices: got 99, but JAX sees 2"):
            scripts("stages.several").run(job)


class TestTraining:
    """Trainings are commands of their own; here a small program stands for them."""

    PROGRAM = """
import json, signal, sys, time
from pathlib import Path
folder = Path([word for word in sys.argv if word.startswith("--workdir=")][0].split("=", 1)[1])
folder.mkdir(parents=True, exist_ok=True)
asked = []
signal.signal(signal.SIGTERM, lambda *_: asked.append(1))
file = folder / "metrics.jsonl"
(folder / "config.json").write_text(json.dumps({"train": {"steps": STEPS}}))
step = len(file.read_text().splitlines()) if file.exists() else 0
while step < STEPS:
    step += 1
    with open(file, "a") as metrics:
        metrics.write(json.dumps({"step": step, "img_per_s": 7.0}) + "\\n")
    time.sleep(0.02)
    if asked and not STUBBORN:
        sys.exit(143)
(folder / "results.json").write_text(json.dumps({"summary": {"kid": 0.5}}))
"""

    @pytest.fixture
    def job(self, scripts, monkeypatch, tmp_path):
        """Returns `(seconds, steps, stubborn) -> job` of the stage `training`."""
        training, jobs, records, sizes = (scripts(f"stages.{name}") for name in ("training", "job", "record", "sizes"))
        record = records.Record(tmp_path, "tiny")

        def make(seconds, steps=30, stubborn=False):
            text = self.PROGRAM.replace("STEPS", str(steps)).replace("STUBBORN", str(stubborn))

            def command(study, made, folder, *more):
                assert study == "train" and made.flags()[0].endswith("configs/quick.py:tiny")
                return [sys.executable, "-c", text, f"--workdir={folder}", *more]

            monkeypatch.setattr(training, "command", command)
            record.begin("training", 0.0)
            return jobs.Job("training", sizes.TINY, record, time.monotonic() + seconds)

        return training, make

    def test_it_stops_at_the_deadline_states_the_step_and_goes_on(self, job):
        training, make = job
        first = make(2.0, steps=1000)
        training.train(first)
        (row,) = first.entry.rows
        assert first.left_s() > -1 and 0 < row["step"] < 1000 and row["of"] == 1000 and row["img_per_s"] == 7.0
        assert first.goes_on == f"quick: step {row['step']} reached"
        second = make(20.0, steps=row["step"] + 5)
        training.train(second)
        runs = [each for each in second.entry.rows if each["table"] == "Runs"]
        assert second.goes_on == "" and runs[0]["step"] == row["step"] + 5 and runs[0]["finished"] == "yes"
        assert {"table": "Results", "run": "quick", "kid": 0.5} in second.entry.rows

    def test_one_that_does_not_leave_is_ended(self, job):
        training, make = job
        stage = make(1.5, steps=10**6, stubborn=True)
        training.train(stage)
        assert stage.left_s() > -1 and "did not save and leave in time" in stage.entry.left_out[0] and stage.goes_on

    def test_one_that_fails_says_its_last_words(self, job, monkeypatch):
        training, make = job
        stage = make(20.0)
        monkeypatch.setattr(training, "command", lambda *_: [sys.executable, "-c", "raise SystemExit('no images')"])
        with pytest.raises(errors.IchJaxError, match="quick left with 1: no images"):
            training.train(stage)

    def test_cells_are_judged_by_their_worst_axis(self, job, scripts, tmp_path):
        training, make = job
        stage = make(1.0)
        cell = {"arm": "residual", "depth": 4, "seed": 0, "steps": 9, "diverged": False}
        values = {"requested": [[0.0, 1.0], [0.0, 0.0]], "read": [[0.4, 1.6], [0.1, -0.1]]}
        (tmp_path / "cell.json").write_text(json.dumps(cell | values))
        training._add_judged(stage, tmp_path / "cell.json")
        (row,) = stage.entry.rows
        assert row["designs"] == 2 and row["beyond_on_any_axis"] == 1 and row["largest_error"] == pytest.approx(0.6)

    def test_the_commands_are_those_of_users(self, scripts):
        training, sizes = scripts("stages.training"), scripts("stages.sizes")
        words = training.command("error_comparison", sizes.FULL.comparison, Path("w"), "--shard=0/4")
        assert "ich_jax.studies.error_comparison" in words and "--config.comparison.depths=(4, 8)" in words
        from ich_jax import config as config_lib

        made = config_lib.load(
            ROOT / "configs" / "error_comparison.py",
            dict(sizes.FULL.comparison.changes),
            config_lib.ErrorComparisonConfig,
        )
        assert made.comparison.depths == (4, 8) and made.comparison.trial_steps == 0
        assert [run.load().data.size for run in sizes.FULL.trained.values()] == [64, 128]


class TestProfile:
    def test_operations_are_read_with_their_bytes_and_parts(self, scripts):
        profile = scripts("stages.profile")
        text = """
ENTRY %main {
  %a.1 = f32[2,3]{1,0} parameter(0), metadata={op_name="state.g"}
  %b = bf16[8]{0} constant(0)
  ROOT %fused_add = f32[2,3]{1,0} fusion(%a.1, %b), kind=kLoop, calls=%c, metadata={op_name="jit(p)/transpose(jvp(Generator))/block_1/conv1/add"}
}
"""  # noqa: E501 - as XLA prints it
        found = profile.parse(text)["fused_add"]
        assert found.opcode == "fusion" and found.n_bytes == 24 + 24 + 16
        assert found.scope == "Generator/block_1, backward"
        assert profile.kind("fused_add", found) == "elementwise, reductions"

    def test_kinds(self, scripts):
        kind = scripts("stages.profile").kind
        assert kind("loop_convert_fusion", None) == "elementwise, reductions"
        assert kind("cudnn-conv-bias.3", None) == "convolutions, products"
        assert kind("wrapped_transpose.1", None) == "elementwise, reductions" or kind("transpose.1", None)
        assert kind("transpose_fusion.1", None) == "copies, transposes"

    def test_time_of_loops_is_not_counted_twice(self, scripts):
        profile = scripts("stages.profile")
        event = lambda name, ns, **stats: type("E", (), {"name": name, "duration_ns": ns, "stats": stats.items()})  # noqa: E731
        known = {"while.1": profile.Operation("while.1", "while", 0, ""), "add": profile.Operation("add", "add", 0, "")}
        events = [event("while.1", 9), event("add", 3), event("kernel_7", 4, hlo_op="add"), event("malloc", 99)]
        assert profile.seconds_by_operation(events, known) == {"add": pytest.approx(7e-9)}


def test_what_is_late_is_left_behind(scripts):
    jobs = scripts("stages.job")

    def raises():
        raise ValueError("no kernel")

    ways = {"quick": lambda: 1, "wrong": raises, "late": lambda: time.sleep(1.0), "waits": lambda: 2}
    made, late = jobs.all_at_once(ways, timeout_s=0.3, at_most=1)
    assert made == {"quick": 1} and late["wrong"] == "ValueError: no kernel"
    assert late["late"] == "not ready within 0 s" and "not ready" in late["waits"]
