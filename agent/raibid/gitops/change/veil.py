"""A diff of files as it may be shown, and stand in a pull request: without what a Secret says in clear.

Owns: which lines of a file are a Secret's: its document, a generator's literals, what an edit wrote as such.
Leaves to others: the diff (`checkout.py`), that no Secret is added in clear (`raibid.gitops.files`).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping
from typing import Any, Final

from raibid.gitops.files.documents import MANIFESTS, cut
from raibid.gitops.files.sealed import is_encrypted
from raibid.gitops.objects import mappings, text

Read = Callable[[str], str]
"""A file's text on one side of the diff; empty: it is not there."""

_FILE: Final = re.compile(r"^(?=diff --git )", re.MULTILINE)
_HUNK: Final = re.compile(r"^(?=@@ )", re.MULTILINE)
_LINES: Final = re.compile(r"@@ -(\d+)(?:,(\d+))? \+(\d+)(?:,(\d+))? @@")
_PATH: Final = re.compile(r"^(?:---|\+\+\+) (?:[ab]/(?P<path>[^\t\n]+)|/dev/null)\t?$", re.MULTILINE)
_SECRET: Final = re.compile(r"""\bkind["']?\s*:\s*["']?Secret\b""")
_ALL: Final = range(1 << 31)


def veiled(diff: str, old: Read, new: Read, clear: Collection[str] = ()) -> str:
    """A diff as git makes it, with a word in place of each hunk that shows something of a Secret.

    `clear`: files that are a Secret's as a whole, such as those of a secretGenerator.
    """
    return "".join(_of_file(part, old, new, clear) for part in _FILE.split(diff))


def _of_file(part: str, old: Read, new: Read, clear: Collection[str]) -> str:
    head, *hunks = _HUNK.split(part)
    paths = [match["path"] or "" for match in _PATH.finditer(head)]
    if len(paths) == 2:
        before, after = (_lines(read, path, clear) for read, path in zip((old, new), paths, strict=True))
    else:  # git had to quote the name: nobody can say which file it is
        before = after = [_ALL]
    return head + "".join(_of_hunk(hunk, before, after) for hunk in hunks)


def _of_hunk(hunk: str, before: list[range], after: list[range]) -> str:
    place = _LINES.match(hunk)
    if place is None:
        return hunk
    first, many, first_after, many_after = (int(number or 1) for number in place.groups())
    if not (_meet(range(first, first + many), before) or _meet(range(first_after, first_after + many_after), after)):
        return hunk
    return f"{place.group()}\n (a Secret's values: not shown)\n"


def _meet(lines: range, secret: list[range]) -> bool:
    return any(lines.start < one.stop and one.start < lines.stop for one in secret)


def _lines(read: Read, path: str, clear: Collection[str]) -> list[range]:
    """Line numbers of a file that are a Secret's in clear."""
    if path in clear:
        return [_ALL]
    if not path.endswith(MANIFESTS):
        return []
    content = read(path)
    try:
        pieces = cut(content)
    except ValueError:
        return [_ALL] if _SECRET.search(content) else []
    return [
        range(content.count("\n", 0, piece.begin) + 1, content.count("\n", 0, piece.end) + 2)
        for piece in pieces
        if _is_clear(piece.value)
    ]


def _is_clear(value: Any) -> bool:
    """A Secret, a List with one, a kustomization that holds a Secret's values itself."""
    if not isinstance(value, Mapping) or is_encrypted(value):
        return False
    if value.get("kind") == "Secret" or any(_is_clear(item) for item in mappings(value.get("items"))):
        return True
    inline = (text(item.get("patch")) for item in mappings(value.get("patches")))
    generators = mappings(value.get("secretGenerator"))
    return any(item.get("literals") for item in generators) or any(_SECRET.search(patch) for patch in inline)
