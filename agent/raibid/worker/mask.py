"""Secrets out of a stream of bytes, exactly, however it is cut.

Owns: the forms a secret may take (needles) and their replacement by `***`.
Leaves to others: which secrets there are (`environment.py`), what else is wrong with the bytes (`text.py`).

Not caught, and documented so: a secret wrapped over lines, encrypted, compressed, reversed or printed in pieces.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable, Iterator
from typing import Final
from urllib.parse import quote, quote_plus

MASK: Final = b"***"
SHORTEST: Final = 4
"""Shorter secrets stay: masking `a` or `42` everywhere would tell more than it hides."""


def needles(secrets: Iterable[str]) -> tuple[bytes, ...]:
    """Every form of the secrets to look for, longest first.

    Raw, URL-escaped, JSON-escaped and base64 (both alphabets, at all three alignments, so that a secret inside a
    longer text is found in the encoding of the whole). Of a secret of several lines also each line.
    """
    found: set[bytes] = set()
    for secret in secrets:
        for part in (secret, *(line.strip() for line in secret.splitlines())):
            if len(part) >= SHORTEST:
                found.update(_forms(part))
    return tuple(sorted((n for n in found if len(n) >= SHORTEST), key=lambda n: (-len(n), n)))


def _forms(text: str) -> Iterator[bytes]:
    raw = text.encode("utf-8", "surrogateescape")
    yield raw
    yield quote(raw, safe="").encode()
    yield quote(raw).encode()
    yield quote_plus(raw).encode()
    for ascii_only in (True, False):
        yield json.dumps(text, ensure_ascii=ascii_only)[1:-1].encode("utf-8", "surrogateescape")
    for alignment in range(3):
        encoded = base64.b64encode(b"\0" * alignment + raw)
        # Only characters made of the secret's bits alone: neighbours decide over the others.
        inner = encoded[-(-alignment * 8 // 6) : (alignment + len(raw)) * 8 // 6]
        yield inner
        yield inner.translate(bytes.maketrans(b"+/", b"-_"))


class Masker:
    """Replaces each run of overlapping needles by one `***`; `feed` pieces of any size, then `flush`.

    Holds back only what may still become a needle: the longest end that is the beginning of one.
    """

    def __init__(self, needles: Iterable[bytes]) -> None:
        self._needles = tuple(needles)
        self._carry = b""
        self._covered = 0  # bytes of the carry that belong to a run whose *** is out already

    def feed(self, data: bytes) -> bytes:
        """What can be shown by now."""
        if not self._needles:
            return data
        text = self._carry + data
        return self._emit(text, self._held_from(text))

    def flush(self) -> bytes:
        """The rest, at the end of the stream."""
        return self._emit(self._carry, len(self._carry))

    def _emit(self, text: bytes, until: int) -> bytes:
        if not until:
            self._carry = text
            return b""
        out: list[bytes] = []
        shown, covered = 0, 0
        for start, end in self._runs(text):
            if start >= until:
                break
            out.append(text[shown:start])
            if start > 0 or not self._covered:
                out.append(MASK)
            shown = min(end, until)
            covered = max(0, end - until)
        out.append(text[shown:until])
        self._carry, self._covered = text[until:], covered
        return b"".join(out)

    def _runs(self, text: bytes) -> list[tuple[int, int]]:
        """Unions of overlapping needles in order; the first may be the rest of one that began earlier."""
        spans = [(0, self._covered)] if self._covered else []
        for needle in self._needles:
            at = text.find(needle)
            while at >= 0:
                spans.append((at, at + len(needle)))
                at = text.find(needle, at + 1)
        runs: list[tuple[int, int]] = []
        for start, end in sorted(spans):
            if runs and start < runs[-1][1]:
                runs[-1] = (runs[-1][0], max(end, runs[-1][1]))
            else:
                runs.append((start, end))
        return runs

    def _held_from(self, text: bytes) -> int:
        """Where the longest end begins that is a proper beginning of a needle."""
        return min((_beginning(text, needle) for needle in self._needles), default=len(text))


def _beginning(text: bytes, needle: bytes) -> int:
    """The first place from which `text` ends as `needle` begins, but not all of it; else the text's length."""
    at = max(0, len(text) - len(needle) + 1)
    probe = needle[:SHORTEST]
    # `find` walks at memory speed to candidates; the last three bytes are too short for the probe.
    while (at := text.find(probe, at)) >= 0:
        if needle.startswith(text[at:]):
            return at
        at += 1
    tail = max(0, len(text) - SHORTEST + 1, len(text) - len(needle) + 1)
    return next((i for i in range(tail, len(text)) if needle.startswith(text[i:])), len(text))
