"""Blinded sheets for raters: a CSV file and a printable page for each, coded pictures, and a separate key."""

import base64
import csv
import dataclasses
import html
import io
from collections.abc import Sequence
from pathlib import Path

import jax
import numpy as np
import PIL
from PIL import Image

from ich_jax import errors, workdir
from ich_jax.kansei import review
from ich_jax.studies.kansei.works import AXIS, Work

SHEETS, KEY = "sheets", "key"
"""Folders of the sheets, for raters, and of the key, which raters must not see."""
KEY_FILE, PLAN_FILE = "key.csv", "plan.json"
SCORE = "score"
"""The single item of a review."""
_SIDE = 512  # pixels; larger pictures are reduced to keep pages small


@dataclasses.dataclass(frozen=True, slots=True)
class Item:
    """A question that a rater answers with a score.

    Attributes:
        name: Column of the sheets.
        low: Lowest score.
        high: Highest score.
        left: Label of the lowest score, such as the opposite word.
        right: Label of the highest score.
    """

    name: str
    low: int
    high: int
    left: str
    right: str


@dataclasses.dataclass(frozen=True, slots=True)
class Plan:
    """The plan of the sheets: all that is needed to read filled sheets, besides the key.

    Attributes:
        kind: `review` or `words`.
        items: Items to be scored.
        raters: Names of the raters.
        seed: Seed of codes and orders.
    """

    kind: str
    items: tuple[Item, ...]
    raters: tuple[str, ...]
    seed: int


def word_items(words: Sequence[str], low: int, high: int) -> tuple[Item, ...]:
    """Returns the items of a semantic differential.

    Args:
        words: Words, or pairs `opposite|word`, where a high score means the word.
        low: Lowest score.
        high: Highest score.

    Raises:
        ConfigError: There is no word, a word is named twice, or a pair has more than two words.
    """
    items = []
    for text in words:
        parts = [part.strip() for part in text.split("|")]
        if len(parts) > 2 or not all(parts):
            raise errors.ConfigError(f"words: {text!r}: write a word, or two words as opposite|word.")
        left, right = (parts[0], parts[1]) if len(parts) == 2 else (f"not {parts[0]}", parts[0])
        items.append(Item(parts[-1], low, high, left, right))
    names = [item.name for item in items]
    if not names or len(set(names)) < len(names) or {"rater", "place", "code"} & set(names):
        raise errors.ConfigError(f"words: got {', '.join(words) or 'none'}; expected different words.")
    return tuple(items)


def review_items(low: int, high: int) -> tuple[Item, ...]:
    """Returns the single item of a review."""
    return (Item(SCORE, low, high, "poor", "excellent"),)


def write(folder: str | Path, works: Sequence[Work], plan: Plan) -> review.Blinding:
    """Writes `sheets/` for the raters and `key/` for the analyst.

    Pictures are saved under their codes and without metadata, since the file of a design contains its brief.

    Args:
        folder: Folder for both, which must contain neither `sheets` nor `key`.
        works: At least two works.
        plan: Items and raters.

    Raises:
        ConfigError: Raters do not have different names.
        DataError: There are too few works, or an image cannot be read.
        WorkdirError: The folder already contains sheets, or cannot be written.
    """
    root = Path(folder)
    for name in (SHEETS, KEY):
        if (root / name).exists():
            raise errors.WorkdirError(f"{root / name} exists and is not overwritten; name another folder.")
    if not plan.raters or len(set(plan.raters)) < len(plan.raters) or not all(plan.raters):
        raise errors.ConfigError(f"raters: got {', '.join(plan.raters) or 'none'}; expected different names.")
    blinding = review.blind(len(works), len(plan.raters), key=jax.random.key(plan.seed))
    pictures = {code: _plain(work.image) for code, work in zip(blinding.code, works, strict=True)}
    for code, data in pictures.items():
        workdir.write_bytes(root / SHEETS / "images" / f"{code}.png", data)
    width = max(2, len(str(len(plan.raters))))
    for k, (rater, order) in enumerate(zip(plan.raters, blinding.order, strict=True)):
        codes = [blinding.code[i] for i in order]
        stem = root / SHEETS / f"sheet_{k + 1:0{width}d}"
        # The byte-order mark lets spreadsheets recognise UTF-8.
        workdir.write_text(stem.with_suffix(".csv"), "\ufeff" + _sheet(rater, codes, plan.items))
        workdir.write_text(stem.with_suffix(".html"), _page(rater, codes, plan, pictures))
    workdir.write_text(root / KEY / KEY_FILE, "\ufeff" + _key(works, blinding.code))
    workdir.write_json(root / KEY / PLAN_FILE, dataclasses.asdict(plan))
    return blinding


def _sheet(rater: str, codes: Sequence[str], items: Sequence[Item]) -> str:
    rows = [(rater, place, code, *("" for _ in items)) for place, code in enumerate(codes, start=1)]
    return text_of(("rater", "place", "code", *(item.name for item in items)), rows)


def _key(works: Sequence[Work], codes: Sequence[str]) -> str:
    elements = list(dict.fromkeys(name for work in works for name in work.elements))
    axes = list(dict.fromkeys(name for work in works for name in work.axes))
    rows = [
        (
            code,
            work.name,
            work.arm,
            str(work.image),
            *(work.elements.get(name, "") for name in elements),
            *(work.axes.get(name, "") for name in axes),
        )
        for code, work in zip(codes, works, strict=True)
    ]
    return text_of(("code", "work", "arm", "image", *elements, *(AXIS + name for name in axes)), sorted(rows))


def text_of(header: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """Returns the text of a CSV file."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(rows)
    return buffer.getvalue()


def _plain(path: Path) -> bytes:
    """Returns an image as PNG without metadata."""
    try:
        with Image.open(path) as opened:
            image = opened.convert("RGB")
    except (OSError, ValueError, PIL.UnidentifiedImageError) as cause:
        raise errors.DataError(f"{path}: cannot be read as an image ({cause}).") from cause
    largest = max(image.size)
    if largest > _SIDE:
        size = tuple(max(1, round(side * _SIDE / largest)) for side in image.size)
        image = image.resize((size[0], size[1]), Image.Resampling.LANCZOS)
    pixels = Image.fromarray(np.asarray(image))
    buffer = io.BytesIO()
    pixels.save(buffer, "PNG", optimize=True)
    return buffer.getvalue()


def _page(rater: str, codes: Sequence[str], plan: Plan, pictures: dict[str, bytes]) -> str:
    """Returns the printable sheet of a rater as HTML with embedded pictures."""
    low, high = plan.items[0].low, plan.items[0].high
    scored = "each word" if plan.kind == "words" else "each work"
    blocks = []
    for place, code in enumerate(codes, start=1):
        source = base64.b64encode(pictures[code]).decode()
        rows = "".join(_row(item) for item in plan.items)
        blocks.append(
            f'<section><h2><span>{place}</span> {code}</h2><img alt="Work {code}" '
            f'src="data:image/png;base64,{source}"><table>{rows}</table></section>'
        )
    name = html.escape(rater)
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>Sheet of {name}</title><style>{_STYLE}</style></head><body><header><h1>{name}</h1>"
        f"<p>Please mark one number from {low} to {high} for {scored}, in the order of the sheet, and copy it to the "
        "row with the same code in the table that came with this page. Leave a cell empty if you cannot judge. Do not "
        "go back to earlier works.</p>"
        f"</header><main>{''.join(blocks)}</main></body></html>\n"
    )


def _row(item: Item) -> str:
    marks = "".join(f"<td><i>{value}</i></td>" for value in range(item.low, item.high + 1)).replace("-", "\u2212")
    return f"<tr><th>{html.escape(item.left)}</th>{marks}<th>{html.escape(item.right)}</th></tr>"


_STYLE = """
body{font:15px/1.4 system-ui,"Noto Sans CJK SC","PingFang SC","Microsoft YaHei",sans-serif;color:#1c1c1c;margin:0 auto;
max-width:52rem;padding:1rem}
main{display:grid;grid-template-columns:repeat(auto-fill,minmax(23rem,1fr));gap:1rem}
section{break-inside:avoid;border:1px solid #bbb;border-radius:6px;padding:.6rem .8rem}
h1{font-size:1.3rem;margin:0 0 .3rem}h2{font-size:1.05rem;margin:0 0 .4rem;letter-spacing:.06em}
h2 span{color:#666;font-weight:400;margin-right:.6rem}
img{display:block;width:13rem;height:13rem;object-fit:contain;margin:0 auto .5rem;background:#f4f4f2}
table{border-collapse:collapse;width:100%;font-size:.85rem}th{font-weight:400;width:22%}th:first-child{text-align:right}
th:last-child{text-align:left}td{text-align:center;padding:.12rem}
i{font-style:normal;display:inline-block;min-width:1.45em;line-height:1.45em;border:1px solid #888;border-radius:50%}
@media print{body{max-width:none;padding:0}main{grid-template-columns:1fr 1fr}}
"""
