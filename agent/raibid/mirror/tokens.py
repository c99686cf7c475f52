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
        return self._read(self._file(name)) if name else ""

    def file(self, name: str) -> Path | None:
        """The file of a token that is in order, for git to read; None for no name. Raises as `value`."""
        if not name:
            return None
        self._read(file := self._file(name))
        return file

    def _file(self, name: str) -> Path:
        if self.directory is None:
            raise MirrorTokenError(f"token {name}: {Env.MIRROR_TOKENS_DIR} is not set")
        return self.directory / name

    @staticmethod
    def _read(file: Path) -> str:
        try:
            value = file.read_text(encoding="utf-8").strip()
        except (OSError, UnicodeError) as error:
            why = error.strerror if isinstance(error, OSError) else "not UTF-8"
            raise MirrorTokenError(f"token {file.name}: {file}: {why}") from None
        if not value or not value.isprintable() or " " in value:
            raise MirrorTokenError(f"token {file.name}: {file}: one line without blanks is expected")
        return value
