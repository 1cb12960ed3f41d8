"""Copies `configs/` into the wheel as `ich_jax/_configs`; everything else is in setup.cfg."""

from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py


class BuildWithConfigs(build_py):
    """Builds the package with the configs inside; an editable install reads those of the checkout."""

    def run(self) -> None:
        """Builds, then copies."""
        super().run()
        if self.editable_mode:
            return
        folder = Path(self.build_lib, "ich_jax", "_configs")
        folder.mkdir(parents=True, exist_ok=True)
        for path in sorted(Path("configs").glob("*.py")):
            self.copy_file(str(path), str(folder / path.name))


setup(cmdclass={"build_py": BuildWithConfigs})
