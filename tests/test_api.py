"""The front door: what `import ich_jax` costs and offers, and that designs are drawn, read and corrupted by name."""

import importlib
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pytest
from PIL import Image

import ich_jax
from ich_jax import errors
from ich_jax.config import Config
from ich_jax.studies.train import run as train_run

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = sorted(".".join(path.parent.relative_to(ROOT).parts) for path in (ROOT / "ich_jax").rglob("__init__.pyi"))


@pytest.fixture(scope="module")
def generator(untrained: Path) -> ich_jax.Generator:
    return ich_jax.load_generator(untrained)


def test_importing_loads_no_jax() -> None:
    code = "import sys, ich_jax; print(sorted({'jax', 'numpy', 'flax', 'matplotlib'} & set(sys.modules)), dir(ich_jax))"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.startswith("[] ")
    assert "load_generator" in done.stdout


@pytest.mark.parametrize("name", PACKAGES)
def test_every_listed_name_is_there_and_explained(name: str) -> None:
    package = importlib.import_module(name)
    assert sorted(package.__all__) == dir(package)
    for public in package.__all__:
        value = getattr(package, public)
        assert getattr(value, "__doc__", None), f"{name}.{public} has no docstring"
        # A function of the name of a module would hide it from those who import the module.
        assert not (Path(*name.split("."), f"{public}.py").exists() and callable(value)), f"{name}.{public}"


def test_a_config_is_named_or_stands_in_a_file(tmp_path: Path) -> None:
    named, path = ich_jax.load_config("quick"), ich_jax.load_config(ROOT / "configs" / "quick.py")
    assert named == path
    assert ich_jax.load_config("quick:tiny", {"train.steps": 9}).train.steps == 9
    with pytest.raises(errors.ConfigError, match="No config is called 'quik'; did you mean 'quick'"):
        ich_jax.load_config("quik")


def test_a_brief_is_drawn_and_read(generator: ich_jax.Generator) -> None:
    brief = generator.space.brief(product="fan", palette="indigo", width=1.5)
    images = generator.draw(brief, seed=3, n=4)
    assert images.shape == (4, 32, 32, 3) and images.dtype == np.uint8
    assert len({image.tobytes() for image in images}) == 4  # other noise, other design
    np.testing.assert_array_equal(images, generator.draw(brief, seed=3, n=4))
    assert (images != generator.draw(brief, seed=4, n=4)).any()
    table = generator.read(images)
    assert list(table) == ["product", *(e.name for e in generator.space.elements), *generator.space.axes]
    assert {len(column) for column in table.values()} == {4}
    assert set(table["product"]) <= set(generator.space.products)
    assert (np.abs(table["width"]) <= 3).all()
    assert "figurine, earrings, fan, book; 32 x 32 x 3" in repr(generator)


def test_designs_are_chosen_and_saved(generator: ich_jax.Generator, tmp_path: Path) -> None:
    brief = generator.space.brief(product="fan", width=1.5)

    def choose(**others: Any) -> Any:
        return ich_jax.choose(generator, generator.space.brief(), n=3, candidates=9, open_parts="open", **others)

    chosen = choose()  # everything meets an open brief
    assert chosen.images.shape == (3, 32, 32, 3) and "3 designs of 9 that meet it, 9 candidates" in repr(chosen)
    candidates = generator.draw(generator.space.brief(), n=9)
    np.testing.assert_array_equal(chosen.images, candidates[chosen.choice.index])
    np.testing.assert_array_equal(choose(select="first").images, candidates[:3])
    darkness = candidates.mean(axis=(1, 2, 3))[:, None]
    dark = choose(select="first", criteria=lambda images: images.mean(axis=(1, 2, 3))[:, None])
    np.testing.assert_array_equal(dark.images, candidates[np.sort(np.argsort(darkness[:, 0])[:3])])
    assert len(ich_jax.choose(generator, brief, n=3, candidates=9, tolerance=0.001).images) <= 3
    varied = ich_jax.choose(generator, generator.space.brief(), n=3, candidates=9)
    filled = varied.choice.job.filled
    assert filled is not None and np.asarray(filled.given).all()
    assert (varied.images != chosen.images).any() and (np.asarray(varied.choice.job.brief.given) == 0).all()

    paths = ich_jax.save(chosen, tmp_path / "fans")
    assert [path.name for path in paths] == ["01_open_01.png", "01_open_02.png", "01_open_03.png"]
    for path, image in zip(paths, chosen.images, strict=True):
        with Image.open(path) as file:
            np.testing.assert_array_equal(np.asarray(file), image)
    assert (tmp_path / "fans" / "sheet.png").is_file()
    assert ich_jax.save(chosen, tmp_path / "fans") == paths
    with pytest.raises(errors.WorkdirError, match="belongs to another run"):
        ich_jax.save(dark, tmp_path / "fans")
    last = np.where(np.isin(np.arange(9), chosen.choice.index), 1.0, 0.0)[:, None]  # those that were not taken first
    with pytest.raises(errors.WorkdirError, match="holds designs of other briefs"):
        ich_jax.save(choose(criteria=last), tmp_path / "fans")
    two = jax.tree.map(lambda part: np.repeat(part, 2, axis=0), brief)
    with pytest.raises(errors.ConfigError, match="got 2 briefs"):
        ich_jax.choose(generator, two)
    with pytest.raises(errors.ConfigError, match="3 designs cannot be chosen among 2 candidates"):
        ich_jax.choose(generator, brief, n=3, candidates=2)


def test_the_inspector_reads_real_images_by_name(generator: ich_jax.Generator) -> None:
    real = generator.dataset.holdout("test", 32)
    table = generator.read(np.asarray((np.asarray(real.image) + 1) * 127.5).round().astype(np.uint8))
    right = table["product"] == np.asarray(generator.space.products)[np.asarray(real.brief.product)]
    assert right.mean() > 0.9


def test_images_are_corrupted_as_the_study_does(generator: ich_jax.Generator) -> None:
    images = generator.draw(generator.space.brief(), n=2)
    noisy = ich_jax.corrupt(images, "gaussian_noise", 3, seed=1)
    assert noisy.shape == images.shape and noisy.dtype == np.uint8 and (noisy != images).any()
    np.testing.assert_array_equal(ich_jax.corrupt(images, "gaussian_noise", 0), images)
    with pytest.raises(errors.ConfigError, match="gaussian_noise"):
        ich_jax.corrupt(images, "gausian_noise", 3)
    with pytest.raises(
        errors.DataError, match=r"expected \[B, H, W, C\] uint8, got \[32, 32, 3\] uint8; .*images\[None\]"
    ):
        ich_jax.corrupt(images[0], "gaussian_noise", 3)
    with pytest.raises(errors.DataError, match="float32"):
        generator.read(images.astype(np.float32))


def test_what_cannot_be_drawn_is_refused(generator: ich_jax.Generator, tmp_path: Path) -> None:
    with pytest.raises(errors.ConfigError, match=r"palette.*indigo"):
        generator.space.brief(palette="indigoo")
    with pytest.raises(errors.ConfigError, match=r"^n: "):
        generator.draw(generator.space.brief(), n=0)
    unknown = generator.space.brief()._replace(product=np.array([-1]))  # JAX alone would draw no product at all
    with pytest.raises(errors.ConfigError, match=r"brief 0: product: got -1; expected a number from 0 to 3"):
        generator.draw(unknown)
    with pytest.raises(errors.ConfigError, match=r"brief 0: product: got -1"):
        ich_jax.choose(generator, unknown)
    for seed in (-1, 2**32):
        for draw in (
            lambda seed: generator.draw(generator.space.brief(), seed=seed),
            lambda seed: ich_jax.choose(generator, generator.space.brief(), seed=seed),
            lambda seed: ich_jax.corrupt(np.zeros((1, 32, 32, 3), np.uint8), "gaussian_noise", 3, seed=seed),
        ):
            with pytest.raises(errors.ConfigError, match=rf"^seed: got {seed}; .* from 0 to 4,294,967,295"):
                draw(seed)
    with pytest.raises(errors.CheckpointError):
        ich_jax.load_generator(tmp_path)


def test_train_runs_the_study_and_loads_what_it_made(
    untrained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config, runs = ich_jax.load_config("quick:tiny"), []

    def run(given: Config, folder: str) -> int | None:
        runs.append((given, folder))
        return 2 if folder.endswith("stopped") else None

    monkeypatch.setattr(train_run, "run", run)
    assert ich_jax.train(config, untrained).model.step == 1
    with pytest.raises(KeyboardInterrupt, match="signal 2"):
        ich_jax.train(config, tmp_path / "stopped")
    assert runs == [(config, str(untrained)), (config, str(tmp_path / "stopped"))]


def test_a_wheel_holds_the_configs(tmp_path: Path) -> None:
    code = (
        "import setuptools.build_meta as b, zipfile, json\n"
        f"name = b.build_wheel({str(tmp_path)!r})\n"
        f"print(json.dumps(zipfile.ZipFile({str(tmp_path)!r} + '/' + name).namelist()))\n"
    )
    checkout = tmp_path / "checkout"
    checkout.mkdir()
    for name in ("ich_jax", "configs", "setup.py", "setup.cfg", "pyproject.toml", "README.md", "LICENSE"):
        (checkout / name).symlink_to(ROOT / name)
    done = subprocess.run([sys.executable, "-c", code], cwd=checkout, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    held = set(json.loads(done.stdout.splitlines()[-1]))
    assert {f"ich_jax/_configs/{path.name}" for path in (ROOT / "configs").glob("*.py")} <= held
    assert {f"{name.replace('.', '/')}/__init__.pyi" for name in PACKAGES} <= held
