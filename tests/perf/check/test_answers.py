from pathlib import Path

import numpy as np

from ich_jax.perf.check import answers


def compare(folder: Path, base: dict, head: dict) -> answers.Answer:
    np.savez(folder / "base.npz", **base)
    np.savez(folder / "head.npz", **head)
    return answers.compare(folder / "base.npz", folder / "head.npz")


def test_equal_rounded_and_different(tmp_path: Path) -> None:
    x = np.linspace(-1.0, 1.0, 11, dtype=np.float32)
    assert compare(tmp_path, {"x": x}, {"x": x}).kind == "equal"
    one = compare(tmp_path, {"x": x}, {"x": np.where(x == 1.0, np.nextafter(x, 2, dtype=np.float32), x)})
    assert one.kind == "ulp" and one.ulps == 1.0
    other = compare(tmp_path, {"x": x, "y": x}, {"x": x, "y": x + np.float32(0.001)})
    assert other.kind == "different" and other.where == "y"


def test_small_results_of_large_sums_may_differ_by_the_rounding_of_those(tmp_path: Path) -> None:
    x = np.asarray([1e6, 0.0], np.float32)
    assert compare(tmp_path, {"x": x}, {"x": x + np.asarray([0, 0.05], np.float32)}).kind == "ulp"


def test_not_a_number_is_equal_to_itself_only(tmp_path: Path) -> None:
    x = np.asarray([np.nan, 1.0])
    assert compare(tmp_path, {"x": x}, {"x": x}).kind == "equal"
    assert compare(tmp_path, {"x": x}, {"x": np.asarray([0.0, 1.0])}).kind == "different"


def test_whole_numbers_shapes_types_and_names_have_to_agree(tmp_path: Path) -> None:
    n = np.arange(3)
    for head in ({"n": n + 1}, {"n": n[:2]}, {"n": n.astype(np.int32)}, {"m": n}, {}):
        assert compare(tmp_path, {"n": n}, head).kind == "different"
