"""Masking: the same for every way to cut the stream, and complete."""

from __future__ import annotations

import base64
import json
from itertools import pairwise
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st
from raibid.worker.mask import MASK, Masker, needles

# Few letters, so that needles overlap each other, themselves, and the borders of pieces.
_TEXT = st.binary(max_size=60).map(lambda raw: bytes(b"ab"[byte % 2] for byte in raw))
_NEEDLES = st.lists(st.text("ab", min_size=4, max_size=9).map(str.encode), min_size=1, max_size=4)


def masked(text: bytes, what: list[bytes] | tuple[bytes, ...], cuts: list[int] | None = None) -> bytes:
    masker = Masker(what)
    borders = [0, *sorted(c % (len(text) + 1) for c in cuts or []), len(text)]
    return b"".join(masker.feed(text[a:b]) for a, b in pairwise(borders)) + masker.flush()


def by_definition(text: bytes, what: list[bytes]) -> bytes:
    """Mark every byte of every occurrence; a run is a chain of overlapping occurrences."""
    spans = sorted((i, i + len(n)) for n in what for i in range(len(text)) if text.startswith(n, i))
    out, at, end = b"", 0, 0
    for start, stop in spans:
        if start >= end:
            out += text[at:start] + MASK
        end = max(end, stop)
        at = end
    return out + text[at:]


@given(_TEXT, _NEEDLES, st.lists(st.integers(0, 1000), max_size=8))
def test_any_cut_gives_what_the_definition_says(text: bytes, what: list[bytes], cuts: list[int]) -> None:
    assert masked(text, what, cuts) == by_definition(text, what)


@given(_TEXT, _NEEDLES)
def test_byte_by_byte_gives_what_the_definition_says(text: bytes, what: list[bytes]) -> None:
    assert masked(text, what, list(range(len(text)))) == by_definition(text, what)


@given(_TEXT, _NEEDLES, st.lists(st.integers(0, 1000), max_size=8))
def test_no_needle_survives(text: bytes, what: list[bytes], cuts: list[int]) -> None:
    assert not any(n in masked(text, what, cuts) for n in what)


SECRET = 'pa$$ "w/rd"+é'


@pytest.mark.parametrize(
    "shown",
    [
        SECRET.encode(),
        quote(SECRET, safe="").encode(),
        json.dumps(SECRET).encode(),
        json.dumps(SECRET, ensure_ascii=False).encode(),
        base64.b64encode(SECRET.encode()),
        base64.urlsafe_b64encode(SECRET.encode()),
        *(base64.b64encode(b"x" * n + SECRET.encode() + b"tail") for n in range(3)),
    ],
    ids=["raw", "url", "json", "json-utf8", "base64", "base64url", "inside-0", "inside-1", "inside-2"],
)
def test_a_secret_is_caught_in_every_form(shown: bytes) -> None:
    assert MASK in masked(b"before " + shown + b" after", needles([SECRET]))
    assert SECRET.encode() not in masked(shown, needles([SECRET]))


def test_each_line_of_a_multi_line_secret_is_a_secret() -> None:
    key = "-----BEGIN KEY-----\nMIIEvQIBADAN\n-----END KEY-----"
    assert masked(b"MIIEvQIBADAN\r\n", needles([key])) == b"***\r\n"


def test_short_secrets_are_left_alone() -> None:
    assert needles(["abc", ""]) == ()


def test_only_what_may_become_a_secret_is_held_back() -> None:
    masker = Masker([b"hunter2!"])
    assert masker.feed(b"login: hun") == b"login: "
    assert masker.feed(b"gry") == b"hungry"
