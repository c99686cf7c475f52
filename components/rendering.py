"""A tree as a directory: written whole or not at all.

Owns: which directories may be replaced (empty ones, and those written here before), writing beside and renaming.
Leaves to others: what is in the tree (`systems`), ciphertext (`sops`), Git (`flux_repo`).
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from components.manifest_tree import Emission

MARKER: Final = ".raibid-render"
"""In every rendered directory: its digest. What has it may be replaced by the next render."""


class RenderError(Exception):
    """The tree cannot be written there. `hint` says what to do."""

    def __init__(self, message: str, hint: str) -> None:
        super().__init__(message)
        self.hint = hint


def write_tree(out: Path, emission: Emission, encrypted: Mapping[str, bytes], *, force: bool = False) -> list[str]:
    """Write the tree to `out`; the paths of Secrets that are missing, because nobody could encrypt them.

    Secrets without new ciphertext keep the one that `out` holds already: that is what a push does too.

    Raises:
        RenderError: `out` holds something that was not written here, or it cannot be written.
    """
    _refuse_what_is_not_ours(out, force=force)
    kept = {path: data for path in emission.secrets if (data := _read(out / path)) is not None}
    sealed = {**kept, **encrypted}
    files = {**emission.seeds, **emission.files, **sealed, MARKER: f"{emission.digest()}\n".encode()}
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        # Beside `out`, so that a rename is all that is left to do; what was there leaves with the scratch directory.
        with tempfile.TemporaryDirectory(prefix=f".{out.name}-", dir=out.parent) as scratch:
            draft, old = Path(scratch) / "new", Path(scratch) / "old"
            _write(draft, files)
            _take_the_place_of(draft, out, old)
    except OSError as error:
        raise RenderError(f"{out}: {error.strerror}", "choose another directory with --out") from error
    return [path for path in emission.secrets if path not in sealed]


def _refuse_what_is_not_ours(out: Path, *, force: bool) -> None:
    if out.is_symlink() or (out.exists() and not out.is_dir()):
        raise RenderError(f"{out} is not a directory", "choose another directory with --out")
    if out.exists() and any(out.iterdir()) and not (out / MARKER).exists() and not force:
        raise RenderError(
            f"{out} is not empty and was not written by render",
            "choose another directory, or replace everything in it with --force",
        )


def _read(file: Path) -> bytes | None:
    try:
        return file.read_bytes()
    except FileNotFoundError:
        return None


def _write(directory: Path, files: Mapping[str, bytes]) -> None:
    for path, data in files.items():
        target = directory / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(data)


def _take_the_place_of(draft: Path, out: Path, old: Path) -> None:
    if not out.exists():
        draft.rename(out)
        return
    out.rename(old)
    try:
        draft.rename(out)
    except OSError:
        old.rename(out)
        raise
