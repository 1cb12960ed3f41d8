import html.parser
import json
import re
from pathlib import Path

import numpy as np
import pytest

from ich_jax import errors
from ich_jax.report import charts, page, sheets, tables
from ich_jax.report.provenance import Provenance

NASTY = "<script>alert('x')</script> & \"quoted\""
PROVENANCE = Provenance(
    command=f"python train.py --name={NASTY}",
    created="2026-01-02T03:04:05+00:00",
    python="3.12.0",
    versions=(("jax", "0.10.2"),),
    revision="",
    backend="cpu",
    devices="1 x cpu",
    hosts=1,
    cpu="A processor",
    cores=2,
    system="Linux x86_64",
    memory="large pages",
)
SHEET = sheets.sheet({"": np.zeros((1, 1, 8, 8, 3), np.uint8)})
CHART = charts.confusion(np.eye(2), ["a", "b"])


def sections() -> list[page.Section]:
    table = tables.Table("numbers", f"Table {NASTY}", ("a", NASTY), ((1, NASTY),), caption=NASTY, samples="n = 1")
    return [
        page.Section(
            f"First {NASTY}",
            text=(NASTY, "see `code <b>`"),
            items=(
                page.Figure("sheet", NASTY, SHEET, f"caption {NASTY}", "n = 1, seed 0"),
                table,
                page.PaperQuote(f"1.16 {NASTY}", "Figure 4", NASTY),
            ),
            notes=(NASTY,),
            simulated=True,
        ),
        page.Section("Twice", items=(page.Figure("chart", "Chart", CHART, "c", "n = 2", alt=f"alt {NASTY}"),)),
        page.Section("Twice", folded=True),
    ]


def render(**changes: object) -> str:
    arguments: dict = {
        "title": f"Title {NASTY}",
        "summary": NASTY,
        "sections": sections(),
        "provenance": PROVENANCE,
        "headlines": [page.Headline(NASTY, "0.99", NASTY)],
        "warnings": [NASTY],
        "simulated": f"drawn {NASTY}",
    }
    return page.render(**arguments | changes)


class Reader(html.parser.HTMLParser):
    """Collects tags, text and whether every tag is closed."""

    VOID = frozenset({"meta", "img", "br", "link", "input"})

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text: list[str] = []
        self.open: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text.append(data)

    def of(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]


def test_page_is_well_formed_and_loads_nothing() -> None:
    text = render()
    reader = Reader(text)
    assert reader.open == []
    assert not {"script", "link", "iframe", "object", "base"} & {tag for tag, _ in reader.tags}
    references = [
        a[name] for _, a in reader.tags for name in ("src", "href", "srcset", "poster", "action") if name in a
    ]
    assert references
    assert all(re.match(r"data:|#", reference or "") for reference in references)
    assert "@import" not in text
    assert "url(" not in text
    assert not re.search(r"https?://", text)


def test_everything_is_escaped() -> None:
    text = render()
    assert "<script" not in text
    assert "<b>" not in text
    shown = "".join(Reader(text).text)
    assert shown.count("alert('x')") >= 12  # it is still there to read


def test_backticks_become_code() -> None:
    assert "<code>code &lt;b&gt;</code>" in render()


def test_every_figure_stands_with_size_alternative_text_caption_and_samples() -> None:
    reader = Reader(render())
    first, second = reader.of("img")
    assert str(first["src"]).startswith("data:image/png;base64,")
    assert str(second["src"]).startswith("data:image/svg+xml;base64,")
    assert (first["width"], first["height"]) == (str(SHEET.width), str(SHEET.height))
    assert first["alt"] == f"{NASTY}. caption {NASTY}"
    assert second["alt"] == f"alt {NASTY}"
    shown = "".join(reader.text)
    for text in ("n = 1, seed 0", "n = 2", "0.99", "1.16", "Figure 4", "A processor", "jax 0.10.2"):
        assert text in shown


def test_navigation_reaches_every_section_once() -> None:
    reader = Reader(render())
    ids = [a["id"] for _, a in reader.tags if a.get("id")]
    assert len(set(ids)) == len(ids)
    targets = [str(a["href"])[1:] for a in reader.of("a") if str(a.get("href")).startswith("#")]
    assert set(targets) <= set(ids)
    assert [a["id"] for a in reader.of("section")] == targets[1:]


def test_what_is_simulated_says_so_at_each_figure_and_table() -> None:
    text = render()
    assert text.count('class="badge">simulated data<') == 2  # the figure and the table of the first section
    assert text.count('class="badge">simulated<') == 1
    plain = [page.Section("Real", items=(page.Figure("a", "A", CHART, "c", "n = 1"),))]
    assert 'class="badge"' not in render(sections=plain, simulated="")


def test_page_without_anything_optional() -> None:
    reader = Reader(page.render(title="T", summary="S", sections=[], provenance=PROVENANCE))
    assert reader.open == []
    assert not reader.of("img")


def test_write_replaces_the_page_whole(tmp_path: Path) -> None:
    path = tmp_path / "report" / "index.html"
    for title in ("One", "Two"):
        written = page.write(path, title=title, summary="S", sections=sections(), provenance=PROVENANCE)
        assert written == path
    assert "<h1>Two</h1>" in path.read_text(encoding="utf-8")
    assert [p.name for p in path.parent.iterdir()] == ["index.html"]


def test_write_says_what_is_wrong_with_the_path(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(errors.WorkdirError, match="folder is needed"):
        page.write(tmp_path / "file" / "index.html", title="T", summary="S", sections=[], provenance=PROVENANCE)


def test_files_lie_beside_the_page(tmp_path: Path) -> None:
    written = page.write_files(tmp_path, sections())
    assert [p.name for p in written] == ["sheet.png", "numbers.csv", "numbers.md", "chart.svg"]
    assert (tmp_path / "sheet.png").read_bytes() == SHEET.data
    assert (tmp_path / "numbers.csv").read_text(encoding="utf-8") == tables.to_csv(sections()[0].items[1])


def test_files_need_names_of_their_own(tmp_path: Path) -> None:
    figure = page.Figure("same", "A", CHART, "c", "n = 1")
    with pytest.raises(ValueError, match=r"'same\.svg'"):
        page.write_files(tmp_path, [page.Section("S", items=(figure, figure))])
    assert not list(tmp_path.iterdir())


def test_the_footer_explains_the_words_of_the_page_and_no_others() -> None:
    text = render(summary="The plain arm has two shards.")
    footer = text[text.index("<footer>") :]
    assert "<details" in footer and "<dt>arm</dt>" in footer and "<dt>shard</dt>" in footer
    assert "<dt>donor</dt>" not in footer
    assert "<footer>" not in render(summary="")


def test_sections_with_facets_can_be_filtered() -> None:
    def rendered(*values: str) -> str:
        sections = [
            page.Section(value, text=("x",), facets=(("product", value), ("palette", "red"))) for value in values
        ]
        return page.render(title="t", summary="s", sections=sections, provenance=PROVENANCE)

    both = rendered("fan", "book <&'\">")
    assert both.count("<select") == 1 and '<select name="product">' in both  # one palette is nothing to choose from
    facets = re.findall(r'data-facets="([^"]*)"', both)
    assert [json.loads(html.unescape(text))["product"] for text in facets] == ["fan", "book <&'\">"]
    assert "<script" in both
    assert "<script" not in rendered("fan")


def test_rows_of_a_table_can_be_filtered() -> None:
    table = tables.Table("t", "T", ("id", "kind", "text"), ((1, "a", "x"), (2, "b", "y")), filters=("kind",))
    html = page.render(title="t", summary="s", sections=[page.Section("S", items=(table,))], provenance=PROVENANCE)
    assert '<table data-filters="1">' in html and "table[data-filters]" in html
    plain = page.render(title="t", summary="s", sections=sections(), provenance=PROVENANCE)
    assert "data-filters" not in plain
    with pytest.raises(ValueError, match="not all among"):
        tables.Table("t", "T", ("id",), (), filters=("kind",))


def test_sections_link_to_other_pages_by_relative_addresses() -> None:
    linked = page.Section("S", links=(("its page", "../train/report/index.html"), ("source", "https://doi.org/1")))
    html = page.render(title="t", summary="s", sections=[linked], provenance=PROVENANCE)
    assert '<a href="../train/report/index.html">its page</a>' in html
    for address in ("/tmp/page.html", "file:///tmp/page.html", "javascript:alert(1)", "http://a"):
        with pytest.raises(ValueError, match="no relative address"):
            page.Section("S", links=(("x", address),))
