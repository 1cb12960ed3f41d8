"""Float64 inside, the process left as it is."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ich_jax import errors
from ich_jax.uncertainty import float64


def test_enabled_ends_with_its_block():
    with float64.enabled():
        inside = jnp.asarray(np.array([1.0 + 1e-12]))
    assert inside.dtype == jnp.float64 and np.asarray(inside)[0] != 1.0
    assert jnp.asarray(np.array([1.0])).dtype == jnp.float32


def test_enabled_ends_after_an_error():
    with pytest.raises(KeyError), float64.enabled():
        raise KeyError
    assert jnp.ones(1).dtype == jnp.float32


def test_kernels_refuse_float32():
    with pytest.raises(errors.DataError, match=r"f: x is float32.*float64.enabled"):
        float64.kernel_array(np.ones(3), "f: x")
    with float64.enabled():
        assert float64.kernel_array(np.ones(3), "f: x").dtype == jnp.float64
        with pytest.raises(errors.DataError, match="int64"):
            float64.kernel_array(np.arange(3), "f: x")


def test_kernels_refuse_a_float32_gradient():
    """jax.grad outside the context would hand over float32: refused, not rounded."""
    with pytest.raises(errors.DataError, match="float32"):
        jax.grad(lambda x: float64.kernel_array(x, "f: x").sum())(np.ones(3))


def test_finite_names_the_first_bad_value():
    with pytest.raises(errors.DataError, match=r"2 of 4 values are not finite, the first at index \[0, 1\]"):
        float64.finite([[1.0, np.nan], [np.inf, 0.0]], "f: x")
    with pytest.raises(errors.DataError, match="expected numbers, got list"):
        float64.finite(["a"], "f: x")
    with pytest.raises(errors.DataError, match=r"expected 1 axes, got shape \[1, 1\]"):
        float64.finite([[1.0]], "f: x", ndim=1)
    with pytest.raises(errors.DataError, match="traced"):
        jax.jit(lambda x: float64.finite(x, "f: x"))(np.ones(2))


def test_codes_number_labels_in_order():
    codes, labels = float64.codes(["b", "a", "b", "c"], 4, "f: clusters")
    np.testing.assert_array_equal(codes, [1, 0, 1, 2])
    np.testing.assert_array_equal(labels, ["a", "b", "c"])
    with pytest.raises(errors.DataError, match=r"each of 3 rows, got shape \[2\]"):
        float64.codes([1, 2], 3, "f: clusters")
    with pytest.raises(errors.DataError, match="1 of 2 labels are missing, the first at row 1"):
        float64.codes([1.0, np.nan], 2, "f: clusters")
    with pytest.raises(errors.DataError, match="first at row 0"):
        float64.codes(np.array([None, "a"], object), 2, "f: clusters")
