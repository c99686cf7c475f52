"""Cargo's JSON messages: the compiler's remarks as annotations of the checkout's lines.

Owns: which remarks count, at which line of which file; files outside of the checkout are left out.
Leaves to others: getting the JSON (`cargo_messages.py`), bounding what is kept (`reports.py`).
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any, Final

import msgspec

from raibid.model.report import Annotation

LEVELS: Final = ("error", "warning")
_MOST_EXPANSIONS: Final = 32
"""Macros within macros; rustc itself stops at 128 by default."""


_LAST_LINE: Final = 2**31
"""No file has more; many readers of JSON are wrong beyond 2**53."""


class _Code(msgspec.Struct, frozen=True):
    code: str = ""


class _Span(msgspec.Struct, frozen=True):
    file_name: str
    line_start: int
    is_primary: bool = False
    expansion: dict[str, Any] | None = None  #: of a macro: where it was called


class _Diagnostic(msgspec.Struct, frozen=True):
    message: str
    level: str
    code: _Code | None = None
    spans: tuple[_Span, ...] = ()


class _Message(msgspec.Struct, frozen=True):
    reason: str
    manifest_path: str = ""
    message: _Diagnostic | None = None


def read(data: bytes, checkout: Path) -> Iterator[Annotation]:
    """Annotations in the file's order, twice what cargo says twice (a library and its tests are two builds).

    Lines that are none of cargo's are passed over: a step may print between them.
    """
    root = checkout.resolve()
    decode = msgspec.json.Decoder(_Message).decode
    for line in data.splitlines():
        if not line.startswith(b"{"):
            continue
        try:
            message = decode(line)
        except (msgspec.MsgspecError, ValueError, RecursionError):
            continue
        if message.reason == "compiler-message" and message.message and message.message.level in LEVELS:
            yield from _annotations(message.message, message.manifest_path, root)


def _annotations(said: _Diagnostic, manifest: str, root: Path) -> Iterator[Annotation]:
    """One at most: at the first main span that leads into the checkout."""
    for span in said.spans:
        place = _place(span, manifest, root) if span.is_primary else None
        if place:
            file, line = place
            code = said.code.code if said.code else ""
            yield Annotation(file=file, line=line, level=said.level, code=code, message=said.message)
            return


def _place(span: _Span, manifest: str, root: Path) -> tuple[str, int] | None:
    """File and line of a span; of a macro from elsewhere, where the checkout calls it."""
    at: _Span | None = span
    for _ in range(_MOST_EXPANSIONS):
        if at is None:
            return None
        if file := _file(at.file_name, manifest, root):
            return file, min(max(1, at.line_start), _LAST_LINE)
        at = _caller(at)
    return None


def _caller(span: _Span) -> _Span | None:
    try:
        return msgspec.convert((span.expansion or {}).get("span"), _Span | None)
    except msgspec.ValidationError:
        return None


def _file(name: str, manifest: str, root: Path) -> str:
    """The file relative to the checkout, or nothing if it is not there.

    rustc names files from the workspace's root, which need not be the checkout's; it is the crate's folder or above.
    """
    path = PurePosixPath(name)
    if "\0" in name or ".." in path.parts:
        return ""
    for base in _bases(manifest, root):
        try:
            real = (base / path).resolve()
            if real.is_file() and real.is_relative_to(root):
                return real.relative_to(root).as_posix()
        except (OSError, RuntimeError):  # a name that is too long, a loop of links
            return ""
    return ""


def _bases(manifest: str, root: Path) -> Iterator[Path]:
    folder = Path(manifest).parent
    while "\0" not in manifest and folder.is_relative_to(root) and folder != root:
        yield folder
        folder = folder.parent
    yield root
