"""The shell scripts that run on the machine and in the pods of L1: real files, checked by shellcheck.

Owns: their text, as values. Every script honours RAIBID_ROOT, so that a test runs it against a scratch directory.
Leaves to others: when and with what input they run (`k3s`, `gitea`, `postgres`).
"""

from __future__ import annotations

from functools import cache
from importlib.resources import files


@cache
def script(name: str) -> str:
    """The text of `<name>.sh`."""
    return files(__name__).joinpath(f"{name}.sh").read_text(encoding="utf-8")
