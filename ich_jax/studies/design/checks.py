"""Checks of a design run that are made before anything is drawn or written."""

from pathlib import Path
from typing import Any

from ich_jax import errors, workdir
from ich_jax.config import DesignConfig
from ich_jax.report import contact
from ich_jax.studies import trained
from ich_jax.studies.design import plan
from ich_jax.studies.design.designer import Designer
from ich_jax.training import sampling


def check_readable(designer: Designer) -> None:
    """Checks that the checkpoint has a trained reading head.

    Raises:
        CheckpointError: The run trained no reading head, or the checkpoint lacks it.
    """
    sampling.make_read(designer.model.config, designer.space)
    if "reading" not in designer.model.d_params:
        raise errors.CheckpointError(
            f"The checkpoint of {designer.model.config.name} has no reading head, which the choice of candidates needs."
        )


def check_size(config: DesignConfig, designer: Designer) -> None:
    """Checks that a design fits on a page of the contact sheet.

    Raises:
        ConfigError: The design is too wide.
    """
    side = plan.print_side(config, designer)
    width = contact.millimetres(side, config.dpi)
    if width > contact.WIDEST_MM:
        raise errors.ConfigError(
            f"print_size: {side} px at {config.dpi} dpi are {width:.0f} mm, and a page has room for "
            f"{contact.WIDEST_MM:.0f} mm; lower print_size or raise dpi."
        )


def check_folder(config: DesignConfig, folder: str, identity: dict[str, Any]) -> None:
    """Checks that a work directory in use belongs to the same config, briefs and generator.

    Args:
        config: The run.
        folder: Work directory; empty: none.
        identity: See `plan.identity`.

    Raises:
        WorkdirError: The directory belongs to another run.
    """
    if not folder:  # --dry_run stores nothing
        return
    workdir.check(folder, config)
    path = Path(folder) / plan.REQUEST_FILE
    if not path.exists():
        return
    stored = workdir.read_object(path)
    generator = {"checkpoint": identity["checkpoint"]}
    trained.check_identity(folder, "designs", stored, generator, name=str(stored.get("run")))
    if not isinstance(stored.get("jobs"), dict):
        raise errors.WorkdirError(f"{path} is damaged: it names no briefs. Remove it to go on with the finished ones.")
    if stored["jobs"] != identity["jobs"]:
        theirs = list(stored["jobs"])
        differing = [name for name in theirs if stored["jobs"][name] != identity["jobs"].get(name)] or theirs
        raise errors.WorkdirError(
            f"{folder} holds designs of other briefs ({', '.join(differing[:3])}{', ...' * (len(differing) > 3)}); "
            "delivered designs are never overwritten. Use another --workdir."
        )
