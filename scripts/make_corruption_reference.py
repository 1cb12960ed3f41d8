"""Writes tests/reference/corruptions.npz: two pictures as the reference corrupts them, and moments of noise.

    python scripts/make_corruption_reference.py --robustness=CHECKOUT

CHECKOUT is a clone of github.com/hendrycks/robustness; the numbers that are stored come from commit 8190fe3. Needs
opencv-python-headless, scikit-image, scipy, numpy and pillow; the tests that compare with the file need none of it.
"""

import argparse
from pathlib import Path

import numpy as np
from peers import imagenet_c

OUT = Path(__file__).resolve().parents[1] / "tests" / "reference" / "corruptions.npz"
EXACT = (
    *("gaussian_blur", "defocus_blur", "zoom_blur", "brightness", "contrast", "pixelate", "jpeg_compression"),
    *("saturate", "motion_blur", "glass_blur", "snow", "fog", "elastic_transform", "spatter"),
)
"""Kinds that are compared pixel by pixel, with prescribed draws where there are any."""
RANDOM = ("gaussian_noise", "shot_noise", "impulse_noise", "speckle_noise")
STRIDE = {32: 1, 224: 14}
N_MOMENTS = {32: 300, 224: 8}


def prescribed(seed: int) -> imagenet_c.Random:
    """Uniform numbers of `numpy.random.default_rng(seed)`, which a test can draw again in the same order."""
    rng = np.random.default_rng(seed)
    return imagenet_c.Random(lambda shape: rng.random(shape))


def main() -> None:
    """Writes the file."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--robustness", type=Path, required=True)
    checkout = parser.parse_args().robustness
    stored: dict[str, np.ndarray] = {}
    for size, stride in STRIDE.items():
        (picture,) = imagenet_c.pictures(1, size)
        stored[f"picture_{size}"] = picture
        for kind in EXACT:
            results = [imagenet_c.load(checkout, size, prescribed(s))[kind](picture, s) for s in range(1, 6)]
            stored[f"{kind}_{size}"] = np.stack(results)[:, ::stride, ::stride]
        pictures = list(imagenet_c.pictures(N_MOMENTS[size], size, seed=1))
        for kind in RANDOM:
            corrupt = imagenet_c.load(checkout, size, prescribed(0))[kind]
            changes = [[corrupt(p, s).astype(float) - p for p in pictures * 6] for s in range(1, 6)]
            stored[f"{kind}_{size}_moments"] = np.array([(np.mean(c), np.std(c)) for c in changes])
    np.savez_compressed(OUT, allow_pickle=False, **stored)
    print(f"wrote {OUT.relative_to(OUT.parents[2])}, {OUT.stat().st_size / 1024:.0f} KiB")
    frost(checkout)


def frost(checkout: Path) -> None:
    """Prints the constants of the textures that weather.py holds."""
    for size in STRIDE:
        crops = (crop / 255 for crop in imagenet_c.frost_crops(checkout, size, 10_000))
        means, sds = np.array([(c.mean(axis=(0, 1)), c.std(axis=(0, 1))) for c in crops]).transpose(1, 0, 2)
        print(size, "mean", means.mean(0).round(3), "between", means.std(0).round(3), "within", sds.mean(0).round(3))


if __name__ == "__main__":
    main()
