from . import conjoint, correspondence, least_squares, morphology, profiles, theory
from .conjoint import Conjoint, conjoint_analysis
from .correspondence import Correspondence, correspondence_analysis
from .least_squares import partial_least_squares
from .morphology import encode, level_element
from .profiles import Profiles, score_profiles
from .theory import CategoryScores, quantification_1

__all__ = [
    "CategoryScores",
    "Conjoint",
    "Correspondence",
    "Profiles",
    "conjoint",
    "conjoint_analysis",
    "correspondence",
    "correspondence_analysis",
    "encode",
    "least_squares",
    "level_element",
    "morphology",
    "partial_least_squares",
    "profiles",
    "quantification_1",
    "score_profiles",
    "theory",
]
