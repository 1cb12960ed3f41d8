"""Compares our corruptions with the reference implementation, on images that the inspector reads.

    python scripts/compare_corruptions.py --robustness=CHECKOUT --workdir=runs/fidelity --output=runs/fidelity

The same held-out designs are corrupted by both, every kind at severities 1 to 5, each side with its own random draws,
and the inspector that is shipped with the package reads both. The criterion is the share of products read correctly:
differences are paired by image. Mean and standard deviation of the change of the pixels are reported as well. Frost
appears twice: procedural as by default, and with crops of the textures of the reference.

CHECKOUT is a clone of github.com/hendrycks/robustness. Needs opencv-python-headless, scikit-image and scipy. Finished
kinds are kept in the work directory; the same command resumes where it stopped.
"""

if __name__ == "__main__":
    from ich_jax.perf import memory

    memory.set_up()

import argparse
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from peers.corruption_libraries import DETERMINISTIC

from ich_jax import config as config_lib
from ich_jax import errors, workdir
from ich_jax.data import make, pipeline
from ich_jax.interference import COMMON, VALIDATION, corrupt, image_keys
from ich_jax.report import benchmark, provenance, tables
from ich_jax.training import inspector

CONFIG = Path(__file__).resolve().parents[1] / "configs" / "procedural_32.py"
TEXTURED = "frost, textures given"
SEVERITIES = range(1, 6)
KINDS = COMMON + VALIDATION  # kinds that the reference has
LIMIT = 0.5
"""Allowed difference of accuracy in points."""
_BATCH, _Z = 250, 1.96
_CROPS = 4000


def main() -> None:
    """Compares, and writes fidelity.json and fidelity.md."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--robustness", type=Path, required=True, help="clone of github.com/hendrycks/robustness")
    parser.add_argument("--workdir", type=Path, required=True, help="folder of finished kinds")
    parser.add_argument("--output", type=Path, required=True, help="folder for fidelity.json and fidelity.md")
    parser.add_argument("--images", type=int, default=4000, help="held-out designs")
    parser.add_argument("--kinds", default=",".join([*KINDS, TEXTURED.replace(", ", ":")]), help="which, by commas")
    parser.add_argument("--seed", type=int, default=0, help="of both sides' random draws")
    arguments = parser.parse_args()
    try:
        run(arguments)
    except errors.IchJaxError as error:
        sys.exit(f"error: {error}")


def run(arguments: argparse.Namespace) -> None:
    """Computes the kinds that are missing, and writes the tables."""
    import cv2
    from peers import imagenet_c

    names = (*KINDS, TEXTURED)
    kinds = [errors.require(k.replace(":", ", "), names, "--kinds") for k in arguments.kinds.split(",")]
    errors.require_within(arguments.images, 100, 10**6, "--images", whole=True)
    if not (arguments.robustness / imagenet_c.SCRIPTS[32]).is_file():
        raise errors.DataError(f"--robustness: {arguments.robustness} is no clone of github.com/hendrycks/robustness.")
    cv2.setNumThreads(1)
    config = config_lib.load(CONFIG)
    dataset = make.make(config.data, seed=config.seed)
    judge = inspector.get(config, dataset)
    identity = {"images": arguments.images, "seed": arguments.seed, "inspector": judge.report.fingerprint}
    batch = dataset.holdout("test", arguments.images)
    images, product = pipeline.to_uint8(np.asarray(batch.image)), np.asarray(batch.brief.product)

    def read(corrupted: np.ndarray) -> np.ndarray:
        return np.asarray(judge.read(jnp.asarray(pipeline.to_unit(corrupted))).product).argmax(-1) == product

    by_kind, started, done = {}, time.perf_counter(), 0
    for i, kind in enumerate(kinds):
        path = arguments.workdir / f"{kind.replace(', ', '_').replace(' ', '_')}.json"
        if path.is_file():
            by_kind[kind] = workdir.read_json(path)
            if by_kind[kind]["of"] != identity:
                raise errors.WorkdirError(
                    f"{path} is of {by_kind[kind]['of']}, not of {identity}: choose another --workdir."
                )
            continue
        workdir.write_json(path, {"kind": kind, "of": identity, **compare(kind, images, read, arguments)})
        by_kind[kind] = workdir.read_json(path)
        done += 1
        left = (time.perf_counter() - started) / done * (len(kinds) - i - 1)
        points = 100 * by_kind[kind]["difference"]
        print(f"{i + 1:2d} of {len(kinds)}: {kind}, {points:+.2f} points, {left:.0f} s left", flush=True)
    clean = float(read(images).mean())
    results = [by_kind[kind] for kind in kinds]
    summary = summarise(results)
    origin = provenance.provenance()
    receipt = {"summary": summary, "clean": clean, **identity, "kinds": results, "provenance": origin}
    workdir.write_json(arguments.output / "fidelity.json", receipt)
    packages = ("opencv-python-headless", "scikit-image")
    versions = ", ".join(
        f"{n} {v}" for n, v in (*origin.versions, *((p, benchmark.package_version(p)) for p in packages)) if v
    )
    text = tables.to_markdown(table(results, clean))
    workdir.write_text(
        arguments.output / "fidelity.md",
        f"{text}\n`{origin.command}`: {origin.created}, {origin.devices}, Python {origin.python}, {versions}.\n",
    )
    print(benchmark.summary(summary))


def compare(
    kind: str, images: np.ndarray, read: Callable[[np.ndarray], np.ndarray], arguments: argparse.Namespace
) -> dict[str, Any]:
    """Corrupts images both ways, and compares.

    Args:
        kind: One of the corruptions, or `TEXTURED`.
        images: `[N, 32, 32, 3]` uint8.
        read: `images -> [N] whether the product is read right`.
        arguments: Of the command line.

    Returns:
        The result of `statistics`.
    """
    from peers import imagenet_c

    name, number = kind.split(",")[0], (*KINDS, TEXTURED).index(kind)
    rng = np.random.default_rng([arguments.seed, number])
    reference = imagenet_c.load(arguments.robustness, 32, imagenet_c.Random(rng.random))[name]
    texture = np.stack(list(imagenet_c.frost_crops(arguments.robustness, 32, _CROPS))) if kind == TEXTURED else None
    right = np.zeros((2, len(SEVERITIES), len(images)), bool)
    change = np.zeros((2, 2, len(SEVERITIES), len(images)))  # mean and mean square, ours and theirs
    error = np.zeros(len(SEVERITIES))
    for i, severity in enumerate(SEVERITIES):
        keys = image_keys(jax.random.fold_in(jax.random.key(arguments.seed), severity), 0, len(images))
        ours = np.concatenate(
            [
                np.asarray(corrupt(images[j : j + _BATCH], name, severity, keys[j : j + _BATCH], texture=texture))
                for j in range(0, len(images), _BATCH)
            ]
        )
        theirs = np.stack([reference(image, severity) for image in images])
        error[i] = np.abs(ours.astype(np.float32) - theirs).mean()
        for side, corrupted in enumerate((ours, theirs)):
            right[side, i] = read(corrupted)
            added = (corrupted.astype(np.float32) - images).reshape(len(images), -1)
            change[0, side, i], change[1, side, i] = added.mean(axis=1), np.square(added).mean(axis=1)
    return statistics(right, change, error)


def statistics(right: np.ndarray, change: np.ndarray, error: np.ndarray) -> dict[str, Any]:
    """Compares accuracy and change.

    Args:
        right: Whether an image's product is read right, ours and theirs, `[2, S, N]`.
        change: Mean and mean square of the change of each image, ours and theirs, `[2, 2, S, N]`, in 8-bit steps.
        error: Mean absolute difference of the corrupted images, `[S]`.

    Returns:
        Accuracies, their difference (ours less theirs) with the half width of its 95 % interval, by severity and over
        all; mean and standard deviation of the change, the difference of ours as a share of the reference's deviation,
        and the standard errors of these.
    """
    n = right.shape[2]
    paired = right[0].astype(float) - right[1]
    ours_only, theirs_only = (right[0] & ~right[1]).sum(axis=1), (right[1] & ~right[0]).sum(axis=1)
    # Bonett and Price (2012): one more of each discordant pair, or the interval of a difference of 0 would be a point.
    p, q = (ours_only + 1) / (n + 2), (theirs_only + 1) / (n + 2)
    width = _Z * np.sqrt((p + q - (p - q) ** 2) / (n + 2))
    over = paired.mean(axis=0)
    mean = change[0].mean(axis=2)  # [2, S]
    sd = np.sqrt(change[1].mean(axis=2) - mean**2)
    mean_off, sd_ratio = (mean[0] - mean[1]) / sd[1], sd[0] / sd[1]
    # By the delta method: the contribution of each image to a figure. Images are paired, so both sides' shares are
    # subtracted.
    centred = change[0] - mean[..., None]
    share = (change[1] - 2 * mean[..., None] * change[0]) / (2 * sd[..., None])
    share -= share.mean(axis=2, keepdims=True)
    mean_share = centred[0] - centred[1] - mean_off[:, None] * share[1]
    sd_share = share[0] - sd_ratio[:, None] * share[1]
    mean_error, sd_error = (np.std(each / sd[1][:, None], axis=1) / np.sqrt(n) for each in (mean_share, sd_share))
    return {
        "accuracy_ours": right[0].mean(axis=1),
        "accuracy_reference": right[1].mean(axis=1),
        "difference_by_severity": paired.mean(axis=1),
        "half_width_by_severity": width,
        "only_ours_right": ours_only,
        "only_reference_right": theirs_only,
        "difference": float(over.mean()),
        "half_width": float(_Z * max(over.std(ddof=1), 1 / n) / np.sqrt(n)),
        "error": error,
        "mean_ours": mean[0],
        "mean_reference": mean[1],
        "sd_ours": sd[0],
        "sd_reference": sd[1],
        "mean_off": mean_off,
        "mean_off_standard_error": mean_error,
        "sd_off": sd_ratio - 1,
        "sd_off_standard_error": sd_error,
    }


def summarise(results: list[dict[str, Any]]) -> dict[str, Any]:
    """Returns the largest differences over kinds, procedural frost apart."""
    compared = [r for r in results if r["kind"] != "frost"]
    if not compared:
        return {}
    frost = [100 * r["difference"] for r in results if r["kind"] == "frost"]
    random = [r for r in compared if r["kind"] not in DETERMINISTIC]
    return {
        "kinds": len(compared),
        "largest_difference_points": max(abs(100 * r["difference"]) for r in compared),
        "within_half_a_point": sum(abs(100 * r["difference"]) <= LIMIT for r in compared),
        "shown_within_half_a_point": sum(100 * (abs(r["difference"]) + r["half_width"]) <= LIMIT for r in compared),
        "largest_mean_off_percent": max((_most(r["mean_off"]) for r in random), default=float("nan")),
        "largest_sd_off_percent": max((_most(r["sd_off"]) for r in random), default=float("nan")),
        "procedural_frost_points": frost[0] if frost else float("nan"),
    }


def _most(shares: Any) -> float:
    return float(100 * np.abs(shares).max())


def table(results: list[dict[str, Any]], clean: float) -> tables.Table:
    """Returns one row for each kind."""
    rows = []
    for r in results:
        worst = int(np.argmax(np.abs(r["difference_by_severity"])))
        points, width = 100 * r["difference_by_severity"][worst], 100 * r["half_width_by_severity"][worst]
        rows.append(
            (
                r["kind"],
                100 * float(np.mean(r["accuracy_reference"])),
                100 * float(np.mean(r["accuracy_ours"])),
                f"{100 * r['difference']:+.2f} ± {100 * r['half_width']:.2f}",
                f"{points:+.2f} ± {width:.2f} ({worst + 1})",
                float(np.mean(r["error"])) if r["kind"] in DETERMINISTIC else None,
                _signed(r["mean_off"], r["mean_off_standard_error"]),
                _signed(r["sd_off"], r["sd_off_standard_error"]),
            )
        )
    images = results[0]["of"]["images"]
    return tables.Table(
        name="fidelity",
        title="Corruptions: ours and the reference implementation, as the inspector reads them",
        columns=(
            *("kind", "reference, %", "ours, %", "difference, points", "largest at one severity, points"),
            *("error, /255", "mean off, % of sd", "sd off, %"),
        ),
        rows=tuple(rows),
        caption=(
            f"{images:,} held-out designs (SIMULATED), 32 px, severities 1 to 5; without corruption "
            f"{100 * clean:.2f} % of products are read right. Difference: ours less reference, mean over severities, "
            "paired by image, 95 % interval; then the severity (in brackets) where it is largest, by itself. Error: "
            "mean absolute difference of pixels, for kinds without random draws. Mean and deviation (sd) of what is "
            "added to the pixels: ours against the reference's at the severity where they differ most, with the "
            "standard error of that."
        ),
        digits=(("reference, %", 2), ("ours, %", 2), ("error, /255", 3)),
    )


def _signed(shares: Any, standard_errors: Any) -> str:
    worst = int(np.argmax(np.abs(shares)))
    return f"{100 * shares[worst]:+.2f} ± {100 * standard_errors[worst]:.2f}"


if __name__ == "__main__":
    main()
