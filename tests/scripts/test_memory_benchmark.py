"""Processes that differ in how they take memory, and processes that take turns; what they run is made up."""

import importlib
import json
import mmap
import os
from pathlib import Path

import pytest

from ich_jax import errors
from ich_jax.perf import memory as memory_lib

SCRIPTS = Path(__file__).resolve().parents[2] / "scripts"


@pytest.fixture
def scripts(monkeypatch):
    """Imports modules of scripts/ as scripts/benchmark.py does."""
    monkeypatch.syspath_prepend(str(SCRIPTS))
    return lambda name: importlib.import_module(f"benchmarks.{name}")


def made_up(monkeypatch, module, folder, code):
    """Puts a program in the place of scripts/benchmark.py."""
    (folder / "scripts").mkdir()
    (folder / "scripts" / "benchmark.py").write_text(
        f"import json, os, sys\nsys.path.insert(0, {str(SCRIPTS)!r})\n{code}"
    )
    monkeypatch.setattr(module, "_ROOT", folder)


def flags(**values):
    known = {
        "processes": 3,
        "repetitions": 2,
        "output": "OUT",
        "preload": "/lib/x.so",
        "thp": "",
        "ways": [],
        "form": "auto",
    }
    return type("Flags", (), known | values)


SAMPLE = {"seconds": 2.0, "cores": 1.5, "faults": 7.0, "resident_mib": 1.0, "peak_mib": 4.0, "large_mib": 0.0}


def test_processes_get_their_way_and_nothing_of_the_users(scripts, monkeypatch, tmp_path):
    memory = scripts("memory")
    names = ("MALLOC_ARENA_MAX", memory_lib.TUNABLES, memory_lib.SWITCH, memory_lib.ASKED, "LD_PRELOAD")
    code = f"""
seen = [[os.environ.get(name, "") for name in {names!r}], len(os.sched_getaffinity(0)), sys.argv[1:]]
print("another line")
print(json.dumps({SAMPLE!r} | {{"memory": json.dumps(seen)}}))
"""
    made_up(monkeypatch, memory, tmp_path, code)
    monkeypatch.setattr(memory, "FLAGS", flags())
    monkeypatch.setenv("MALLOC_ARENA_MAX", "1")
    monkeypatch.setenv(memory_lib.ASKED, "1")
    monkeypatch.delenv("LD_PRELOAD", raising=False)
    before = os.sched_getaffinity(0)
    seen = {way: json.loads(memory._in_process("a job", way, 1, "C").memory) for way in memory.WAYS if way != "preload"}
    assert os.sched_getaffinity(0) == before
    assert seen["rule"][0] == ["", "", "", "", ""]
    assert seen["system"][0] == ["", "", "system", "", ""]
    assert seen["large"][0][1] == "glibc.malloc.hugetlb=1" == memory_lib.LARGE_PAGES
    assert seen["one_arena"][0][1].split(":")[-1] == "glibc.malloc.arena_max=1"
    assert all(cores == 1 for _, cores, _ in seen.values())
    assert seen["rule"][2] == [
        "memory",
        "--child=a job",
        "--repetitions=2",
        "--output=OUT",
        "--compiled=C",
        "--form=auto",
    ]


def test_a_process_that_fails_says_why(scripts, monkeypatch, tmp_path):
    memory = scripts("memory")
    made_up(monkeypatch, memory, tmp_path, "sys.exit('no such job')")
    monkeypatch.setattr(memory, "FLAGS", flags())
    with pytest.raises(errors.IchJaxError, match="a job, rule: the process left with 1: no such job"):
        memory._in_process("a job", "rule", 1, "")


def test_ways_take_turns_and_the_last_is_summed_up(scripts, monkeypatch, capsys):
    memory = scripts("memory")
    monkeypatch.setattr(memory, "FLAGS", flags(ways=["system", "rule"]))
    order = []

    def in_process(job, way, cores, compiled):
        order.append(way)
        i = len(order)
        changes = {"seconds": 4.0 + i} if way == "system" else {"peak_mib": 5.0}
        return memory.Sample(**(SAMPLE | changes), memory="")

    monkeypatch.setattr(memory, "_in_process", in_process)
    found = memory.measure("benchmark_32", ["system", "rule"], 2, "") + memory.measure(
        "renderer", ["system", "rule"], 2, ""
    )
    assert order[:6] == ["system", "rule", "rule", "system", "system", "rule"]
    rule = found[1]
    assert rule.ratio.median == pytest.approx(2 / 8.0) and rule.peak_ratio.median == 1.25
    figures = memory.summarise(found)
    assert figures["step_ratio"] == pytest.approx(0.25)  # of the step, not of the renderer
    assert (figures["faults_per_step"], figures["resident_ratio"]) == (7.0, 1.25)
    assert "1.25 (1.25 to 1.25)" in memory.tables.to_markdown(memory._table(found))
    assert "renderer" in capsys.readouterr().out


def test_a_job_is_timed_after_it_is_warm(scripts, monkeypatch):
    memory = scripts("memory")
    done = []

    def taken(n_bytes):
        memory = mmap.mmap(-1, n_bytes)
        memory.write(bytes(n_bytes))
        return memory

    monkeypatch.setattr(memory, "FLAGS", flags(compiled="", repetitions=4))
    monkeypatch.setitem(memory._OTHERS, "made", lambda: lambda: done.append(taken(1 << 22)))
    sample = memory._do("made")
    assert len(done) == 3 + 4
    assert sample.faults > 500 and sample.peak_mib > 28 and 0 < sample.seconds < 60
    assert sample.memory == memory_lib.described()


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"ways": ["systm"]}, "did you mean 'system'"),
        ({"jobs": ["configs/none.py"]}, "configs/none.py"),
        ({"cores": ["99"]}, "--cores"),
        ({"thp": "always"}, "--thp"),
        ({"ways": ["preload"], "preload": ""}, "--preload=FILE"),
        ({"versus": "torch", "jobs": ["renderer"]}, "none of --jobs is a training step"),
    ],
)
def test_wrong_flags_are_refused(scripts, monkeypatch, values, message):
    memory = scripts("memory")
    known = {"ways": ["system"], "jobs": ["renderer"], "cores": ["1"], "preload": "", "versus": ""}
    monkeypatch.setattr(memory, "FLAGS", flags(**(known | values)))
    with pytest.raises(errors.ConfigError, match=message):
        memory._check()


def test_sides_of_a_comparison_work_when_they_are_asked(scripts, monkeypatch, tmp_path):
    apart = scripts("apart")
    log = tmp_path / "log"
    code = f"""
from benchmarks import apart
def work(steps):
    with open({str(log)!r}, "a") as file:
        file.write(f"{{sys.argv[1]}}{{steps}} ")
apart.serve(work)
"""
    made_up(monkeypatch, apart, tmp_path, code)
    with apart.workers({"a": ["A"], "b": ["B"]}, {}) as running:
        for name, steps in (("b", 1), ("a", 4), ("b", 2)):
            running[name].take(steps)
            assert log.read_text().split()[-1] == f"{name.upper()}{steps}"  # done when the call returns
    assert log.read_text().split() == ["B1", "A4", "B2"]
    assert all(worker.process.poll() is not None for worker in running.values())


def test_a_side_that_fails_says_why(scripts, monkeypatch, tmp_path):
    apart = scripts("apart")
    made_up(monkeypatch, apart, tmp_path, "print('ready', flush=True); input(); sys.exit('losses differ')")
    with (
        apart.workers({"a": []}, {}) as running,
        pytest.raises(errors.IchJaxError, match="a: its process left with 1: losses differ"),
    ):
        running["a"].take(1)
