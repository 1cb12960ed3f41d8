"""Methods that look at the treated series alone."""

import numpy as np

from ich_jax import errors
from ich_jax.econometrics import holidays
from ich_jax.econometrics.series import interrupted
from ich_jax.report.text import count
from ich_jax.studies.benefit.methods.method import SERIES, Answer, Inputs, Method, interpolated, of_coefficient


def _interrupted(inputs: Inputs) -> Answer:
    if inputs.launches > 1:
        raise errors.DataError("an interrupted time series needs one launch; several units start on different days")
    data, order = inputs.scaled, inputs.config.analysis.order
    ever = data.ever_treated
    days = np.flatnonzero(data.observed[ever].all(axis=0))
    series, missing = interpolated(data.periods[days], data.outcome[ever][:, days].mean(axis=0))
    first, last = days[0], days[-1] + 1
    fit = interrupted.segmented(
        series,
        int(data.start[ever].min()) - int(first),
        controls=holidays.terms(data.periods[first:last], inputs.calendar),
        order=order,
        confidence=inputs.confidence,
    )
    note = (
        f"segmented, AR({order}) {fit.fit.rho[0]:.2f}, days of week and holidays; whatever else "
        f"changed at the launch counts as effect; Ljung-Box p {fit.fit.ljung_box_p:.2g}"
    )
    if missing:
        note += f"; interpolated between neighbours: {count(missing, 'day')} on which a treated unit is missing"
    return of_coefficient(fit.average, 0, note)


ROWS = (Method("interrupted time series", SERIES, _interrupted),)
"""Single series."""
