"""Shares of answers: single and multiple response, cross-tables, checks of published percentages."""

import dataclasses
import itertools
import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from scipy import stats

from ich_jax import errors
from ich_jax.uncertainty import float64, intervals
from ich_jax.uncertainty.float64 import Array
from ich_jax.uncertainty.multiplicity import holm
from ich_jax.uncertainty.results import Result


@dataclasses.dataclass(frozen=True, slots=True, repr=False)
class Shares(Result):
    """Shares of questionnaires, with Wilson intervals and tests between options.

    Attributes:
        option: `[K]` names of the options.
        count: `[K]` number of questionnaires that chose the option.
        share: `[K]` shares of questionnaires.
        low: `[K]` lower Wilson limits.
        high: `[K]` upper Wilson limits.
        n: Number of questionnaires.
        multiple: Whether several options could be chosen.
        pair: `[P]` pairs of options.
        difference: `[P]` first share minus second.
        p: `[P]` exact McNemar p-values, from questionnaires that chose exactly one of the two.
        p_holm: `[P]` p-values adjusted for all pairs.
    """

    columns = ("option", "count", "share", "low", "high")
    curve = ("option", "share", "low", "high")

    option: tuple[str, ...]
    count: npt.NDArray[np.int64]
    share: Array
    low: Array
    high: Array
    n: int
    multiple: bool
    pair: tuple[tuple[str, str], ...]
    difference: Array
    p: Array
    p_holm: Array


@dataclasses.dataclass(frozen=True, slots=True, repr=False)
class OverlapTest(Result):
    """Test between two published shares of one multiple-response question whose overlap is not published.

    Attributes:
        difference: First share minus second.
        overlap_low: Smallest possible number of questionnaires that chose both.
        overlap_high: Largest possible number.
        p_low: Smallest exact McNemar p-value over the possible overlaps.
        p_high: Largest p-value over the possible overlaps.
        p_independent: P-value for the overlap expected of independent choices (nearest integer).
    """

    difference: float
    overlap_low: int
    overlap_high: int
    p_low: float
    p_high: float
    p_independent: float


@dataclasses.dataclass(frozen=True, slots=True, repr=False)
class CrossTable(Result):
    """Association of two categorical answers.

    Attributes:
        count: `[R, C]` counts.
        expected: `[R, C]` expected counts under independence.
        residual: `[R, C]` adjusted standardised residuals; a cell beyond 2 in absolute value is unusual.
        rows: Names of the rows.
        columns_of: Names of the columns.
        chi2: Pearson's statistic.
        df: Degrees of freedom.
        p: Its p-value.
        cramers_v: Cramér's V, between 0 and 1.
        cramers_v_corrected: Cramér's V corrected for the bias of small tables.
        smallest_expected: Smallest expected count; below 5 the p-value is approximate.
    """

    count: npt.NDArray[np.int64]
    expected: Array
    residual: Array
    rows: tuple[str, ...]
    columns_of: tuple[str, ...]
    chi2: float
    df: int
    p: float
    cramers_v: float
    cramers_v_corrected: float
    smallest_expected: float


@dataclasses.dataclass(frozen=True, slots=True, repr=False)
class Grim(Result):
    """Check whether published percentages are possible for counts out of n (GRIM).

    Attributes:
        percent: `[K]` percentages as published.
        possible: `[K]` whether some count gives the percentage after rounding.
        count: `[K]` that count, or the nearest one if there is none.
        informative: Whether n is small enough for some percentages to be impossible.
        n: Number of questionnaires.
    """

    columns = ("percent", "possible", "count")

    percent: Array
    possible: npt.NDArray[np.bool_]
    count: npt.NDArray[np.int64]
    informative: bool
    n: int


def single_response(answers: Sequence[str], *, confidence: float = 0.95) -> Shares:
    """Shares of the options of a question with one answer.

    Args:
        answers: `[n]` chosen options, none missing.
        confidence: Coverage of the Wilson intervals.

    Raises:
        DataError: No answers, or one that is empty.

    References:
        Options of one question exclude each other, so McNemar's test compares their counts as a sign test does.
    """
    chosen, names = float64.codes(np.asarray(answers), len(answers), "single_response: answers")
    if len(chosen) == 0 or any(str(name).strip() == "" for name in names):
        raise errors.DataError("single_response: there are no answers, or an empty one; screen questionnaires first.")
    table = chosen[:, None] == np.arange(len(names))[None, :]
    return _shares(table, [str(name) for name in names], confidence, multiple=False)


def multiple_response(ticked: npt.ArrayLike, options: Sequence[str], *, confidence: float = 0.95) -> Shares:
    """Shares of the options of a multiple-response question, compared by tests that account for their overlap.

    Args:
        ticked: `[n, K]` of 0 and 1.
        options: `[K]` names.
        confidence: Coverage of the Wilson intervals.

    Raises:
        DataError: Another shape, a value other than 0 and 1, or names that repeat.

    References:
        McNemar (1947), Note on the sampling error of the difference between correlated proportions.
    """
    table = float64.finite(ticked, "multiple_response: ticked", ndim=2)
    if table.shape[1] != len(options) or len(set(options)) < len(options) or 0 in table.shape:
        raise errors.DataError(
            f"multiple_response: {table.shape[1]} columns for options {list(options)}; each needs one name of its own."
        )
    if not np.isin(table, (0.0, 1.0)).all():
        where = np.argwhere(~np.isin(table, (0.0, 1.0)))[0].tolist()
        raise errors.DataError(f"multiple_response: {table[tuple(where)]:g} at {where}; each cell is 0 or 1.")
    return _shares(table == 1.0, list(options), confidence, multiple=True)


def _shares(table: npt.NDArray[np.bool_], names: list[str], confidence: float, *, multiple: bool) -> Shares:
    n, count = len(table), table.sum(axis=0)
    limits = intervals.wilson(count, n, confidence=confidence)
    pairs = list(itertools.combinations(range(len(names)), 2))
    p = np.array(
        [_mcnemar(int((table[:, i] & ~table[:, j]).sum()), int((table[:, j] & ~table[:, i]).sum())) for i, j in pairs]
    )
    return Shares(
        option=tuple(names),
        count=count.astype(np.int64),
        share=count / n,
        low=np.asarray(limits.low),
        high=np.asarray(limits.high),
        n=n,
        multiple=multiple,
        pair=tuple((names[i], names[j]) for i, j in pairs),
        difference=np.array([(count[i] - count[j]) / n for i, j in pairs]),
        p=p,
        p_holm=holm(p) if len(pairs) else p,
    )


def _mcnemar(only_first: int, only_second: int) -> float:
    """Returns the exact two-sided p-value; 1 when nobody chose exactly one of the two."""
    discordant = only_first + only_second
    return 1.0 if discordant == 0 else float(stats.binomtest(only_first, discordant, 0.5).pvalue)


def overlap_bounds(first: int, second: int, n: int) -> OverlapTest:
    """Bounds the p-value for two published counts of a multiple-response question over all possible overlaps.

    Example:
        >>> from ich_jax.kansei import survey
        >>> bounds = survey.overlap_bounds(298, 306, 500)
        >>> round(bounds.p_low, 2), round(bounds.p_independent, 2)
        (0.01, 0.65)

    Args:
        first: Number of questionnaires that chose the first option.
        second: Number of questionnaires that chose the second option.
        n: Number of questionnaires.

    Raises:
        DataError: A count outside 0 to n.
    """
    if not (0 <= first <= n and 0 <= second <= n and n >= 1):
        raise errors.DataError(f"overlap_bounds: counts {first} and {second} do not fit into n={n}.")
    least, most = max(0, first + second - n), min(first, second)
    p = [_mcnemar(first - both, second - both) for both in range(least, most + 1)]
    independent = min(max(round(first * second / n), least), most)
    return OverlapTest(
        difference=(first - second) / n,
        overlap_low=least,
        overlap_high=most,
        p_low=min(p),
        p_high=max(p),
        p_independent=p[independent - least],
    )


def cross_table(rows: npt.ArrayLike, columns: npt.ArrayLike) -> CrossTable:
    """Cross-table of two categorical answers with Pearson's test and Cramér's V.

    Args:
        rows: `[n]` labels.
        columns: `[n]` labels.

    Raises:
        DataError: Different lengths, missing labels, or a side with one category only.

    References:
        Cramér (1946), Mathematical methods of statistics, section 21.9. Bergsma (2013), A bias-correction for Cramér's
        V and Tschuprow's T. Haberman (1973), The analysis of residuals in cross-classified tables.
    """
    n = len(np.asarray(rows))
    r, row_names = float64.codes(rows, n, "cross_table: rows")
    c, column_names = float64.codes(columns, n, "cross_table: columns")
    if min(len(row_names), len(column_names)) < 2:
        raise errors.DataError(
            f"cross_table: {len(row_names)} and {len(column_names)} categories; association needs two on each side."
        )
    count = np.zeros((len(row_names), len(column_names)), np.int64)
    np.add.at(count, (r, c), 1)
    across, down = count.sum(axis=1) / n, count.sum(axis=0) / n
    expected = n * across[:, None] * down[None, :]
    chi2 = float(((count - expected) ** 2 / expected).sum())
    k, m = count.shape
    df = (k - 1) * (m - 1)
    phi2 = max(0.0, chi2 / n - df / (n - 1))
    k_corrected, m_corrected = k - (k - 1) ** 2 / (n - 1), m - (m - 1) ** 2 / (n - 1)
    smaller = min(k_corrected, m_corrected) - 1.0
    return CrossTable(
        count=count,
        expected=expected,
        residual=(count - expected) / np.sqrt(expected * (1 - across[:, None]) * (1 - down[None, :])),
        rows=tuple(map(str, row_names)),
        columns_of=tuple(map(str, column_names)),
        chi2=chi2,
        df=df,
        p=float(stats.chi2.sf(chi2, df)),
        cramers_v=math.sqrt(chi2 / n / (min(k, m) - 1)),
        cramers_v_corrected=math.sqrt(phi2 / smaller) if smaller > 0 else math.nan,
        smallest_expected=float(expected.min()),
    )


def grim(percent: npt.ArrayLike, n: int, *, decimals: int = 1) -> Grim:
    """Checks published percentages against the number of questionnaires.

    Example:
        >>> from ich_jax.kansei import survey
        >>> survey.grim([35.6, 59.6, 61.2, 31.2], 500).count.tolist()
        [178, 298, 306, 156]
        >>> bool(survey.grim([92.99], 100, decimals=2).possible[0])
        False

    Args:
        percent: `[K]` published percentages.
        n: Number of questionnaires.
        decimals: Decimals of the published percentages.

    Raises:
        DataError: A percentage outside 0 to 100, or no questionnaires.

    References:
        Brown and Heathers (2017), The GRIM test.
    """
    shown = float64.finite(percent, "grim: percent", ndim=1)
    if n < 1 or ((shown < 0) | (shown > 100)).any():
        raise errors.DataError(
            f"grim: percentages must lie from 0 to 100 and n be positive; got {shown.tolist()}, n={n}."
        )
    count = np.round(shown / 100.0 * n).astype(np.int64)
    near = count[:, None] + np.array([-1, 0, 1])[None, :]
    # Programs round halves up or to even; a count within half a unit of the last digit, limits included, is accepted.
    error = np.abs(near / n * 100.0 - shown[:, None])
    fits = (error <= 0.5 * 10.0**-decimals * (1 + 1e-9)) & (near >= 0) & (near <= n)
    best = np.where(fits, error, np.inf).argmin(axis=1)
    return Grim(
        percent=shown,
        possible=fits.any(axis=1),
        count=np.where(fits.any(axis=1), near[np.arange(len(shown)), best], count),
        informative=n < 10 ** (decimals + 2),
        n=n,
    )
