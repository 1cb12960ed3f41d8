"""The benchmark of corruptions and their comparison with the reference: who counts as a peer, what is paired."""

import importlib
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from ich_jax import workdir
from ich_jax.interference import COMMON
from ich_jax.perf.timing import Range

SCRIPTS = Path(__file__).resolve().parents[2] / "scripts"
IMAGES = np.random.default_rng(0).integers(40, 200, (64, 32, 32, 3)).astype(np.uint8)


@pytest.fixture
def scripts(monkeypatch):
    """Imports modules as the scripts do."""
    monkeypatch.syspath_prepend(str(SCRIPTS))
    return importlib.import_module


def run(script, *arguments):
    command = [sys.executable, str(SCRIPTS / script), *arguments]
    return subprocess.run(command, capture_output=True, text=True, cwd=SCRIPTS.parent, timeout=300)


def test_a_tiny_run_without_peers(tmp_path):
    done = run("benchmark.py", "interference", f"--output={tmp_path}", "--kinds=impulse_noise", "--sizes=32")
    assert done.returncode == 0, done.stderr
    start = "summary: suite_speedup_32px=n/a suite_speedup_64px=n/a suite_speedup_224px=n/a worst_single="
    assert done.stdout.strip().splitlines()[-1].startswith(start)
    receipt = json.loads((tmp_path / "benchmark.json").read_text())
    (row,) = receipt["rows"]
    assert "imagecorruptions" in receipt["absent"] and len(row["seconds"][0]) == receipt["rounds"] == 5
    assert row["ours"] == pytest.approx(1 / np.median(row["seconds"][0])) and row["compile_s"] > 0
    assert "imagecorruptions is absent" in (tmp_path / "benchmark.md").read_text()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--kinds=fogg"], "did you mean 'fog'"),
        (["--libraries=korn"], "did you mean 'kornia'"),
        (["--kinds=contrast", "--imagecorruptions=nowhere"], "nowhere is no clone of"),
    ],
)
def test_bad_flags_are_refused_before_anything_is_measured(tmp_path, arguments, message):
    done = run("benchmark.py", "interference", *arguments, f"--output={tmp_path / 'new'}")
    assert done.returncode == 1 and message in done.stderr and not (tmp_path / "new").exists()


class TestAgreement:
    """Moments tell the same noise from noise of another spread, shape, or one that channels or neighbours share."""

    @staticmethod
    def noisy(seed, shape=IMAGES.shape, draw=None):
        rng = np.random.default_rng(seed)
        noise = rng.normal(0, 10, shape) if draw is None else draw(rng, shape)
        return [np.uint8(np.clip(IMAGES + noise, 0, 255)) for _ in range(5)]

    def off(self, scripts, theirs):
        benchmark = scripts("benchmarks.interference")
        return benchmark.off("gaussian_noise", IMAGES, self.noisy(0), theirs)

    def test_the_same(self, scripts):
        assert self.off(scripts, self.noisy(1)) < 0.02

    @pytest.mark.parametrize(
        ("draw", "shape"),
        [
            (lambda rng, shape: rng.normal(0, 11, shape), IMAGES.shape),
            (lambda rng, shape: rng.normal(1, 10, shape), IMAGES.shape),
            (lambda rng, shape: rng.uniform(-(300**0.5), 300**0.5, shape), IMAGES.shape),
            (lambda rng, shape: rng.normal(0, 10, shape), (64, 32, 32, 1)),
            (lambda rng, shape: rng.normal(0, 10, shape).repeat(2, axis=1), (64, 16, 32, 3)),
        ],
        ids=["spread", "mean", "shape", "channels", "neighbours"],
    )
    def test_others(self, scripts, draw, shape):
        assert self.off(scripts, self.noisy(1, shape, draw)) > 0.05

    def test_without_draws_it_is_the_mean_difference(self, scripts):
        benchmark = scripts("benchmarks.interference")
        theirs = [IMAGES + np.uint8(step) for step in (0, 1, 2, 3, 4)]
        assert benchmark.off("contrast", IMAGES, [IMAGES] * 5, theirs) == 2


def test_summary_compares_whole_suites_and_the_best_that_counts(scripts):
    benchmark = scripts("benchmarks.interference")

    def speed(kind, ours, theirs, other):
        peers = (
            benchmark.Peer("imagecorruptions", 1 / theirs, Range(*[theirs / ours] * 3), 9.0, False, True),
            benchmark.Peer("kornia", 1 / other, Range(*[other / ours] * 3), 9.0, False, False),
        )
        return benchmark.Speed(kind, 32, 1 / ours, 0.5, peers, ((ours,) * 5, (theirs,) * 5, (other,) * 5))

    speeds = [speed(kind, 1.0, 4.0, 0.1) for kind in COMMON[1:]] + [speed(COMMON[0], 2.0, 1.0, 0.1)]
    summary = benchmark.summarise(speeds)
    assert summary["suite_speedup_32px"] == pytest.approx((14 * 4 + 1) / (14 + 2))
    assert summary["worst_single"] == 0.5  # kornia is faster and does something else
    assert summary["suite_32px_compile_s"] == 7.5 and np.isnan(summary["suite_speedup_64px"])
    assert np.isnan(benchmark.summarise(speeds[1:])["suite_speedup_32px"])
    receipt = json.loads(workdir.json_text(speeds))
    assert [benchmark.as_speed(row) for row in receipt] == speeds
    text = [row for row in benchmark.peer_table(speeds).rows if row[2] == "kornia"]
    assert len(text) == 15 and not any(row[-1] for row in text)


def test_parameters_follow_the_tables(scripts):
    libraries = scripts("peers.corruption_libraries")
    assert libraries.parameters("gaussian_noise", 32, 3) == {"sd": 0.08}
    assert libraries.parameters("defocus_blur", 64, 5) == {"radius": 3.0, "alias_sd": 0.2}
    for size in (32, 224):
        for severity in range(1, 6):
            found = libraries.parameters("zoom_blur", size, severity)
            factors = libraries.zoom_factors(size)[severity - 1]
            np.testing.assert_allclose(np.arange(1, found["end"], found["step"]), factors, atol=1e-9)


class TestFidelity:
    """Statistics of two sides, against a loop over images."""

    rng = np.random.default_rng(5)
    right = rng.random((2, 5, 40)) < np.array([0.9, 0.7])[:, None, None]
    added = rng.normal(2, 10, (2, 5, 40, 300)) * np.array([1.0, 0.8])[:, None, None, None]
    change = np.stack([added.mean(axis=3), (added**2).mean(axis=3)])

    def test_figures(self, scripts):
        found = scripts("compare_corruptions").statistics(self.right, self.change, np.zeros(5))
        per_image = [np.mean([float(self.right[0, s, i]) - self.right[1, s, i] for s in range(5)]) for i in range(40)]
        assert found["difference"] == pytest.approx(np.mean(per_image))
        assert found["half_width"] == pytest.approx(1.96 * np.std(per_image, ddof=1) / 40**0.5)
        assert found["only_ours_right"][2] == sum(a and not b for a, b in zip(*self.right[:, 2], strict=True))
        np.testing.assert_allclose(found["sd_ours"], self.added[0].reshape(5, -1).std(axis=1))
        np.testing.assert_allclose(found["sd_off"], found["sd_ours"] / self.added[1].reshape(5, -1).std(axis=1) - 1)
        mean = self.added.mean(axis=(2, 3))
        np.testing.assert_allclose(found["mean_off"] * found["sd_reference"], mean[0] - mean[1])

    def test_standard_errors_by_resampling_images(self, scripts):
        statistics = scripts("compare_corruptions").statistics
        found, rng = statistics(self.right, self.change, np.zeros(5)), np.random.default_rng(0)
        draws = [rng.integers(0, 40, 40) for _ in range(1500)]
        again = [statistics(self.right[..., d], self.change[..., d], np.zeros(5)) for d in draws]
        for name in ("mean_off", "sd_off"):
            sd = np.std([a[name] for a in again], axis=0)
            np.testing.assert_allclose(found[f"{name}_standard_error"], sd, rtol=0.12)

    def test_no_difference_still_has_an_interval(self, scripts):
        found = scripts("compare_corruptions").statistics(self.right[[0, 0]], self.change[:, [0, 0]], np.zeros(5))
        assert found["difference"] == 0 and found["half_width"] > 0 and (found["half_width_by_severity"] > 0.02).all()
        assert (found["sd_off"] == 0).all() and (found["mean_off_standard_error"] == 0).all()
