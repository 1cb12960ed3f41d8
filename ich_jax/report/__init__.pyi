from . import benchmark, charts, fonts, glossary, line_charts, page, provenance, sheets, style, tables, text
from .page import Figure, Section
from .provenance import Provenance
from .tables import Table

__all__ = [
    "Figure",
    "Provenance",
    "Section",
    "Table",
    "benchmark",
    "charts",
    "fonts",
    "glossary",
    "line_charts",
    "page",
    "provenance",
    "sheets",
    "style",
    "tables",
    "text",
]
