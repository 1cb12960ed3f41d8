"""Puts `experiments/` where Python puts it when one of them is run: first on the path."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "experiments"))
