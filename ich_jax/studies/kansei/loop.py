"""The loop: designs for random briefs, SIMULATED raters, briefs of what they want, and designs for these briefs.

All data pass through the files that people would use: the work directory of `experiments/design.py`, blinded sheets,
answers, and a CSV of briefs. Raters and analysis use the inspector's reading of a design, never its brief; the
inspector takes no part in choosing designs.
"""

import dataclasses
from pathlib import Path

import jax
import numpy as np
import numpy.typing as npt

from ich_jax import errors, liveness, workdir
from ich_jax.config import DesignConfig, KanseiConfig, KanseiDataConfig
from ich_jax.kansei import review
from ich_jax.report import provenance
from ich_jax.studies.console import shown
from ich_jax.studies.design import plan as design_plan
from ich_jax.studies.design import run as design
from ich_jax.studies.kansei import loop_page, returned, run, sheets, simulated, works
from ich_jax.studies.kansei.result import ElementsResult, wanted_words
from ich_jax.studies.kansei.sheets import Plan
from ich_jax.studies.kansei.simulated import Raters
from ich_jax.studies.kansei.works import Work
from ich_jax.uncertainty import intervals
from ich_jax.uncertainty.float64 import Array


@dataclasses.dataclass(frozen=True, slots=True)
class LoopResult:
    """The result of one round of the loop.

    Attributes:
        word: `[K]` word of each part-worth.
        item: `[K]` its element or axis.
        category: `[K]` its category.
        true: `[K]` part-worths of the SIMULATED raters, centred over the designs as the estimates are.
        estimate: `[K]` estimated category scores.
        low: `[K]` lower limits; NaN for ridge estimates.
        high: `[K]` upper limits.
        covered: Number of part-worths inside their limits.
        correlation: Correlation of true part-worths with estimates.
        random: `[n]` desirability of the designs for random briefs, by the true part-worths.
        delivered: `[m]` desirability of the designs for the wanted briefs.
        raised: Number of delivered designs above the mean of `random`.
        share_low: Lower Wilson limit of their share.
        share_high: Upper limit.
        superiority: Probability that a delivered design is more desirable than a random one.
        wanted: Description of the wanted words.
        raters: Number of raters.
    """

    word: tuple[str, ...]
    item: tuple[str, ...]
    category: tuple[str, ...]
    true: Array
    estimate: Array
    low: Array
    high: Array
    covered: int
    correlation: float
    random: Array
    delivered: Array
    raised: int
    share_low: float
    share_high: float
    superiority: review.Superiority
    wanted: str
    raters: int


def go_round(config: KanseiConfig, folder: str, checkpoint: str) -> LoopResult:
    """Runs the loop and reports; prints the summary line.

    Args:
        config: The study, with `data.source` "loop".
        folder: Work directory; the same command resumes a stopped run.
        checkpoint: Work directory of the generator; empty: the shipped generator.

    Raises:
        ConfigError: A product or word is unknown.
        DataError: The inspector reads a category on no design, so that its part-worth is not identified.
        WorkdirError: The folder belongs to another run.
    """
    root, loop, levels = Path(folder), config.loop, config.data.axis_levels
    wanted = wanted_words(config.analysis.wanted, loop.words)
    space = design.load(checkpoint, DesignConfig()).space
    briefs = simulated.random_briefs(space, loop, levels, config.seed)
    workdir.claim(folder, config)
    liveness.keeps(f"finished designs and sheets in {folder} are kept, and the same command resumes")

    # ---------------- designs for random briefs, and their ratings
    workdir.write_text(root / "random_briefs.csv", briefs)
    first = _designs(config, root / "first", checkpoint, root / "random_briefs.csv", deliver=1)
    raters = simulated.create(space, loop, levels, config.seed)
    liveness.stage("sheets and SIMULATED raters")
    _ask(config, root, first, raters)

    # ---------------- analysis, and designs for the wanted briefs
    options = dataclasses.replace(config.analysis, wanted=",".join(f"{w}={v:g}" for w, v in wanted.items()))
    data = KanseiDataConfig(source="csv", path=str(root / "answers"), axis_levels=levels)
    analysis = dataclasses.replace(config, name=f"{config.name} (SIMULATED raters)", data=data, analysis=options)
    elements = run.run(analysis, str(root / "analysis")).elements
    if elements is None:
        raise errors.DataError(f"{root / 'answers'}: contains no elements.")
    second = _designs(config, root / "second", checkpoint, root / "analysis" / "briefs.csv", deliver=loop.deliver)

    # ---------------- comparison, and page
    result = _judge(config, raters, elements, first, second, wanted)
    summary = {
        "part_worths": len(result.true),
        "part_worths_covered": result.covered / len(result.true),
        "part_worths_correlation": result.correlation,
        "share_raised": result.raised / len(result.delivered),
        "share_raised_low": result.share_low,
        "superiority": result.superiority.a12,
        "n_delivered": len(result.delivered),
    }
    origin = provenance.provenance()
    workdir.write_json(
        root / "results.json",
        {"summary": summary, "simulated": ["raters"], "loop": result, "raters": raters, "provenance": origin},
    )
    page = loop_page.write(folder, config=config, result=result, provenance=origin)
    print(f"Page: {page}")
    print("summary: " + " ".join(f"{name}={shown(value)}" for name, value in summary.items()), flush=True)
    return result


def _designs(config: KanseiConfig, folder: Path, checkpoint: str, briefs: Path, *, deliver: int) -> tuple[Work, ...]:
    """Runs the design study on a file of briefs and returns the delivered designs."""
    options = DesignConfig(
        name=f"{config.name}: {folder.name}",
        candidates=config.loop.candidates,
        deliver=deliver,
        seed=config.seed,
        batch=config.loop.candidates,
        tolerance=1.0,
        select="best",
        print_size=96,
        dpi=100,
        progress=False,
        compilation_cache=config.compilation_cache,
    )
    design.run(options, str(folder), checkpoint, design_plan.Request(file=str(briefs)))
    return works.load([str(folder)])


def _ask(config: KanseiConfig, root: Path, shown_works: tuple[Work, ...], raters: Raters) -> None:
    """Makes the sheets, lets the SIMULATED raters fill them in, and reads them; existing files are kept."""
    form = root / "form"
    names = tuple(f"SIMULATED rater {k}" for k in range(1, config.loop.raters + 1))
    items = sheets.word_items(config.loop.words, round(config.data.scale_low), round(config.data.scale_high))
    plan = Plan("words", items, names, config.seed)
    if not (form / sheets.KEY / sheets.PLAN_FILE).exists():
        sheets.write(form, shown_works, plan)
    by_name = {work.name: work for work in shown_works}
    coded = {code: by_name[row["work"]] for code, row in returned.read_key(form).items()}
    simulated.fill(form / "filled", raters, plan, coded, config.loop, config.seed)
    if not (root / "answers").exists():
        returned.write_answers(returned.read(form, form / "filled"), root / "answers")


def _judge(
    config: KanseiConfig,
    raters: Raters,
    elements: ElementsResult,
    first: tuple[Work, ...],
    second: tuple[Work, ...],
    wanted: dict[str, float],
) -> LoopResult:
    rows = []
    for word, fit in elements.fits.items():
        worth = np.array([raters.part_worth[word][i][c] for i, c in zip(fit.item, fit.category, strict=True)])
        items = np.array(fit.item)
        for name in dict.fromkeys(fit.item):  # centred over the designs, as the estimates are
            categories = items == name
            worth[categories] -= np.average(worth[categories], weights=fit.count[categories])
        rows += list(zip([word] * len(worth), fit.item, fit.category, worth, fit.score, fit.low, fit.high, strict=True))
    words, item, category, true, estimate, low, high = zip(*rows, strict=True)
    inside = (np.array(low) <= np.array(true)) & (np.array(true) <= np.array(high))
    random, delivered = (
        np.array([sum(v * raters.score(work, word) for word, v in wanted.items()) for work in group])
        for group in (first, second)
    )
    raised: npt.NDArray[np.bool_] = delivered > random.mean()
    limits = intervals.wilson(int(raised.sum()), len(raised), confidence=config.analysis.confidence)
    return LoopResult(
        word=words,
        item=item,
        category=category,
        true=np.array(true),
        estimate=np.array(estimate),
        low=np.array(low),
        high=np.array(high),
        covered=int(inside.sum()),
        correlation=float(np.corrcoef(true, estimate)[0, 1]),
        random=random,
        delivered=delivered,
        raised=int(raised.sum()),
        share_low=float(limits.low),
        share_high=float(limits.high),
        superiority=review.probability_of_superiority(
            delivered,
            random,
            key=jax.random.key(config.seed),
            confidence=config.analysis.confidence,
            n_resamples=config.analysis.n_resamples,
        ),
        wanted=", ".join(f"{value:g} {word}" for word, value in wanted.items()),
        raters=config.loop.raters,
    )
