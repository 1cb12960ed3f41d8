"""Our networks as diagrams, beside Figures 1 and 2 of the paper."""

import matplotlib

from ich_jax.report import style
from ich_jax.report.style import Picture


def adversarial() -> Picture:
    """Draws what feeds what: brief, noise, generator, discriminator with its reading head, inspector outside."""
    boxes = {
        "brief": (0.09, 0.78, "brief: product,\nelements, axes", 6),
        "noise": (0.09, 0.34, "noise", 6),
        "generator": (0.34, 0.56, "generator\n(residual blocks)", 0),
        "designs": (0.56, 0.56, "designs", 6),
        "real": (0.56, 0.12, "real images", 6),
        "discriminator": (0.80, 0.40, "discriminator: real or not,\nreading head: brief", 1),
        "inspector": (0.80, 0.90, "inspector: trained on\nreal images only", 2),
    }
    arrows = (
        ("brief", "generator"),
        ("noise", "generator"),
        ("generator", "designs"),
        ("designs", "discriminator"),
        ("real", "discriminator"),
        ("designs", "inspector"),
    )
    return _draw(boxes, arrows, 700, 250)


def residual_block() -> Picture:
    """Draws a residual block beside the plain one that comparisons use."""
    boxes = {
        "x": (0.07, 0.72, "x", 6),
        "f": (0.24, 0.72, "F: convolutions", 0),
        "sum": (0.40, 0.72, "x + F(x)", 0),
        "x2": (0.60, 0.72, "x", 6),
        "f2": (0.77, 0.72, "F: convolutions", 1),
        "out": (0.93, 0.72, "F(x)", 1),
        "short": (0.24, 0.25, "shortcut", 0),
        "none": (0.77, 0.25, "plain arm: no shortcut", 1),
    }
    arrows = (("x", "f"), ("f", "sum"), ("x", "short"), ("short", "sum"), ("x2", "f2"), ("f2", "out"))
    return _draw(boxes, arrows, 700, 150)


def _draw(
    boxes: dict[str, tuple[float, float, str, int]], arrows: tuple[tuple[str, str], ...], width: int, height: int
) -> Picture:
    with matplotlib.rc_context(style.rc_params()):
        figure, (ax,) = style.new_figure(width, height, 1, 1)
        ax.set(xlim=(0, 1), ylim=(0, 1))
        ax.axis("off")
        drawn = {
            name: ax.text(
                x, y, text, ha="center", va="center", fontsize=9.5,
                bbox={"boxstyle": "round,pad=0.45", "fc": "white", "ec": style.COLOURS[colour], "lw": 1.4},
            )
            for name, (x, y, text, colour) in boxes.items()
        }  # fmt: skip
        for first, last in arrows:
            ax.annotate(
                "",
                xy=boxes[last][:2],
                xytext=boxes[first][:2],
                arrowprops={
                    "arrowstyle": "-|>",
                    "color": style.MUTED,
                    "patchA": drawn[first].get_bbox_patch(),
                    "patchB": drawn[last].get_bbox_patch(),
                    "shrinkA": 0,
                    "shrinkB": 2,
                },
            )
        return style.finish(figure, "svg")
