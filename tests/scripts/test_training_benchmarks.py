"""Benchmarks of the training step: one tiny run as a user makes it, what is refused, what the summary says."""

import dataclasses
import importlib
import json
import subprocess
import sys
from pathlib import Path

import jax
import numpy as np
import pytest

from ich_jax import errors
from ich_jax.perf import compilation, dispatch, neighbours, roofline
from ich_jax.perf.timing import Range

SCRIPTS = Path(__file__).resolve().parents[2] / "scripts"
SMALL = (
    "--config=configs/benchmark_32.py",
    *("--set=data.size=16", "--set=generator.widths=(4,4,4)", "--set=discriminator.widths=(4,4)"),
    *("--set=train.batch=2", "--set=generator.z_dim=3"),
)


@pytest.fixture
def scripts(monkeypatch):
    """Imports modules of scripts/ as scripts/benchmark.py does."""
    monkeypatch.syspath_prepend(str(SCRIPTS))
    return lambda name: importlib.import_module(f"benchmarks.{name}")


def run(*arguments):
    command = [sys.executable, str(SCRIPTS / "benchmark.py"), *arguments]
    return subprocess.run(command, capture_output=True, text=True, cwd=SCRIPTS.parent, timeout=300)


def small(scripts, **changes):
    programs = scripts("programs")
    values = dict(programs.change(text.removeprefix("--set=")) for text in SMALL[1:])
    return programs.config_lib.load(SCRIPTS.parent / "configs" / "benchmark_32.py", values | changes)


def test_a_tiny_run_leaves_receipt_tables_and_summary(tmp_path):
    quick = ("--rounds=5", "--steps=1", "--nocompile_split", "--noown_images", "--nopenalty", "--form=merged")
    done = run("train", *SMALL, *quick, f"--output={tmp_path}")
    assert done.returncode == 0, done.stderr
    last = done.stdout.strip().splitlines()[-1]
    figures = dict(pair.split("=") for pair in last.removeprefix("summary: ").split())
    assert figures["jax_over_torch_as_written"] == figures["penalty_overhead"] == "n/a"
    assert 0 < float(figures["peak_share"]) < 1 and 0 <= float(figures["dispatch_gap"]) < 1
    receipt = json.loads((tmp_path / "benchmark.json").read_text())
    (row,) = receipt["rows"]
    assert 0 < row["step_s"]["low"] <= row["step_s"]["median"] <= row["step_s"]["high"]
    assert row["img_per_s"] == pytest.approx(2 / row["step_s"]["median"])
    assert row["gflop_per_image"] < row["gflop_per_image_written"]  # merged forms do less
    assert row["memory"]["alias_bytes"] > 0.9 * row["memory"]["output_bytes"]  # the state is donated
    assert 0 < row["gap"]["busy_s"] <= row["gap"]["span_s"] and row["neighbours"]["own_cores"] > 0
    assert receipt["provenance"]["versions"] and str(tmp_path) not in (tmp_path / "benchmark.json").read_text()
    text = (tmp_path / "benchmark.md").read_text()
    assert "**Training step**" in text and "**Compilation and memory**" in text and "PyTorch" not in text


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["train", "--rounds=4"], "--rounds: got 4; expected a whole number from 5"),
        (
            ["train", "--set=train.batches=3"],
            "--config.train.batches: there is no field 'batches'; did you mean 'batch'",
        ),
        (["train", "--form=direkt"], "--form: got 'direkt'; did you mean 'direct'"),
        (["lower", "--platforms=tpus"], "--platforms: got 'tpus'; did you mean 'tpu'"),
    ],
)
def test_bad_flags_are_refused_before_anything_is_measured(tmp_path, arguments, message):
    done = run(*arguments, f"--output={tmp_path / 'new'}")
    assert done.returncode == 1 and message in done.stderr, done.stderr
    assert not (tmp_path / "new").exists()


def test_bad_values_are_named(scripts):
    with pytest.raises(errors.ConfigError, match=r"--set=train\.batch: expected a field and its value"):
        scripts("programs").change("train.batch")
    with pytest.raises(errors.ConfigError, match="--batches: got 'x'"):
        scripts("sample")._batch("x")
    with pytest.raises(errors.ConfigError, match="--batches: got '8,0'"):
        scripts("scaling")._numbers("batches", ["8", "0"])
    with pytest.raises(errors.ConfigError, match="--devices: got 99, but JAX sees 2"):
        scripts("scaling").check_devices([1, 99])


def test_devices_that_are_one_processor_are_refused(scripts):
    with pytest.raises(errors.ConfigError, match="share one processor"):
        scripts("scaling").check_devices([1, 2])


def test_torch_that_is_absent_names_the_extra(scripts, monkeypatch):
    versus_torch = scripts("versus_torch")
    monkeypatch.setattr(versus_torch.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(errors.ConfigError, match=r'pip install -e "\.\[bench\]"'):
        versus_torch.load_peer()


class TestSummary:
    @pytest.fixture
    def measured(self, scripts):
        """A row as `measure` makes it: 2 s a step, by hand."""
        peer, result = scripts("versus_torch").Peer, scripts("train_result")
        seconds = Range(1.9, 2.0, 2.2)
        peak = roofline.Peak("float32", 100e9, 10e9)
        peers = (
            peer("torch eager, written", False, "stock", Range(2.0, 2.5, 3.0), seconds, Range(0.7, 0.8, 0.9)),
            peer("torch.compile, written", False, "stock", Range(2.0, 2.4, 3.0), seconds, Range(0.7, 0.83, 0.9)),
            peer("torch eager, phases", True, "stock", Range(1.0, 1.9, 3.0), seconds, Range(0.9, 1.05, 1.2)),
        )
        return result, result.Measured(
            config="made",
            fingerprint="0",
            size=32,
            batch=32,
            dtype="float32",
            form="merged",
            step_s=seconds,
            own_step_s=seconds,
            input_share=0.01,
            img_per_s=16.0,
            gflop_per_image=3.0,
            gflop_per_image_written=4.0,
            gflop_per_image_xla=None,
            standing=roofline.standing(2.0, 96e9, 1e9, peak),
            model_share=0.64,
            peak=peak,
            compilation=None,
            memory=compilation.Memory(2**20, 2**20, 2**20, 2**21, None),
            estimated_bytes=2**22,
            device_peak_bytes=None,
            gap=dispatch.Gap(9.9, 10.0),
            penalty_overhead=Range(1.4, 1.5, 1.6),
            peers=peers,
            neighbours=neighbours.Neighbours(10.0, 1.9, None, None, 2),
        )

    def test_ratios_are_to_the_fastest_of_each_kind_in_the_worst_config(self, measured):
        result, one = measured
        worse = [dataclasses.replace(p, ours_over_it=Range(1.0, 1.5, 2.0)) for p in one.peers if p.same_algebra]
        other = dataclasses.replace(one, config="other", gap=None, peers=(*one.peers[:2], *worse))
        alone = dataclasses.replace(one, config="alone", peers=(), gflop_per_image=99.0)
        found = result.summarise([one, other, alone])
        assert found["jax_over_torch_as_written"] == 0.83 and found["jax_over_torch_same_algebra"] == 1.5
        assert found["peak_share"] == 0.48 and found["gflop_per_image"] == 3.0  # of those that are compared
        assert found["penalty_overhead"] == 1.5 and found["dispatch_gap"] == pytest.approx(0.01)

    def test_each_side_has_its_best_memory(self, measured):
        result, one = measured
        quick, slow = Range(1.0, 1.2, 1.3), Range(2.0, 2.5, 3.0)
        peers = (
            result.Peer("a", False, "stock", Range(1.8, 2.0, 2.1), slow, Range(1.1, 1.25, 1.4)),
            result.Peer("a", False, "large pages", Range(2.2, 2.4, 2.5), quick, Range(0.4, 0.5, 0.6)),
        )
        assert result.versus_torch.ratio(peers, same_algebra=False) == pytest.approx(1.2 / 2.0)
        assert result.versus_torch.ratio(peers, same_algebra=False, memory="stock") == 1.25
        assert result.versus_torch.ratio(peers, same_algebra=True) is None
        assert result.summarise([dataclasses.replace(one, peers=peers)])["jax_over_torch_stock"] == 1.25

    def test_without_a_peer_there_is_no_ratio(self, measured):
        result, one = measured
        found = result.summarise([dataclasses.replace(one, peers=(), penalty_overhead=None)])
        assert np.isnan(found["jax_over_torch_as_written"]) and np.isnan(found["penalty_overhead"])
        assert found["gflop_per_image"] == 3.0

    def test_tables_show_what_there_is(self, measured, scripts, monkeypatch):
        result, one = measured
        monkeypatch.setattr(result, "FLAGS", type("Flags", (), {"rounds": 7, "steps": 2}))
        speed, compiled, versus = (result.tables.to_markdown(table) for table in result.tables_of([one]))
        assert "XLA's count" not in speed and "compute (48 %)" in speed and "1.5 (1.4 to 1.6)" in speed
        assert "device peak" not in compiled and "2.000" in compiled
        assert versus.count("fastest of its kind") == 2 and "0.83 (0.7 to 0.9)" in versus


class TestPenalty:
    def test_every_way_to_take_it_gives_the_same_gradient(self, scripts):
        penalty, programs = scripts("penalty"), scripts("programs")
        config, form = small(scripts), programs.FORMS["direct"]
        arguments = penalty._arguments(config, form)
        found = {
            way: jax.jit(penalty.make_gradient(config, form, *how))(*arguments) for way, how in penalty.WAYS.items()
        }
        none, both = found["none"], found["R1 + R2, autodiff"]
        assert both[0] > none[0] and found["R1, autodiff"][0] > none[0]
        exact = found["R1 + R2, exact rule"]
        np.testing.assert_allclose(exact[0], both[0], rtol=1e-5)
        for mine, theirs in zip(jax.tree.leaves(exact[1]), jax.tree.leaves(both[1]), strict=True):
            np.testing.assert_allclose(mine, theirs, rtol=1e-3, atol=1e-5)

    def test_the_exact_rule_is_left_out_where_it_does_not_hold(self, scripts):
        penalty = scripts("penalty")
        assert "R1 + R2, exact rule" in penalty.ways_of(small(scripts))
        assert penalty.ways_of(small(scripts, **{"discriminator.activation": "silu"}))[-1] == "R1 + R2, autodiff"


class TestLower:
    @pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
    def test_a_step_for_both_accelerators(self, scripts, dtype):
        lower, programs = scripts("lower"), scripts("programs")
        config = small(scripts, **{"compute.dtype": dtype})
        found = lower.measure(config, programs.FORMS["merged"], ["tpu", "cuda"])
        assert [m.problems for m in found] == [(), ()] and [m.platform for m in found] == ["tpu", "cuda"]
        assert found[0].convolutions > 20 and found[0].memory_bytes > 0 and "no multiple of 128" in found[0].advice[0]
        direct = lower.measure(config, programs.FORMS["direct"], ["tpu"])[0]
        assert found[0].gflop_per_image < direct.gflop_per_image

    def test_every_config_that_trains_is_taken_with_or_without_its_images(self, scripts):
        lower = scripts("lower")
        names = {Path(path).stem for path in lower.training_configs()}
        assert {"quick", "paper", "folder_32", "grey_28", "benchmark_64", "r3gan_32"} <= names
        assert "economic_benefit" not in names
        config = lower.load(str(SCRIPTS.parent / "configs" / "grey_28.py"), "bfloat16")
        step, (state, source, _) = lower.abstract_step(config, scripts("programs").FORMS["direct"])
        assert source.image.shape == (1, config.train.batch, 28, 28, 1) and callable(step)
        assert all(isinstance(leaf, jax.ShapeDtypeStruct) for leaf in jax.tree.leaves(state))
