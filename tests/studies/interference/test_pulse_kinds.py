"""What the kinds of interference with training do to a batch."""

import jax.numpy as jnp
import numpy as np
import pytest

from ich_jax.studies.interference import pulse_kinds
from ich_jax.types import Batch
from tests.training import made

DATASET = made.dataset()


@pytest.mark.parametrize("kind", ["label_flips", "condition_mismatch", "missing_product"])
def test_what_a_batch_becomes(kind: str) -> None:
    change = pulse_kinds.TABLE[kind].batch
    assert change is not None and DATASET.sample is not None
    batch = DATASET.sample(DATASET.arrays, jnp.arange(12, dtype=jnp.uint32))
    words = jnp.asarray(np.random.default_rng(0).integers(0, 2**32, (12, 2), dtype=np.uint32))
    after = change(batch, words, jnp.float32(1.0), DATASET)
    same = {
        name: (np.asarray(getattr(after.brief, name)) == np.asarray(getattr(batch.brief, name))).all()
        for name in ("product", "elements", "axes")
    }
    if kind == "label_flips":
        assert (np.asarray(after.brief.product) == 1 - np.asarray(batch.brief.product)).all()
        assert same == {"product": False, "elements": True, "axes": True}
    elif kind == "condition_mismatch":
        assert same["product"] and not same["axes"]
    else:
        assert set(np.asarray(after.brief.product)) == {0}
        kept = np.asarray(batch.brief.product) == 0
        assert (np.asarray(after.image)[kept] == np.asarray(batch.image)[kept]).all()


def test_a_share_of_the_images_is_corrupted() -> None:
    """On images of 16 px; those of the run are smaller than a corruption takes."""
    change = pulse_kinds.TABLE["corrupted_images"].batch
    assert change is not None
    rng = np.random.default_rng(0)
    brief = made.dataset().holdout("test", 1).brief
    image = jnp.asarray(rng.uniform(-0.8, 0.8, (40, 16, 16, 3)).astype(np.float32))
    words = jnp.asarray(rng.integers(0, 2**32, (40, 2), dtype=np.uint32))
    after = [np.asarray(change(Batch(image, brief), words, jnp.float32(s), DATASET).image) for s in (0.0, 0.4, 1.0)]
    hit = [(np.abs(a - np.asarray(image)) > 1e-3).any(axis=(1, 2, 3)) for a in after]
    assert hit[0].sum() == 0 and 8 < hit[1].sum() < 24 and hit[2].all()
    assert (hit[1] <= hit[2]).all()
