"""Pictures of stored briefs are the stored pictures: whoever changes them has to change `renderer.VERSION`, too.

    python -m tests.data.procedural.test_renderer

stores the pictures of the present version.
"""

from pathlib import Path

import numpy as np

from ich_jax.data import procedural
from ich_jax.data.procedural import geometry, renderer

STORED = Path(__file__).parents[2] / "reference" / "renderer.npz"
_INDEX = np.arange(24)  # all four products are among them
_SIZES = (16, 32)


def pictures() -> dict[str, np.ndarray]:
    """Designs of the test split at several sizes, uint8, and the version that drew them."""
    brief, nuisance = procedural.designs("test", _INDEX)
    assert set(np.asarray(brief.product)) == {0, 1, 2, 3}
    drawn = {f"size_{n}": np.asarray(renderer.render(brief, nuisance, n)) for n in _SIZES}
    levels = {name: np.round((image + 1) * 127.5).clip(0, 255).astype(np.uint8) for name, image in drawn.items()}
    return levels | {"version": np.array(renderer.VERSION)}


def test_pictures_of_this_version() -> None:
    stored, drawn = np.load(STORED), pictures()
    assert stored["version"] == renderer.VERSION, (
        "store the pictures of the new version: python -m tests.data.procedural.test_renderer"
    )
    for n in _SIZES:
        difference = np.abs(stored[f"size_{n}"].astype(int) - drawn[f"size_{n}"].astype(int))
        # Another compiler rounds otherwise: a level here and there, not a line or a colour.
        assert difference.max() <= 2 and (difference > 0).mean() < 0.01, (
            "The pictures have changed. If they are meant to, give renderer.VERSION another text, store the new "
            "pictures and train the shipped inspectors again."
        )


def test_a_small_change_is_seen(monkeypatch) -> None:
    monkeypatch.setattr(geometry, "_JITTER", 1.3)
    stored, drawn = np.load(STORED)["size_32"], pictures()["size_32"]
    assert np.abs(stored.astype(int) - drawn.astype(int)).max() > 2


if __name__ == "__main__":
    np.savez_compressed(STORED, **pictures())
