"""Headers of strangers: limits, links, redirects, and the memory of answers; whatever they say."""

from __future__ import annotations

from urllib.parse import urlsplit

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from raibid.forge.answers import Answer, AnswerMemory
from raibid.forge.credentials import place_of
from raibid.forge.errors import ForgeAnswerError, ForgeError, ForgeLimitError
from raibid.forge.links import next_page, redirected
from raibid.forge.rate import RateGate, pause_asked
from raibid.forge.refusals import refusal

HERE = "https://git.example.test/api/v1/repos/acme/anvil/branches?limit=2"
_TEXT = st.text(st.characters(codec="utf-8"), max_size=80)
_URLS = st.one_of(
    _TEXT,
    st.builds(
        "{}://{}{}/{}".format,
        st.sampled_from(["https", "http", "file", ""]),
        st.sampled_from(["git.example.test", "git.example.test@evil.example.test", "evil.example.test", "[", ""]),
        st.sampled_from(["", ":443", ":1", ":x"]),
        _TEXT,
    ),
)


def test_the_next_page_is_followed_at_the_same_place() -> None:
    link = '<https://git.example.test:443/x?page=3>; rel="next", <https://git.example.test/x?page=9>; rel="last"'
    assert next_page(HERE, link) == "https://git.example.test:443/x?page=3"


def test_a_forge_that_calls_itself_by_another_address_is_asked_at_ours() -> None:
    link = '<http://public.example.test/api/v1/repos/acme/anvil/branches?limit=2&page=2>; rel="next"'
    assert next_page(HERE, link) == HERE.replace("limit=2", "limit=2&page=2")


@pytest.mark.parametrize("root", ["https://ci.example.test/gitea", "https://ci.example.test"])
def test_a_forge_behind_a_path_of_its_own_is_asked_at_ours(root: str) -> None:
    for asked in ("http://gitea:3000/api/v1/repos/a/b/branches", "http://gitea:3000/gitea/api/v1/repos/a/b/branches"):
        link = f'<{root}/api/v1/repos/a/b/branches?page=2>; rel="next"'
        assert next_page(asked, link) == f"{asked}?page=2"


@given(_URLS)
def test_no_link_leads_to_another_place(url: str) -> None:
    try:
        following = next_page(HERE, f'<{url}>; rel="next"')
    except ForgeAnswerError:
        return
    assert not following or place_of(urlsplit(following)) == place_of(urlsplit(HERE))


@given(_URLS)
def test_no_redirect_leads_to_another_place(url: str) -> None:
    onward = redirected(HERE, url)
    assert not onward or place_of(urlsplit(onward)) == place_of(urlsplit(HERE))


@given(
    st.integers(100, 599),
    st.dictionaries(
        st.sampled_from(
            ["Retry-After", "X-RateLimit-Remaining", "X-RateLimit-Reset", "X-RateLimit-Limit", "Date", "Location"]
        ),
        _TEXT,
    ),
    st.binary(max_size=200),
)
@example(301, {"Location": "http://["}, b"")
@example(503, {"Retry-After": "9" * 400}, b"")
@example(403, {"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": "9" * 400}, b"")  # fmt: skip
def test_every_refusal_is_an_error_of_ours(status: int, headers: dict[str, str], content: bytes) -> None:
    error = refusal("GET https://git.example.test/x", status, headers, content)
    assert isinstance(error, ForgeError)
    assert len(str(error)) < 1_000
    assert getattr(error, "retry_after", 0.0) <= 86_400.0


@given(st.dictionaries(st.sampled_from(["X-RateLimit-Remaining", "X-RateLimit-Reset", "X-RateLimit-Limit", "Date"]),
       st.one_of(_TEXT, st.integers(0, 10**30).map(str))))  # fmt: skip
def test_whatever_is_said_of_the_limit_the_gate_opens_again_within_a_day(headers: dict[str, str]) -> None:
    now = [0.0]
    gate = RateGate(lambda: now[0])
    gate.note(headers)
    now[0] = 86_401.0
    gate.check("GET /x")


def test_the_forges_own_clock_counts() -> None:
    headers = {"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": "784111837", "Date": "Sun, 06 Nov 1994 08:49:37 GMT"}
    assert pause_asked(403, headers, "") == 60.0


@pytest.mark.parametrize(
    ("status", "headers", "words", "pause"),
    [
        (403, {}, "You have exceeded a secondary rate limit", 60.0),
        (429, {"Retry-After": "7"}, "", 7.0),
        (403, {"Retry-After": "7"}, "", 7.0),
        (429, {}, "", 60.0),
        (403, {"X-RateLimit-Remaining": "12"}, "Resource not accessible", None),
        (503, {"Retry-After": "7"}, "", None),  # away, and not because of us
    ],
)
def test_a_pause_is_told_from_a_refusal(status: int, headers: dict[str, str], words: str, pause: float | None) -> None:
    assert pause_asked(status, headers, words) == pause


def test_a_gate_that_closed_for_long_is_not_opened_by_a_shorter_pause() -> None:
    now = [0.0]
    gate = RateGate(lambda: now[0])
    gate.close(100.0, "long")
    gate.close(1.0, "short")
    now[0] = 99.0
    with pytest.raises(ForgeLimitError, match="long"):
        gate.check("GET /x")


def test_one_answer_that_is_too_large_to_keep_costs_no_other() -> None:
    memory = AnswerMemory(most=10, most_bytes=100)
    for n in range(5):
        memory.keep(n, Answer("", b"x" * 10, etag="e"))
    memory.keep("large", Answer("", b"x" * 101, etag="e"))
    assert len(memory) == 5


@given(st.lists(st.tuples(st.sampled_from("abcdef"), st.integers(0, 70), st.booleans())))
def test_the_memory_stays_within_its_bounds_and_forgets_what_has_no_etag(kept: list[tuple[str, int, bool]]) -> None:
    memory = AnswerMemory(most=3, most_bytes=60)
    for url, size, tagged in kept:
        memory.keep(url, Answer(url, b"x" * size, etag="e" if tagged else ""))
        assert (memory.get(url) is not None) == (tagged and size <= 60)
    there = [found for url in "abcdef" if (found := memory.get(url))]
    assert len(memory) == len(there) <= 3
    assert sum(len(one.content) for one in there) <= 60
