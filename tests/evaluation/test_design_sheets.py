import jax.numpy as jnp
import numpy as np
import pytest

from ich_jax.data import pipeline
from ich_jax.evaluation import design_sheets
from tests.evaluation.made import CONFIG, EXACT, SIZE, make_dataset, perfect, read_cells, real_draws


@pytest.fixture(scope="module")
def sheets():
    return design_sheets.make_sheets(
        CONFIG, make_dataset(), perfect, jnp.float32(1.0), read_cells, real_draws=real_draws, rows=6, columns=3
    )


def test_sheet_rows_are_briefs_and_columns_noise(sheets):
    assert sheets.generated.shape == sheets.real.shape == (6, 3, SIZE, SIZE, 1)
    assert sheets.generated.dtype == sheets.real.dtype == np.uint8
    np.testing.assert_array_equal(sheets.briefs.product, [0, 0, 0, 1, 1, 1])
    for panel in (sheets.generated, sheets.real):
        read = read_cells(pipeline.to_unit(panel.reshape(18, SIZE, SIZE, 1)))
        np.testing.assert_allclose(read.axes, np.repeat(sheets.briefs.axes, 3, axis=0), atol=EXACT)
        below = panel[:, :, SIZE // 2 :].reshape(18, -1)
        assert len(np.unique(below, axis=0)) == 18
    assert sheets.real_reference == "same brief"


def test_sheet_shows_the_first_test_briefs(sheets, ideal):
    record = ideal.record.designs
    for p in (0, 1):
        first = record.axes_requested[record.product_requested == p][:3]
        np.testing.assert_allclose(sheets.briefs.axes[sheets.briefs.product == p], first)


def test_sweeps_move_one_axis_under_fixed_noise(sheets):
    assert sheets.sweeps.shape == (2, 2, 7, SIZE, SIZE, 1)
    assert sheets.sweep_values == (-3.0, -2.0, -1.0, 0.0, 1.0, 2.0, 3.0)
    np.testing.assert_allclose(sheets.sweep_readings, np.broadcast_to(sheets.sweep_values, (2, 2, 7)), atol=EXACT)
    np.testing.assert_array_equal(sheets.sweep_briefs.product, [0, 1])
    for p in range(2):
        for a in range(2):
            row = sheets.sweeps[p, a]
            assert (row[:, SIZE // 2 :] == row[:1, SIZE // 2 :]).all()
            read = read_cells(pipeline.to_unit(row))
            np.testing.assert_allclose(read.axes[:, 1 - a], 0.0, atol=EXACT)
            np.testing.assert_array_equal(np.asarray(read.product).argmax(1), p)


def test_real_sheet_of_a_folder_holds_each_image_once():
    make = make_dataset(n_holdout=6, simulated=False)
    sheets = design_sheets.make_sheets(CONFIG, make, perfect, jnp.float32(1.0), read_cells, rows=6, columns=3)
    assert sheets.real_reference == "same product"
    cells = sheets.real.reshape(18, SIZE, SIZE, 1)
    filled = ~(cells == 255).all(axis=(1, 2, 3))
    assert len(np.unique(cells[filled], axis=0)) == filled.sum() <= 12
    read = np.asarray(read_cells(pipeline.to_unit(cells)).product).argmax(1)
    np.testing.assert_array_equal(read[filled], np.repeat(sheets.briefs.product, 3)[filled])
    products = [make.holdout(split, 6).brief.product for split in ("test", "validation")]
    held = np.bincount(np.concatenate(products), minlength=2)
    assert filled.sum() == np.minimum(held, 9).sum()
