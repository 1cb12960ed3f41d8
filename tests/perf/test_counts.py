"""Counts of operations and memory: by hand, and against brute force where a hand cannot follow."""

import itertools
import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

from ich_jax.perf import counts


def count(function, *shapes, dtype=jnp.float32):
    return counts.count(program(function, *shapes, dtype=dtype))


def program(function, *shapes, dtype=jnp.float32):
    return jax.make_jaxpr(function)(*(jax.ShapeDtypeStruct(shape, dtype) for shape in shapes))


def test_a_matrix_product_by_hand():
    found = count(lambda a, b: a @ b, (5, 3), (3, 7))
    assert found.dot_flops == found.flops == 2 * 5 * 3 * 7 and found.dots == 1 and found.exact
    assert found.operand_bytes == 4 * (15 + 21 + 35) and found.other_flops == 0


def test_batched_products_and_gradients():
    found = count(jax.grad(lambda a, b: jnp.sum(jnp.einsum("bij,bjk->bik", a, b) ** 2), (0, 1)), (4, 5, 3), (4, 3, 7))
    assert found.dots == 3 and found.dot_flops == 3 * 2 * 4 * 5 * 3 * 7  # forward and both gradients


@pytest.mark.parametrize(
    ("stride", "padding", "holes", "spread", "groups"),
    [
        (1, ((1, 1), (1, 1)), 1, 1, 1),
        (2, ((0, 1), (1, 0)), 1, 1, 1),
        (1, ((2, 2), (1, 3)), 2, 1, 1),
        (1, ((2, 2), (2, 2)), 1, 2, 2),
        (2, ((3, 0), (0, 3)), 3, 2, 4),
    ],
)
def test_convolution_counts_taps_that_meet_an_input(stride, padding, holes, spread, groups):
    b, h, w, i, o, k = 2, 7, 6, 8, 4, 3

    def convolve(x, kernel):
        return lax.conv_general_dilated(
            x,
            kernel,
            (stride, stride),
            padding,
            lhs_dilation=(holes, holes),
            rhs_dilation=(spread, spread),
            dimension_numbers=("NHWC", "HWIO", "NHWC"),
            feature_group_count=groups,
        )

    kernel = (k, k, i // groups, o)
    out = jax.eval_shape(convolve, jnp.zeros((b, h, w, i)), jnp.zeros(kernel)).shape
    # Brute force: every output position and tap, looked up in an array that says where inputs stand.
    real = np.zeros([(n - 1) * holes + 1 + sum(p) for n, p in zip((h, w), padding, strict=True)], bool)
    (top, _), (left, _) = padding
    real[top : top + (h - 1) * holes + 1 : holes, left : left + (w - 1) * holes + 1 : holes] = True
    positions = itertools.product(range(out[1]), range(out[2]), range(k), range(k))
    met = sum(bool(real[y * stride + r * spread, x * stride + c * spread]) for y, x, r, c in positions)
    found = count(convolve, (b, h, w, i), kernel)
    assert found.conv_flops == 2 * b * o * (i // groups) * met and found.convolutions == 1


def test_gradients_of_a_convolution_cost_what_it_costs():
    def loss(x, kernel):
        y = lax.conv_general_dilated(x, kernel, (2, 2), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC"))
        return jnp.sum(y**2)

    one = count(loss, (2, 8, 8, 3), (3, 3, 3, 5))
    all_three = count(jax.grad(loss, (0, 1)), (2, 8, 8, 3), (3, 3, 3, 5))
    assert all_three.conv_flops == 3 * one.conv_flops and all_three.convolutions == 3


def test_scans_multiply_and_loops_of_unknown_length_say_so():
    def scanned(a, b):
        return lax.scan(lambda carry, _: (carry @ b, None), a, length=6)[0]

    def until(a, b):
        return lax.while_loop(lambda x: jnp.sum(x) < 9.0, lambda x: x @ b, a)

    def either(a, b):
        return lax.cond(jnp.sum(a) > 0, lambda: a @ b @ b, lambda: a)

    shapes = (2, 3), (3, 3)
    assert count(scanned, *shapes).flops == 6 * 36 and count(scanned, *shapes).exact
    assert count(until, *shapes).flops == 36 and not count(until, *shapes).exact
    assert count(either, *shapes).flops == 72  # the dearer branch


def test_calls_are_entered():
    inner = jax.jit(lambda a, b: jnp.tanh(a @ b))

    @jax.custom_vjp
    def own(a, b):
        return inner(a, b)

    own.defvjp(lambda a, b: (inner(a, b), (a, b)), lambda residuals, g: (g @ residuals[1].T, residuals[0].T @ g))
    assert count(own, (2, 3), (3, 4)).dots == 1
    assert count(jax.value_and_grad(lambda a, b: jnp.sum(own(a, b)), (0, 1)), (2, 3), (3, 4)).dots == 3
    assert count(jax.checkpoint(inner), (2, 3), (3, 4)).flops == 48
    assert count(inner, (2, 3), (3, 4)).other_flops == 8


def test_what_no_result_needs_and_what_is_there_already_is_not_counted():
    def wasteful(a, b):
        unused = (a @ b).sum()
        del unused
        _, pull = jax.vjp(lambda a, b: jnp.sum(jnp.tanh(a @ b)), a, b)
        of_a, _ = pull(jnp.ones(()))  # the gradient of b is made and dropped
        return of_a, jnp.tanh(a @ b), a @ b + 1.0

    found = count(wasteful, (2, 3), (3, 4))
    assert found.dots == 2 and found.flops == 2 * 48  # a @ b once, the gradient of a


def test_the_same_operation_on_other_values_is_counted():
    found = count(lambda a, b: (a @ b, b @ a, (a + 1.0) @ b, (a + 2.0) @ b), (3, 3), (3, 3))
    assert found.dots == 4


def test_agrees_with_xla_on_a_small_network():
    def loss(x, first, second):
        y = lax.conv_general_dilated(x, first, (1, 1), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC"))
        return jnp.sum((y.reshape(y.shape[0], -1) @ second) ** 2)

    shapes = (4, 8, 8, 16), (3, 3, 16, 32), (8 * 8 * 32, 8)
    arguments = [jax.ShapeDtypeStruct(shape, jnp.float32) for shape in shapes]
    theirs = jax.jit(loss).lower(*arguments).compile().cost_analysis()
    np.testing.assert_allclose(count(loss, *shapes).flops, theirs["flops"], rtol=0.01)


def test_arguments_that_nothing_reads():
    found = program(lambda a, b, c, d: (jnp.sin(a), c), (2,), (2,), (2,), (2,))
    assert counts.arguments_read(found) == [True, False, True, False]


class TestMemory:
    N = 4 * 1024  # bytes of an array of 1024 numbers

    def test_arguments_and_results_live_to_the_end(self):
        found = program(lambda a, b: (jnp.sort(a), jnp.sort(b)), (1024,), (1024,))
        assert counts.memory_bytes(found) == 4 * self.N
        assert counts.argument_bytes(found) == counts.result_bytes(found) == 2 * self.N

    def test_a_donated_argument_is_written_over(self):
        found = program(lambda a: a + 1.0, (1024,))
        assert counts.memory_bytes(found) == 2 * self.N and counts.memory_bytes(found, [True]) == self.N

    def test_what_is_read_no_more_is_given_back(self):
        def chain(a):
            for _ in range(5):
                a = jnp.sort(a)
            return a

        # The argument, what is sorted and what it is sorted into; never all six.
        assert counts.memory_bytes(program(chain, (1024,))) == 3 * self.N

    def test_residuals_of_a_gradient_are_held(self):
        def loss(a):
            for _ in range(5):
                a = jnp.cumsum(a) ** 2
            return jnp.sum(a)

        assert counts.memory_bytes(program(jax.grad(loss), (1024,))) >= 6 * self.N

    def test_elementwise_results_that_one_operation_reads_are_fused(self):
        found = program(lambda a: jnp.sum(jnp.exp(a[:, None] + a[None, :])), (1024,))
        assert counts.memory_bytes(found) < 3 * self.N  # and not the 1024 x 1024 numbers

    def test_loops_and_calls_need_what_their_bodies_need(self):
        def body(carry, _):
            square = jnp.sort(carry[:, None] * jnp.ones((1, 64)), axis=0)
            return square.sum(axis=1), None

        found = program(lambda a: lax.scan(body, a, length=3)[0], (1024,))
        assert 64 * self.N < counts.memory_bytes(found) < 200 * self.N
        twice = jax.jit(lambda a: jnp.sort(a[:, None] * jnp.ones((1, 64)), axis=0).sum(axis=1))
        once = counts.memory_bytes(program(twice, (1024,)))
        assert counts.memory_bytes(program(lambda a: twice(twice(a)), (1024,))) <= once + 2 * self.N

    def test_keys_and_types(self):
        found = jax.make_jaxpr(lambda a: (a.astype(jnp.bfloat16), jax.random.key(0)))(jnp.zeros(8))
        assert counts.memory_bytes(found) >= 32 + 16
        assert counts.result_bytes(found) == 16 + 8


def test_convolutions_are_listed_once_with_their_shapes():
    def net(x, kernel):
        def body(carry, _):
            return lax.conv_general_dilated(carry, kernel, (1, 1), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC"))

        return lax.scan(lambda c, n: (body(c, n), None), x, length=4)[0]

    (found,) = counts.convolutions(program(net, (2, 8, 8, 3), (3, 3, 3, 3)))
    assert found == ((2, 8, 8, 3), (3, 3, 3, 3), (2, 8, 8, 3))
    assert count(net, (2, 8, 8, 3), (3, 3, 3, 3)).convolutions == 4
    assert math.prod(found[0]) == 2 * 8 * 8 * 3
