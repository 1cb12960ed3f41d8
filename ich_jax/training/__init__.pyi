from . import (
    checkpoint,
    export,
    formulation,
    gradients,
    health,
    inspector,
    loop,
    losses,
    objective,
    optimiser,
    parallel,
    penalties,
    sampling,
    seeds,
    state,
    step,
    update,
    window,
    writer,
)
from .checkpoint import (
    Checkpoints,
    TrainedModel,
    has_checkpoints,
    restore_for_inference,
)
from .export import export_generator
from .loop import TrainResult
from .sampling import make_sampler
from .state import TrainState, create_state
from .step import make_step

__all__ = [
    "Checkpoints",
    "TrainResult",
    "TrainState",
    "TrainedModel",
    "checkpoint",
    "create_state",
    "export",
    "export_generator",
    "formulation",
    "gradients",
    "has_checkpoints",
    "health",
    "inspector",
    "loop",
    "losses",
    "make_sampler",
    "make_step",
    "objective",
    "optimiser",
    "parallel",
    "penalties",
    "restore_for_inference",
    "sampling",
    "seeds",
    "state",
    "step",
    "update",
    "window",
    "writer",
]
