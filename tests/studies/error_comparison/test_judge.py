"""What the cells of a comparison share."""

from ich_jax import config as config_lib
from ich_jax.studies.error_comparison import judge as judge_lib
from ich_jax.studies.error_comparison import plan


def test_programs_of_few_runs_are_held_at_once() -> None:
    judge = judge_lib.Judge(None, None, (), (), None)  # type: ignore[arg-type]
    comparison = config_lib.resolve(
        config_lib.ErrorComparisonConfig(train=config_lib.TrainConfig(steps=5)), config_lib.ErrorComparisonConfig
    )
    made = []

    def make(config: config_lib.Config) -> str:
        made.append(config.discriminator.blocks)
        return f"blocks {config.discriminator.blocks}"

    def cell(depth: int, seed: int = 0) -> config_lib.Config:
        piece = plan.Piece("cells", "residual", depth, 0.1, 0.1, 2e-3, seed)
        return plan.cell_config(comparison, piece)

    for depth in (1, 2, 3, 4, 1, 5, 1, 2):
        programs = {judge.once("step", cell(depth, seed), make) for seed in (0, 7)}
        assert programs == {f"blocks {depth}"}
    assert made == [1, 2, 3, 4, 5, 2]  # 1 was used lately; 2 was dropped for 5
    assert judge.once("sampler", cell(5), make) == "blocks 5"
    assert made[-1] == 5
    assert len(judge.programs) == judge_lib._RUNS_KEPT
