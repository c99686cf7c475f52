"""Tokens for sources, by name: `mirrors.yaml` never holds one.

Owns: where they are read, each time anew because they are rotated.
Leaves to others: who may read the directory (the operator), sending them (`apply.py`, in a body and never in a URL).
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from raibid.contract import Env
from raibid.mirror.errors import MirrorTokenError


@dataclass(frozen=True)
class Tokens:
    """A directory with a file per token."""

    directory: Path | None = None

    def value(self, name: str) -> str:
        """A token; nothing for no name.

        Raises:
            MirrorTokenError: there is no directory, or no such file in it, or nothing in the file.
        """
        if not name:
            return ""
        if self.directory is None:
            raise MirrorTokenError(f"token {name}: {Env.MIRROR_TOKENS_DIR} is not set")
        try:
            value = (self.directory / name).read_text(encoding="utf-8").strip()
        except (OSError, UnicodeError) as error:
            why = error.strerror if isinstance(error, OSError) else "not UTF-8"
            raise MirrorTokenError(f"token {name}: {self.directory / name}: {why}") from None
        if not value or not value.isprintable():
            raise MirrorTokenError(f"token {name}: {self.directory / name}: one line is expected")
        return value
