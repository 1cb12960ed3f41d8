"""Writes docs/api.md: the public names of every room, as its `__all__` lists them, with a line about each.

python scripts/make_api.py
"""

import importlib
import inspect
import types
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "api.md"
_HEAD = """# Public names

Written by `python scripts/make_api.py` from the list of each package (`__all__`); a test checks that it is complete.
Each name is imported from the package under which it stands, and explained by `help()`.
"""


def packages() -> Iterator[str]:
    """Yields the dotted names of the packages that list public names, the top first."""
    for init in sorted((ROOT / "ich_jax").rglob("__init__.py"), key=lambda path: path.parent.parts):
        if "__all__" in init.read_text(encoding="utf-8"):
            yield ".".join(init.parent.relative_to(ROOT).parts)


def page() -> str:
    """Returns the text of docs/api.md."""
    parts = [_HEAD]
    for name in packages():
        package = importlib.import_module(name)
        parts += [f"\n## {name}\n", f"{_line(package)}\n", "| name | description |\n|---|---|"]
        parts += [f"| `{public}` | {_line(getattr(package, public))} |" for public in sorted(package.__all__)]
    return "\n".join(parts) + "\n"


def _line(value: object) -> str:
    """Returns the first line of the docstring; of a constant its value."""
    if not isinstance(value, types.ModuleType) and not callable(value):
        return f"`{value!r}`".replace("|", "\\|")
    text = (inspect.getdoc(value) or "").partition("\n\n")[0]
    return " ".join(text.split()).replace("|", "\\|")


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
    print(f"Wrote {PAGE.relative_to(ROOT)}.")
