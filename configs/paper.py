"""The paper's own objective: alternate minimax, equations 1 to 3, on the procedural set at 32 px.

The discriminator takes its step first, with the generator fixed (eq. 2); then the generator minimises
log(1 - D(G(z))) (eq. 3, printed as a maximum). There is no gradient penalty and no encoder. The generator is a residual
network (eq. 4-5). Conditioning on a brief and reading it back are not part of the paper's equations; they are as in the
other configs.

Command:
    python experiments/train.py --config=configs/paper.py --workdir=runs/paper

Expected time: about as long per step as `quick`, and as many steps as `procedural_32`.

Expected result: designs follow briefs less closely and with less variety than in `procedural_32`: log(1 - D) gives the
generator little gradient while the discriminator is confident.
"""

from typing import Any

from ich_jax import config as config_lib


def get_config() -> Any:
    return config_lib.editable(
        config_lib.Config(
            name="paper",
            objective=config_lib.ObjectiveConfig(
                loss="minimax", update="alternate", d_steps=1, penalty="none", reconstruction=0.0
            ),
            train=config_lib.TrainConfig(steps=20_000, batch=32),
        )
    )
