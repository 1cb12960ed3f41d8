"""Coverage of part-worths in simulated surveys."""

import numpy as np

from ich_jax.studies.market.simulated import TRUE
from scripts import measure_choice_coverage


def test_a_survey_follows_the_true_part_worths() -> None:
    """Shares of choices are those of the logit, so that the score at the truth vanishes but for chance."""
    choices = measure_choice_coverage.survey(2000, 4, np.random.default_rng(0))
    utility = choices.attributes @ np.array(list(TRUE.values()))
    share = np.exp(utility) / np.exp(utility).sum(axis=1, keepdims=True)
    taken = np.eye(share.shape[1])[choices.chosen]
    score = np.einsum("tj,tjk->tk", taken - share, choices.attributes)
    assert (np.abs(score.mean(axis=0)) < 4 * score.std(axis=0) / np.sqrt(len(score))).all()
    assert choices.names == tuple(TRUE) and len(choices.persons) == 2000


def test_coverage_counts_surveys() -> None:
    found = measure_choice_coverage.measure(60, 4, 6, seed=1)
    assert set(found) == {*TRUE, *(f"willingness to pay: {name}" for name in TRUE if name != "price")}
    for row in found.values():
        assert row["n"] == 6 and row["share"] * 6 == round(row["share"] * 6)
        assert 0 <= row["low"] <= row["share"] <= row["high"] <= 1 and row["mean_width"] > 0
    assert sum(row["share"] for row in found.values()) > 0.7 * len(found)
