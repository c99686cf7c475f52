"""Log text: valid UTF-8 whatever a process writes, in bounded memory."""

from __future__ import annotations

import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st
from raibid.worker.text import TextCleaner, excerpt, visible


def cleaned(*pieces: bytes) -> str:
    cleaner = TextCleaner()
    return (b"".join(cleaner.feed(piece) for piece in pieces) + cleaner.flush()).decode()


@pytest.mark.parametrize(
    ("raw", "shown"),
    [
        (b"plain\n", "plain\n"),
        (b"dos\r\n", "dos\n"),
        (b"dos\r\r\n", "dos\n"),
        (b"10%\r50%\r100%\ndone\n", "100%\ndone\n"),
        (b"100%\r", "100%"),
        (b"a\0b\x07c\n", "a\ufffdb\ufffdc\n"),
        (b"\x1b[31mred\x1b[0m\ttab\n", "\x1b[31mred\x1b[0m\ttab\n"),
        (b"\xff\xfe\n", "\ufffd\ufffd\n"),
        ("é".encode()[:1], "\ufffd"),
        (b"\xed\xa0\x80", "\ufffd\ufffd\ufffd"),
        ("\x9b31m".encode(), "\ufffd31m"),
    ],
    ids=[
        "plain", "dos-line-end", "dos-line-end-twice", "progress-bar", "progress-bar-cut-off", "controls",
        "colours-and-tabs", "binary", "half-a-character", "lone-surrogate", "c1-escape",
    ],
)  # fmt: skip
def test_what_becomes_of(raw: bytes, shown: str) -> None:
    assert cleaned(raw) == shown


@given(st.lists(st.sampled_from([b"a", b"\r", b"\n", b"\xff", "é".encode(), b"\xc3", b"\0"]), max_size=40))
def test_any_cut_gives_the_same_text(pieces: list[bytes]) -> None:
    assert cleaned(*pieces) == cleaned(b"".join(pieces))


@given(st.binary(max_size=500))
def test_nothing_but_text_comes_out(raw: bytes) -> None:
    assert not set(cleaned(raw)) & set(map(chr, [*range(9), *range(11, 27), *range(28, 32), *range(127, 160)]))


def test_a_long_line_passes_in_bounded_memory() -> None:
    cleaner, size = TextCleaner(), 0
    piece = b"x" * 65536
    tracemalloc.start()
    for _ in range(1600):  # 100 MiB
        size += len(cleaner.feed(piece))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert size + len(cleaner.flush()) == 1600 * 65536
    assert peak < 2_000_000


@given(st.lists(st.sampled_from([b"a", b"\n", b"\xff", "é".encode(), b"\xc3", b"\0"]), max_size=40))
def test_showing_unfinished_lines_changes_no_text(pieces: list[bytes]) -> None:
    cleaner = TextCleaner()
    shown = b"".join(cleaner.feed(piece) + cleaner.unfinished() for piece in pieces) + cleaner.flush()
    assert shown.decode() == cleaned(*pieces)


def test_a_progress_bar_is_not_shown_before_its_end() -> None:
    cleaner = TextCleaner()
    for state in (b"\r10%", b"\r50%", b"\r"):
        assert cleaner.feed(state) + cleaner.unfinished() == b""
    assert cleaner.feed(b"100%\nnext? ") == b"100%\n"
    assert cleaner.unfinished() == b"next? "
    assert cleaner.feed(b"\ryes\n") == b"\nyes\n"


def test_in_a_long_line_an_overwrite_starts_a_new_line() -> None:
    assert cleaned(b"x" * 5000, b"\rnew\n") == "x" * 5000 + "\nnew\n"


def test_a_text_for_a_record_has_no_colours_and_nothing_unseen() -> None:
    coloured = "\x1b[1;31mred\x1b[0m \x1b]8;;https://evil.example\x07link\x1b]8;;\x07 \x1b(B\x1b"
    assert visible(coloured) == "red link (B"
    assert visible("a\u202eb\x00c\u200bd\x85e") == "a\ufffdb\ufffdc\ufffdd\ufffde"


def test_an_excerpt_says_that_it_is_one() -> None:
    assert excerpt("a b\n c", 10) == "a b c"
    assert excerpt("a b\n c", 10, lines=True) == "a b\n c"
    assert excerpt("x" * 11, 10) == "x" * 9 + "…"
