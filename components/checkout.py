"""The checkout that runs: where it lies, which version it is, which Python has its packages.

Owns: those three, for `__main__.py` and the commands (components are handed them).
Leaves to others: what is done with them.
"""

from __future__ import annotations

import sys
import tomllib
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parent.parent


def version() -> str:
    """The program's version, as pyproject.toml says."""
    return str(tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"])


def interpreter() -> str:
    """The Python that runs this; below the checkout as a relative path, so that two checkouts plan the same command."""
    python = Path(sys.executable)
    return str(python.relative_to(ROOT)) if python.is_relative_to(ROOT) else str(python)
