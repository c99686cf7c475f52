"""Following a log: framing, resuming, the end as an exit code."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st
from raibid.cli.client import Client, UnreachableError
from raibid.cli.errors import CliError
from raibid.cli.follow import Event, events, follow
from raibid.contract import ExitCode
from raibid.local.redis_server import free_port

from tests.cli.conftest import FakeApi

Raibid = Callable[..., tuple[int, str, str]]
LOGS = "/jobs/j/logs"


def frame(number: int, text: str) -> bytes:
    return f"id: {number}-0\ndata: {text}\n\n".replace("\n", "\n").encode()


@given(st.text(st.characters(exclude_characters="\r", exclude_categories=["Cs"])))
def test_a_chunk_comes_back_as_it_was_framed(text: str) -> None:
    framed = b"id: 1-0\ndata: %b\n\n" % text.encode().replace(b"\n", b"\ndata: ")
    assert list(events(framed.split(b"\n"))) == [Event("1-0", "message", text)]


def test_an_event_cut_short_is_left_for_the_resumption() -> None:
    assert list(events([b"id: 1-0", b"data: half"])) == []


def test_unknown_fields_are_skipped_and_comments_are_pings() -> None:
    kinds = [e.kind for e in events([b": ping", b"", b"retry: 5", b"data: x", b""])]
    assert kinds == ["ping", "message"]


@pytest.mark.parametrize(
    ("status", "code"),
    [("success", ExitCode.OK), ("failed", ExitCode.FAILED), ("cancelled", ExitCode.CANCELLED), ("dead", ExitCode.DEAD)],
)
def test_logs_f_exits_with_the_jobs_result(status: str, code: int, api: FakeApi, raibid: Raibid) -> None:
    api.on("GET", LOGS, frame(1, "one\ndata: ") + f"id: 2-0\nevent: end\ndata: {status}\n\n".encode())
    got, out, _ = raibid("logs", "-f", "j")
    assert (got, out) == (code, "one\n")


def test_a_lost_connection_is_resumed_where_it_broke(api: FakeApi) -> None:
    api.on("GET", LOGS, frame(1, "a") + b"id: 2-0\ndata: ha", frame(2, "half") + b"event: end\ndata: success\n\n")
    seen: list[str] = []
    follow(Client(api.url, ""), "j", seen.append, lost=lambda _: None)
    assert seen == ["a", "half"]
    assert [r.headers.get("Last-Event-ID") for r in api.requests] == [None, "1-0"]


def test_following_gives_up_when_nobody_answers_for_long() -> None:
    hours = iter(range(100))
    with pytest.raises(UnreachableError):
        follow(
            Client(f"http://127.0.0.1:{free_port()}", ""),
            "j",
            print,
            lost=lambda _: None,
            clock=lambda: next(hours) * 3600,
        )


def test_no_color_takes_the_colours_out_of_a_log_even_where_a_chunk_cuts_one(api: FakeApi, raibid: Raibid) -> None:
    end = b"event: end\ndata: success\n\n"
    api.on("GET", LOGS, frame(1, "\x1b[1mbold\x1b[3") + frame(2, "1m red\x1b[0m [1m") + end)
    assert raibid("logs", "-f", "j")[1] == "bold red [1m"


def test_an_unknown_job_ends_at_once(api: FakeApi) -> None:
    with pytest.raises(CliError) as caught:
        follow(Client(api.url, ""), "nobody", print, lost=lambda _: None)
    assert caught.value.code == ExitCode.NOT_FOUND


def test_a_log_that_is_not_followed_is_printed_as_it_is(api: FakeApi, raibid: Raibid) -> None:
    api.on("GET", LOGS, "a\nb ✓\n".encode())
    assert raibid("logs", "j")[1] == "a\nb ✓\n"
    assert "format=text" in api.requests[0].path
