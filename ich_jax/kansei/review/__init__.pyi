from . import arms, blinding, effect_sizes, means, ordinal, panel, ranks
from .arms import Comparison, Permutation, compare, paired, permutation, statistics
from .blinding import Blinding, blind
from .effect_sizes import bayes_factor, hedges_g, minimum_detectable_effect, power
from .means import equivalence, spread, welch
from .ordinal import OrdinalModel, Severity, cumulative_link_model, ordinal_review, rater_severity
from .panel import IdentifiedIcc, icc_from_sums
from .ranks import Superiority, brunner_munzel, hodges_lehmann, mann_whitney, probability_of_superiority, wilcoxon

__all__ = [
    "Blinding",
    "Comparison",
    "IdentifiedIcc",
    "OrdinalModel",
    "Permutation",
    "Severity",
    "Superiority",
    "arms",
    "bayes_factor",
    "blind",
    "blinding",
    "brunner_munzel",
    "compare",
    "cumulative_link_model",
    "effect_sizes",
    "equivalence",
    "hedges_g",
    "hodges_lehmann",
    "icc_from_sums",
    "mann_whitney",
    "means",
    "minimum_detectable_effect",
    "ordinal",
    "ordinal_review",
    "paired",
    "panel",
    "permutation",
    "power",
    "probability_of_superiority",
    "ranks",
    "rater_severity",
    "spread",
    "statistics",
    "welch",
    "wilcoxon",
]
