"""Ridge augmentation of a synthetic control, for treated series outside the reach of convex weights."""

import math

import jax
import jax.numpy as jnp
import numpy as np

from ich_jax import errors
from ich_jax.econometrics.synthetic import control
from ich_jax.uncertainty import float64, programs


def augmented(data: control.Study, *, ridge: float | None = None) -> control.SyntheticControl:
    """Ridge-augmented synthetic control: corrects the imbalance that simplex weights leave before treatment.

    Weights may become negative, as far as the penalty allows them to deviate from those of the synthetic control.

    Example:
        >>> from ich_jax import econometrics
        >>> from ich_jax.econometrics import synthetic
        >>> y = [[2.0, 3.0, 2.0, 9.0], [1.0, 2.0, 1.0, 4.0], [3.0, 4.0, 3.0, 6.0], [9.0, 0.0, 9.0, 1.0]]
        >>> study = synthetic.study(econometrics.from_matrix(y, start=[3, 4, 4, 4]))
        >>> fit = synthetic.augmented(study, ridge=1.0)  # the fit is exact already: nothing to correct
        >>> round(fit.effect, 3)
        4.0

    Args:
        data: From `study`.
        ridge: Penalty on squared deviations from the simplex weights; None: by leaving out each period before treatment
            in turn, the largest of 25 values from the donors' largest squared singular value down to 1e-8 of it whose
            mean squared error is within one standard error of the least.

    Raises:
        ConfigError: A penalty that is not above 0.
        DataError: All donors are alike before treatment.

    References:
        Ben-Michael, Feller and Rothstein (2021), The augmented synthetic control method, eq. 12 and section 5.3.
    """
    if ridge is not None and not ridge > 0:
        raise errors.ConfigError(f"augmented: ridge: expected a number above 0, got {ridge!r}.")
    donors, pre = np.ones(len(data.pool)), control.before_mask(data)
    if np.ptp(data.pool[:, : data.start], axis=0).max() <= 1e-10 * np.abs(data.pool).max():
        raise errors.DataError(
            f"augmented: all {len(data.pool)} donors are alike before treatment, so there is nothing to correct with; "
            "were series copied?"
        )
    with float64.enabled():
        if ridge is None:
            centred = data.pool[:, : data.start] - data.pool[:, : data.start].mean(axis=0)
            grid = np.linalg.norm(centred, 2) ** 2 * np.logspace(-8, 0, 25)
            error = np.asarray(_cross_validated(data.series, data.pool, donors, pre, grid, n_pre=data.start))
            mean, deviation = error.mean(axis=0), error.std(axis=0, ddof=1) / math.sqrt(data.start)
            ridge = float(grid[mean <= mean.min() + deviation[mean.argmin()]].max())
        weights = np.asarray(_augment_one(data.series, data.pool, donors, pre, ridge))
    return control.summarise_fit(data, weights, data.series - weights @ data.pool, math.nan, ridge)


def _augment(weights: jax.Array, series: jax.Array, pool: jax.Array, pre: jax.Array, ridge: jax.Array) -> jax.Array:
    # Deviations from the donors' mean: the correction then adds up to 0, and the weights still to 1.
    mean = pool.mean(axis=0)
    centred, target = (pool - mean[None, :]) * pre[None, :], (series - mean) * pre
    left = target - weights @ centred
    # J x J or T x T give the same; T x T as in the paper.
    system = centred.T @ centred + ridge * jnp.eye(pool.shape[1], dtype=pool.dtype)
    return weights + centred @ jax.scipy.linalg.solve(system, left, assume_a="pos")


@programs.jit
def _augment_one(series: jax.Array, pool: jax.Array, allowed: jax.Array, pre: jax.Array, ridge: jax.Array) -> jax.Array:
    return _augment(control.fit_weights(series, pool, allowed, pre)[0], series, pool, pre, ridge)


@programs.jit(static_argnames=("n_pre",))
def _cross_validated(
    series: jax.Array, pool: jax.Array, allowed: jax.Array, pre: jax.Array, grid: jax.Array, *, n_pre: int
) -> jax.Array:
    """`[n_pre, grid]` squared errors of periods left out in turn."""

    def without(t: jax.Array) -> jax.Array:
        kept = jnp.where(jnp.arange(pre.shape[0]) == t, 0.0, pre)
        weights = control.fit_weights(series, pool, allowed, kept)[0]
        each = jax.vmap(lambda ridge: _augment(weights, series, pool, kept, ridge))(grid)
        return jnp.square(series[t] - each @ pool[:, t])

    return jax.lax.map(without, jnp.arange(n_pre))
