from .coefficient_table import Coefficients, coefficients
from .covariance import (
    Covariance,
    SmallSample,
    cluster,
    driscoll_kraay,
    heteroskedastic,
    iid,
    newey_west,
)
from .linear import Absorbed, LinearFit, fit
from .m_estimation import MEstimate, minimise, solve
from .transformation import Transformed, delta, krinsky_robb
from .wild_bootstrap import WildTest, joint, wild_cluster

__all__ = [
    "Absorbed",
    "Coefficients",
    "Covariance",
    "LinearFit",
    "MEstimate",
    "SmallSample",
    "Transformed",
    "WildTest",
    "cluster",
    "coefficients",
    "delta",
    "driscoll_kraay",
    "fit",
    "heteroskedastic",
    "iid",
    "joint",
    "krinsky_robb",
    "minimise",
    "newey_west",
    "solve",
    "wild_cluster",
]
