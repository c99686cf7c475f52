"""Patterns that a repository brings, matched in bounded time: the part of Go's regular expressions that names need.

Owns: words with `.`, `.*`, `.+` and `|`.
Leaves to others: what is matched (`selectors.py`, `images.py`, `layers.py`).

Python's `re` goes back and forth: `(a+)+b` of a stranger's patch would never end. Whatever else a pattern holds is
refused, for a guess might edit the wrong file.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from raibid.gitops.errors import NotEditableError

_ANY: Final = object()
"""One character."""
_ALL: Final = object()
"""Any number of characters."""
_LONGEST: Final = 1000
"""Characters of a pattern and of what it is for; a name has 253, a reference of an image little more."""
_TOKEN: Final = re.compile(
    r"(?P<all>\.\*)|(?P<some>\.\+)|(?P<any>\.)|\\(?P<escaped>[^A-Za-z0-9])|(?P<plain>[^\\*+?()\[\]{}^$])"
)
_WHOLE: Final = re.compile(r"\^?(?:\((?:\?:)?(?P<grouped>[^()]*)\)|(?P<bare>[^()]*?))\$?", re.DOTALL)


def fits(pattern: str, text: str) -> bool:
    """Whether a pattern is for the whole of a text.

    Raises:
        NotEditableError: it is none that can be read here.
    """
    if len(text) > _LONGEST:
        return False
    whole = _WHOLE.fullmatch(pattern[: _LONGEST + 1])
    if whole is None or len(pattern) > _LONGEST:
        raise _unread(pattern)
    inner = whole["bare"] if whole["grouped"] is None else whole["grouped"]
    return any(_glob(tokens, text) for tokens in [_read(part) for part in inner.split("|")])


def joined(parts: Sequence[str], text: str) -> bool:
    """Whether a text is these parts in order, with anything between them."""
    first, *between, last = parts
    if len(text) < len(first) + len(last) or not (text.startswith(first) and text.endswith(last)):
        return False
    place, end = len(first), len(text) - len(last)
    for part in between:
        # The leftmost place leaves the most for the rest.
        found = text.find(part, place, end)
        if found < 0:
            return False
        place = found + len(part)
    return True


def _read(pattern: str) -> list[object]:
    tokens, place = list[object](), 0
    while place < len(pattern):
        match = _TOKEN.match(pattern, place)
        if match is None:
            raise _unread(pattern)
        kind = {"all": [_ALL], "some": [_ANY, _ALL], "any": [_ANY]}
        tokens += kind.get(match.lastgroup or "", [match["escaped"] or match["plain"]])
        place = match.end()
    return tokens


def _glob(tokens: Sequence[object], text: str) -> bool:
    """Going back only to the last `.*`: the product of both lengths at most."""
    at, place, star, resume = 0, 0, -1, 0
    while place < len(text):
        if at < len(tokens) and tokens[at] is _ALL:
            star, resume, at = at, place, at + 1
        elif at < len(tokens) and (tokens[at] is _ANY or tokens[at] == text[place]):
            at, place = at + 1, place + 1
        elif star >= 0:
            resume += 1
            at, place = star + 1, resume
        else:
            return False
    return all(token is _ALL for token in tokens[at:])


def _unread(pattern: str) -> NotEditableError:
    return NotEditableError(
        f"a kustomization has the pattern {pattern[:100]!r}; only words with `.`, `.*`, `.+` and `|` are read here",
        "edit the file by hand, or name the objects plainly",
    )
