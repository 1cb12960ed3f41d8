import jax.numpy as jnp
import numpy as np
import pytest

from ich_jax import workdir
from ich_jax.evaluation import design_sheets, designs, neighbours
from tests.evaluation.made import CONFIG, make_config, make_dataset, perfect, read_cells


def test_a_perfect_generator_looks_like_reality(ideal):
    generated, truth = ideal.generated, ideal.real
    assert generated.n == truth.n == 200
    assert (generated.kid_subset, generated.kid_subsets, generated.nearest_k) == (60, 10, 5)
    assert len(generated.rfd.values) == len(ideal.feature_fingerprints) == 2
    assert generated.rfd.mean == pytest.approx(np.mean(generated.rfd.values))
    assert generated.rfd.sd == pytest.approx(np.std(generated.rfd.values, ddof=1))
    assert generated.rfd.mean < 1.5 * truth.rfd.mean
    assert abs(generated.kid.mean) < 4 * truth.kid_subset_sd
    assert abs(generated.coverage.mean - generated.expected_coverage) < 0.06
    assert abs(generated.density.mean - 1.0) < 0.2
    assert generated.expected_coverage == neighbours.expected_coverage(200, 200, 5)
    assert ideal.memorisation.ratio == pytest.approx(1.0, abs=0.05)
    assert (ideal.memorisation.n_samples, ideal.memorisation.n_train) == (200, 300)
    assert ideal.discriminator.n == 200
    assert ideal.discriminator.auc == pytest.approx(0.5, abs=0.12)


def test_small_sets_get_subsets_that_fit():
    make = make_dataset(n_holdout=21, simulated=False)
    found = designs.evaluate(make_config(nearest_k=30), make, perfect, jnp.float32(1.0), read_cells)
    assert (found.generated.n, found.generated.kid_subset, found.generated.nearest_k) == (21, 10, 20)
    assert found.generated.kid_subset_sd > 0.0
    assert found.inspector.n == 21
    assert found.memorisation.n_real == 21


@pytest.mark.parametrize("n_holdout", [5, 0])
def test_too_few_held_out_images_give_no_distance(n_holdout):
    make = make_dataset(n_holdout=n_holdout, simulated=False)
    found = designs.evaluate(
        CONFIG, make, perfect, jnp.float32(1.0), read_cells, d_score=lambda images, brief: images[:, 0, 0, 0]
    )
    assert found.generated is None
    assert found.real is None
    assert found.designs.product.accuracy == 1.0
    assert "kid" not in designs.summary(found)
    assert (
        (found.inspector is None) == (found.discriminator is None) == (found.memorisation is None) == (n_holdout == 0)
    )
    assert "null" not in workdir.json_text(designs.results(found))
    sheets = design_sheets.make_sheets(CONFIG, make, perfect, jnp.float32(1.0), read_cells)
    assert (sheets.real == 255).all(axis=(2, 3, 4)).sum() >= sheets.real.shape[0] * sheets.real.shape[1] - 2 * n_holdout
