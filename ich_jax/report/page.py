"""A report page: one HTML file that opens from disk, holds its own pictures and loads nothing.

A page is a title, a sentence, a strip of headline figures and sections. A section holds prose, figures, tables and
quotations from the paper, in the order in which they are read. Everything is escaped; `code` between backticks in
prose is the only markup.
"""

import base64
import dataclasses
import html
import importlib.resources
import re
from collections.abc import Sequence
from pathlib import Path

import jinja2
import markupsafe

from ich_jax import workdir
from ich_jax.report import glossary
from ich_jax.report.provenance import Provenance
from ich_jax.report.style import Picture
from ich_jax.report.tables import Table, to_csv, to_html, to_markdown


@dataclasses.dataclass(frozen=True, slots=True)
class Figure:
    """A picture with everything that a reader needs to judge it.

    Attributes:
        name: Stem of its file.
        title: Subject of the picture.
        picture: The picture.
        caption: Contents, and how to read them.
        samples: Sample size and seeds.
        alt: Alternative text; by default title and caption.
    """

    name: str
    title: str
    picture: Picture
    caption: str
    samples: str
    alt: str = ""


@dataclasses.dataclass(frozen=True, slots=True)
class PaperQuote:
    """A report of the paper, set apart from our own measurements.

    Attributes:
        text: The statement, with its figures.
        source: Place in the paper, for example `section 3.2.1, Figure 4`.
        remark: Questions that the paper leaves open, or its relation to the figures here.
    """

    text: str
    source: str
    remark: str = ""


@dataclasses.dataclass(frozen=True, slots=True)
class Section:
    """A part of a page.

    Attributes:
        title: Its heading, also in the navigation.
        text: Paragraphs before the items.
        items: Figures, tables and quotations in reading order.
        notes: Short remarks after the items.
        simulated: Whether its figures and tables rest on simulated data; each then says so.
        folded: Whether it is closed until the reader opens it.
        facets: `(name, value)` by which readers may filter sections; those without any always stay.
        links: `(text, address)` after the items, for example of the page behind a figure; addresses are relative, so
            that a folder of pages can be moved, or begin with `https://`.
    """

    title: str
    text: tuple[str, ...] = ()
    items: tuple[Figure | Table | PaperQuote, ...] = ()
    notes: tuple[str, ...] = ()
    simulated: bool = False
    folded: bool = False
    facets: tuple[tuple[str, str], ...] = ()
    links: tuple[tuple[str, str], ...] = ()

    def __post_init__(self) -> None:
        for _, address in self.links:
            if re.match(r"/|[a-z][a-z0-9+.-]*:", address) and not address.startswith("https://"):
                raise ValueError(f"Section {self.title!r}: {address!r} is no relative address, nor https.")


@dataclasses.dataclass(frozen=True, slots=True)
class Headline:
    """A figure of the strip at the top.

    Attributes:
        label: Name of the figure.
        value: The figure, formatted.
        detail: Its uncertainty, n or a reference.
    """

    label: str
    value: str
    detail: str = ""


def write(
    path: str | Path,
    *,
    title: str,
    summary: str,
    sections: Sequence[Section],
    provenance: Provenance,
    headlines: Sequence[Headline] = (),
    warnings: Sequence[str] = (),
    simulated: str = "",
) -> Path:
    """Writes a page as one self-contained HTML file.

    Args:
        path: Where to write; replaced whole or not at all.
        title: Heading of the page.
        summary: One or two sentences: the study and its outcome.
        sections: The parts of the page.
        provenance: Command, machine, versions and revision.
        headlines: Figures of the strip at the top.
        warnings: Limits that a reader must know before trusting the figures.
        simulated: The simulated part of the data, shown beside the title; empty if all data are real.

    Returns:
        The path.

    Raises:
        WorkdirError: The file cannot be written.
    """
    workdir.write_text(
        path,
        render(
            title=title,
            summary=summary,
            sections=sections,
            provenance=provenance,
            headlines=headlines,
            warnings=warnings,
            simulated=simulated,
        ),
    )
    return Path(path)


def render(
    *,
    title: str,
    summary: str,
    sections: Sequence[Section],
    provenance: Provenance,
    headlines: Sequence[Headline] = (),
    warnings: Sequence[str] = (),
    simulated: str = "",
) -> str:
    """Returns the HTML of a page; arguments as for `write`."""
    environment = jinja2.Environment(
        autoescape=True, trim_blocks=True, lstrip_blocks=True, undefined=jinja2.StrictUndefined
    )
    environment.filters |= {
        "prose": _prose,
        "data_uri": _data_uri,
        "table": _table,
        "csv_uri": _csv_uri,
        "facets_json": _facets_json,
    }
    templates = importlib.resources.files("ich_jax.report") / "templates"
    template = environment.from_string((templates / "page.html").read_text(encoding="utf-8"))
    return template.render(
        title=title,
        summary=summary,
        anchored=list(zip(_anchors(sections), sections, strict=True)),
        kind=lambda item: type(item).__name__,
        provenance=provenance,
        headlines=headlines,
        warnings=warnings,
        simulated=simulated,
        words=glossary.used([summary, warnings, headlines, sections]),
        facets=_facets(sections),
        filtered=any(item.filters for item in _items(sections) if isinstance(item, Table)),
        js=markupsafe.Markup((templates / "filter.js").read_text(encoding="utf-8")),
        rows_js=markupsafe.Markup((templates / "rows.js").read_text(encoding="utf-8")),
        css=markupsafe.Markup((templates / "page.css").read_text(encoding="utf-8")),
    )


def write_files(folder: str | Path, sections: Sequence[Section]) -> list[Path]:
    """Writes the figures and tables of a page as files beside it.

    Args:
        folder: Receives `NAME.png` or `NAME.svg` for figures, `NAME.csv` and `NAME.md` for tables.
        sections: As given to `write`.

    Returns:
        The files, in the order of the page.

    Raises:
        WorkdirError: A file cannot be written.
        ValueError: Two figures or two tables share a name.
    """
    contents: dict[str, bytes] = {}

    def add(name: str, data: bytes) -> None:
        if name in contents:
            raise ValueError(f"Two items of the page are called {name!r}; give each its own name.")
        contents[name] = data

    for item in _items(sections):
        if isinstance(item, Figure):
            add(f"{item.name}.{item.picture.format}", item.picture.data)
        elif isinstance(item, Table):
            add(f"{item.name}.csv", to_csv(item).encode())
            add(f"{item.name}.md", to_markdown(item).encode())
    for name, data in contents.items():
        workdir.write_bytes(Path(folder) / name, data)
    return [Path(folder) / name for name in contents]


def _items(sections: Sequence[Section]) -> list[Figure | Table | PaperQuote]:
    return [item for section in sections for item in section.items]


def _facets(sections: Sequence[Section]) -> dict[str, list[str]]:
    """Returns the facets of the sections, each with its values in the order of the page."""
    facets: dict[str, list[str]] = {}
    for name, value in (facet for section in sections for facet in section.facets):
        values = facets.setdefault(name, [])
        if value not in values:
            values.append(value)
    return {name: values for name, values in facets.items() if len(values) > 1}


def _anchors(sections: Sequence[Section]) -> list[str]:
    """Returns an id for each section, unique on the page."""
    anchors: list[str] = []
    for section in sections:
        anchor = re.sub(r"[^a-z0-9]+", "-", section.title.lower()).strip("-") or "section"
        anchors.append(anchor if anchor not in anchors else f"{anchor}-{len(anchors)}")
    return anchors


def _prose(text: str) -> markupsafe.Markup:
    """Escapes a paragraph and sets text between backticks as code."""
    return markupsafe.Markup(re.sub(r"`([^`]+)`", r"<code>\1</code>", html.escape(text)))


def _data_uri(picture: Picture) -> str:
    media = {"png": "image/png", "svg": "image/svg+xml"}[picture.format]
    return f"data:{media};base64,{base64.b64encode(picture.data).decode('ascii')}"


def _table(table: Table) -> markupsafe.Markup:
    return markupsafe.Markup(to_html(table))


def _csv_uri(table: Table) -> str:
    return f"data:text/csv;base64,{base64.b64encode(to_csv(table).encode()).decode('ascii')}"


def _facets_json(facets: Sequence[tuple[str, str]]) -> str:
    return workdir.json_text(dict(facets))
