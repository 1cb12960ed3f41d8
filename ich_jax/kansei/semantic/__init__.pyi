from . import agreement, components, extraction, mixed, ratings, reliability, rotation
from .agreement import Agreement, KendallW, fleiss_kappa, gwet_ac, kendall_w, krippendorff_alpha, weighted_kappa
from .components import Adequacy, Components, adequacy, parallel_analysis, principal_components
from .extraction import FactorAnalysis, McDonaldOmega, factor_analysis, omega
from .mixed import MixedModel, mixed_model
from .ratings import MeanTable, SurvivingRankings, mean_table, surviving_rankings
from .reliability import Alpha, IccTable, cronbach_alpha, icc
from .rotation import rotate

__all__ = [
    "Adequacy",
    "Agreement",
    "Alpha",
    "Components",
    "FactorAnalysis",
    "IccTable",
    "KendallW",
    "McDonaldOmega",
    "MeanTable",
    "MixedModel",
    "SurvivingRankings",
    "adequacy",
    "agreement",
    "components",
    "cronbach_alpha",
    "extraction",
    "factor_analysis",
    "fleiss_kappa",
    "gwet_ac",
    "icc",
    "kendall_w",
    "krippendorff_alpha",
    "mean_table",
    "mixed",
    "mixed_model",
    "omega",
    "parallel_analysis",
    "principal_components",
    "ratings",
    "reliability",
    "rotate",
    "rotation",
    "surviving_rankings",
    "weighted_kappa",
]
