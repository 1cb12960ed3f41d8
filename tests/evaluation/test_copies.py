import jax
import numpy as np

from ich_jax.evaluation import designs, drawing
from tests.evaluation.made import CONFIG, make_dataset, read_cells


def test_copies_of_training_images_show():
    def copy(params, key, brief):
        return jax.random.permutation(key, make_dataset().train_images(300).image[: drawing.BATCH])

    found = designs.evaluate(CONFIG, make_dataset(), copy, None, read_cells)
    assert found.memorisation.ratio == 0.0
    assert found.memorisation.share_close == 1.0
    np.testing.assert_array_equal(found.record.closest.generated, found.record.closest.training)
    assert (found.record.closest.distance == 0.0).all()
