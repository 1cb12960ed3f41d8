"""What starting from a trained generator brings, over the steps: beside the same steps from scratch.

    python scripts/benchmark.py finetune --output=runs/finetune --start=runs/other_products --data=PATH

Trains three arms on one set of pictures, several seeds each: from the given run with the first stages of the
discriminator frozen, from it with all stages trained, and from scratch. At each stored step the averaged generator is
compared with the held-out pictures: kernel distance (KID) over random features, and the share of designs that are
nearer to a training picture than 95 % of the held-out ones are. The row of real pictures, the training pictures
themselves against the held-out ones, is what a perfect generator would reach. Arms differ in nothing else; the command
resumes.
"""

import dataclasses
import functools
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import jax
import numpy as np
from absl import flags, logging
from benchmarks import programs

from ich_jax import config as config_lib
from ich_jax import errors, workdir
from ich_jax.config import Config
from ich_jax.data import make
from ich_jax.data.dataset import Dataset
from ich_jax.evaluation import copies, distances, drawing, features
from ich_jax.evaluation.drawing import Images, Purpose
from ich_jax.report import benchmark, tables
from ich_jax.studies import console
from ich_jax.training import checkpoint, loop, sampling

FLAGS = flags.FLAGS
FROZEN, TRAINED, SCRATCH = "fine-tuned, first stages frozen", "fine-tuned, all trained", "from scratch"
ARMS = {FROZEN: "frozen", TRAINED: "trained", SCRATCH: "scratch"}
"""The arms, and the stems of their folders."""

N_DESIGNS = 256
SUBSETS = 50


@dataclasses.dataclass(frozen=True)
class Measured:
    """A generator at a step.

    Attributes:
        arm: Of `ARMS`.
        seed: Of the run.
        step: Steps taken.
        kid: Kernel distance to the held-out pictures, mean over feature seeds.
        share_close: Share of designs nearer to a training picture than 95 % of the held-out ones.
    """

    arm: str
    seed: int
    step: int
    kid: float
    share_close: float


def define_flags() -> None:
    """Declares the flags of this subcommand."""
    flags.DEFINE_string("output", None, "Folder for the runs, benchmark.json and benchmark.md.", required=True)
    flags.DEFINE_string("start", "shipped", "Run, checkpoint or `shipped`: what the fine-tuned arms start from.")
    flags.DEFINE_string("data", None, "Folder of pictures, as configs/finetune_32.py takes it.", required=True)
    flags.DEFINE_string("config", "configs/finetune_32.py", "Config of all arms.")
    flags.DEFINE_multi_string("set", [], "Field of the config to change, such as --set=train.steps=800; repeatable.")
    flags.DEFINE_list("seeds", ["0", "1", "2"], "Seeds of each arm.")
    flags.DEFINE_integer("every", 400, "Steps between measurements.", lower_bound=1)


def run() -> None:
    """Trains and measures what is not there yet, then writes table and receipt."""
    changes = dict(programs.change(text) for text in FLAGS.set)
    config: Config = config_lib.load(FLAGS.config, {"data.path": FLAGS.data, **changes})
    seeds = [_seed(text) for text in FLAGS.seeds]
    dataset = make.make(config.data, seed=config.seed)
    judge = Judge(config, dataset)
    if config.compute.compilation_cache:
        console.keep_compiled_programs()
    found = []
    for seed in seeds:
        for arm in ARMS:
            found += measure(arm_config(config, arm, seed, FLAGS.every), arm, judge)
    real_kid = judge.kid(judge.training)
    summary = summarise(found, real_kid)
    receipt = {
        "summary": summary,
        "start": FLAGS.start,
        "n_train": dataset.n_train,
        "n_held_out": len(judge.held_out),
        "n_designs": N_DESIGNS,
        "data_fingerprint": dataset.fingerprint,
        "config": {name: value for name, value in config_lib.flatten(config).items() if name != "data.path"},
        "rows": found,
        "real_kid": real_kid,
    }
    note = (
        f"{dataset.n_train} training and {len(judge.held_out)} held-out pictures; {N_DESIGNS} designs a measurement; "
        f"seeds {', '.join(map(str, seeds))}."
    )
    benchmark.write(Path(FLAGS.output), receipt, [table(found, real_kid)], note=note)
    print(benchmark.summary(summary), flush=True)


def arm_config(config: Config, arm: str, seed: int, every: int) -> Config:
    """Returns the config of a run of an arm."""
    values = config_lib.to_dict(config)
    values["seed"] = seed
    values["train"]["images"] = 0
    if arm != FROZEN:
        values["train"]["freeze_d"] = 0
    n = -(-config.train.steps // every)
    values["loop"] |= {"checkpoint_every": every, "keep": n + 1, "tensorboard": False}
    resolved: Config = config_lib.resolve(values)
    return resolved


class Judge:
    """Compares designs with held-out pictures.

    Attributes:
        dataset: The pictures.
        training: `[N, H, W, C]` uint8, the training pictures.
        held_out: `[M, H, W, C]` uint8, all others.
    """

    def __init__(self, config: Config, dataset: Dataset) -> None:
        """Computes the features of the held-out pictures once.

        Raises:
            DataError: Fewer than 8 are held out.
        """
        self.dataset = dataset
        parts = [drawing.held_out(dataset, split, dataset.n_holdout)[0] for split in ("validation", "test")]
        self.held_out: Images = np.concatenate(parts)
        if len(self.held_out) < 8:
            raise errors.DataError(
                f"{len(self.held_out)} pictures are held out, too few to compare with; raise "
                "--set=data.holdout_share=SHARE or give more pictures."
            )
        self.training = drawing.stored(dataset.train_images(dataset.n_train).image)
        self._networks = [
            features.random_features(seed, dataset.channels) for seed in range(config.evaluation.feature_seeds)
        ]
        self._reference = [network(self.held_out) for network in self._networks]

    def kid(self, images: Images) -> float:
        """Returns the kernel distance of images to the held-out pictures."""
        subset = min(len(self.held_out), len(images))
        return float(
            np.mean(
                [
                    distances.kid(network(images), reference, subset=subset, subsets=SUBSETS).mean
                    for network, reference in zip(self._networks, self._reference, strict=True)
                ]
            )
        )

    def share_close(self, images: Images) -> float:
        """Returns the share of images that are nearer to a training picture than 95 % of the held-out ones."""
        return copies.search(self.dataset, images, self.held_out)[0].share_close


def measure(config: Config, arm: str, judge: Judge) -> list[Measured]:
    """Trains a run of an arm to its end, or reads what it left, and measures it at each stored step."""
    folder = Path(FLAGS.output) / "runs" / f"{ARMS[arm]}_{config.seed}"
    file = folder / "measured.json"
    workdir.claim(folder, config)
    if file.exists():
        return [Measured(**row) for row in workdir.read_json(file)]
    logging.warning("%s, seed %d: %d steps in %s", arm, config.seed, config.train.steps, folder)
    init_from = "" if arm == SCRATCH else FLAGS.start
    result = loop.train(config, folder, judge.dataset, init_from=init_from)
    if result.stopped:
        raise errors.IchJaxError(f"Stopped at step {result.steps}; give the same command again to resume.")
    sampler = sampling.make_sampler(config, judge.dataset.spec)
    key = jax.random.key(config.evaluation.seed)
    brief = drawing.briefs(judge.dataset, key, Purpose.IMAGES, N_DESIGNS)
    draw = functools.partial(drawing.draw, sampler)
    found = []
    for step in range(FLAGS.every, config.train.steps + 1, FLAGS.every):
        model = checkpoint.restore_for_inference(folder / checkpoint.FOLDER / str(step))
        images = draw(model.ema_params, drawing.noise_key(key, Purpose.IMAGES), brief)
        found.append(Measured(arm, config.seed, step, judge.kid(images), judge.share_close(images)))
        logging.warning("%s, seed %d, step %d: KID %.4f", arm, config.seed, step, found[-1].kid)
    workdir.write_json(file, [dataclasses.asdict(row) for row in found])
    return found


def summarise(found: Sequence[Measured], real_kid: float) -> Mapping[str, float]:
    """Returns the figures of the last step, and at how many steps fine-tuning was better for every seed."""
    steps = sorted({row.step for row in found})

    def kids(arm: str, step: int) -> np.ndarray:
        return np.array([row.kid for row in found if row.arm == arm and row.step == step])

    better = [bool((kids(FROZEN, step) < kids(SCRATCH, step)).all()) for step in steps]
    return {
        "kid_frozen": float(kids(FROZEN, steps[-1]).mean()),
        "kid_trained": float(kids(TRAINED, steps[-1]).mean()),
        "kid_scratch": float(kids(SCRATCH, steps[-1]).mean()),
        "kid_real": real_kid,
        "steps_better": sum(better),
        "steps_measured": len(steps),
    }


def table(found: Sequence[Measured], real_kid: float) -> tables.Table:
    """Returns KID and share of near copies by arm and step, mean and range over seeds."""
    rows: list[tuple[Any, ...]] = []
    for step in sorted({row.step for row in found}):
        for arm in ARMS:
            of_arm = [row for row in found if row.arm == arm and row.step == step]
            kids, close = [row.kid for row in of_arm], [row.share_close for row in of_arm]
            spread = f"{min(kids):.4f} to {max(kids):.4f}"
            rows.append((step, arm, f"{np.mean(kids):.4f}", spread, f"{np.mean(close):.3f}"))
    rows.append(("", "real: training pictures", f"{real_kid:.4f}", "", "0.05 by definition"))
    return tables.Table(
        name="finetune",
        title="Fine-tuning and training from scratch",
        columns=("step", "arm", "KID", "range over seeds", "share near a training picture"),
        rows=tuple(rows),
        caption="Kernel distance to held-out pictures: lower is better, and a perfect generator reaches the last row. "
        " Share of designs nearer to a training picture than 95 % of the held-out pictures are.",
    )


def _seed(text: str) -> int:
    if not text.isdigit():
        raise errors.ConfigError(f"--seeds: got {text!r}; expected whole numbers such as 0,1,2.")
    return int(text)
