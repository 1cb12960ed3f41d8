"""Location of config files: a path of the user, or the name of a config that comes with the package.

`configs/` of a checkout is where they are written; the build copies it into the wheel as `ich_jax/_configs`, so that
`--config=quick` means the same file with and without a checkout.
"""

from pathlib import Path

from ich_jax import errors

_PACKAGE = Path(__file__).resolve().parents[1]
_FOLDERS = (_PACKAGE / "_configs", _PACKAGE.parent / "configs")


def names() -> list[str]:
    """Returns the names of the shipped configs, without their variants."""
    return sorted(path.stem for path in _folder().glob("*.py"))


def locate(config: str | Path) -> str:
    """Returns `path` or `path:variant` of a config.

    Args:
        config: `path`, `path:variant`, `name` or `name:variant`, where the name is that of a shipped config, such as
            `quick:tiny`. An existing path takes precedence.

    Raises:
        ConfigError: There is no such file.
    """
    file, colon, variant = str(config).partition(":")
    path = Path(file)
    if not path.is_file() and path.name == file and not path.suffix:
        path = _folder() / f"{file}.py"
        if not path.is_file():
            raise errors.ConfigError(
                f"No config is called {file!r}; {errors.nearest(file, names())}. A file of your own is named by its "
                "path, such as configs/mine.py."
            )
    if not path.is_file():
        known = sorted(str(p) for p in path.parent.glob("*.py")) if path.parent.is_dir() else []
        raise errors.ConfigError(f"No config file at {file!r}; {errors.nearest(file, known)}.")
    return f"{path}{colon}{variant}"


def _folder() -> Path:
    return next((folder for folder in _FOLDERS if folder.is_dir()), _FOLDERS[0])
