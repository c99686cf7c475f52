"""Log streams over real HTTP: exact, resumable, live (how they end: test_log_ends.py)."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from raibid.api.log_stream import sse
from raibid.api.settings import Settings
from raibid.ledger import Claim, Ledger, LogChunk
from raibid.model.job import Job, JobStatus
from raibid.model.job_id import new_job_id

from tests.api.conftest import Api, enqueue, served, write
from tests.api.event_stream import CHUNKS, WHOLE, Event, events, log_of, received
from tests.waiting import until


def test_the_data_of_all_events_joined_is_the_log_exactly(api: Api, claim: Claim) -> None:
    write(api.ledger, claim, *CHUNKS)
    api.ledger.finish(claim.job.id, claim.token, JobStatus.SUCCESS)
    response = api.reader.get(f"/jobs/{claim.job.id}/logs")
    assert response.headers["Content-Type"].startswith("text/event-stream")
    got = received(response)
    assert log_of(got) == WHOLE
    assert (got[-1].kind, got[-1].data) == ("end", "success")
    assert api.reader.get(f"/jobs/{claim.job.id}/logs?format=text").content == b"".join(CHUNKS)


@given(st.lists(st.text(st.characters(exclude_characters="\r", exclude_categories=["Cs"]), min_size=1)))
def test_framing_loses_nothing(chunks: list[str]) -> None:
    wire = b"".join(sse(LogChunk(id=f"1-{i}", data=chunk.encode())) for i, chunk in enumerate(chunks))
    got = list(events(wire.decode().split("\n")))
    assert [event.data for event in got] == chunks
    assert [event.id for event in got] == [f"1-{i}" for i in range(len(chunks))]


@given(st.text(st.sampled_from("a\r\n: "), min_size=1))
def test_a_carriage_return_cannot_break_framing(text: str) -> None:
    wire = sse(LogChunk(id="1-1", data=text.encode())).decode()
    assert "\r" not in wire
    assert [event.data for event in events(wire.split("\n"))] == [text.replace("\r\n", "\n").replace("\r", "\n")]


@pytest.mark.parametrize("by", ["headers", "params"])
def test_a_stream_resumes_after_any_event(api: Api, claim: Claim, by: str) -> None:
    write(api.ledger, claim, *CHUNKS)
    api.ledger.finish(claim.job.id, claim.token, JobStatus.FAILED)
    path = f"/jobs/{claim.job.id}/logs"
    got = received(api.reader.get(path))
    for seen in range(1, len(got) + 1):
        last = got[seen - 1].id
        given = {"headers": {"Last-Event-ID": last}} if by == "headers" else {"params": {"after": last}}
        rest = api.reader.request("GET", path, headers=given.get("headers"), params=given.get("params"))
        assert received(rest)[: len(got) - seen] == got[seen:]
        assert received(rest)[-1].data == "failed"


def test_a_live_stream_shows_chunks_as_they_come(api: Api, claim: Claim) -> None:
    with api.reader.stream("GET", f"/jobs/{claim.job.id}/logs") as response:
        stream = events(response.iter_lines())
        for chunk in (b"one\n", b"two\n"):
            write(api.ledger, claim, chunk)
            assert next(stream).data == chunk.decode()
        api.ledger.finish(claim.job.id, claim.token, JobStatus.SUCCESS)
        assert next(stream) == Event(next_id(api, claim), "end", "success")
        assert list(stream) == []


def next_id(api: Api, claim: Claim) -> str:
    return api.ledger.logs.read(claim.job.id)[-1].id


def test_text_is_what_there_is_now_and_follows_when_asked(api: Api, claim: Claim) -> None:
    write(api.ledger, claim, b"one\n")
    path = f"/jobs/{claim.job.id}/logs?format=text"
    assert api.reader.get(path).text == "one\n"
    with api.reader.stream("GET", f"{path}&follow=1") as response:
        text = response.iter_text()
        assert next(text) == "one\n"
        api.ledger.finish(claim.job.id, claim.token, JobStatus.SUCCESS)
        assert "".join(text) == ""


def test_a_quiet_stream_pings(make_settings: Callable[..., Settings], ledger: Ledger, claim: Claim) -> None:
    path = f"/jobs/{claim.job.id}/logs"
    with served(make_settings(ping_seconds=0.05), ledger) as api, api.reader.stream("GET", path) as response:
        lines = response.iter_lines()
        assert [next(lines), next(lines), next(lines)] == [": ping", "", ": ping"]


def test_a_cancelled_job_ends_its_stream_though_it_never_wrote(api: Api) -> None:
    job_id = enqueue(api.ledger)
    api.ledger.cancel(job_id)
    assert [(e.kind, e.data) for e in received(api.reader.get(f"/jobs/{job_id}/logs"))] == [("end", "cancelled")]


def test_a_stream_ends_when_the_job_did_though_its_empty_log_is_gone(api: Api, claim: Claim) -> None:
    api.ledger.finish(claim.job.id, claim.token, JobStatus.SUCCESS)
    api.ledger.client.delete(api.ledger.keys.log + claim.job.id)
    assert [e.data for e in received(api.reader.get(f"/jobs/{claim.job.id}/logs"))] == ["success"]


def test_head_on_a_live_log_does_not_wait_for_its_end(api: Api, claim: Claim) -> None:
    answer = api.reader.head(f"/jobs/{claim.job.id}/logs")
    assert (answer.status_code, answer.content) == (200, b"")
    assert answer.headers["Content-Type"].startswith("text/event-stream")


@pytest.mark.parametrize("query", ["after=x", "after=1-1-1", "format=html", "after=" + "9" * 40])
def test_a_wrong_parameter_is_400(api: Api, claim: Claim, query: str) -> None:
    assert api.reader.get(f"/jobs/{claim.job.id}/logs?{query}").status_code == 400


def test_one_stream_too_many_is_503_and_a_closed_one_makes_room(
    make_settings: Callable[..., Settings], ledger: Ledger, claim: Claim
) -> None:
    write(ledger, claim, b"one\n")
    path, archived = f"/jobs/{claim.job.id}/logs", new_job_id()
    with served(make_settings(most_streams=1), ledger) as api:
        api.archive.put(Job(id=archived, spec=claim.job.spec, status=JobStatus.SUCCESS), [])
        with api.writer.stream("GET", path) as response:
            content = response.iter_bytes()  # kept: collecting it would close the stream
            next(content)
            assert api.reader.get(path).status_code == 503
            assert api.reader.get(f"/jobs/{archived}/logs").status_code == 503
        ledger.finish(claim.job.id, claim.token, JobStatus.SUCCESS)
        until(lambda: api.reader.get(path).status_code == 200)


def test_ten_viewers_see_the_same_log(api: Api, claim: Claim) -> None:
    started = threading.Barrier(11)

    def view() -> str:
        with httpx.Client(base_url=api.url, headers=api.reader.headers, timeout=30) as client:
            started.wait()
            return log_of(received(client.get(f"/jobs/{claim.job.id}/logs")))

    with ThreadPoolExecutor(10) as viewers:
        views = [viewers.submit(view) for _ in range(10)]
        started.wait()
        lines = [f"line {i}\n".encode() for i in range(200)]
        write(api.ledger, claim, *lines)
        api.ledger.finish(claim.job.id, claim.token, JobStatus.SUCCESS)
        assert {view.result() for view in views} == {b"".join(lines).decode()}


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(chunks=st.lists(st.binary(min_size=1, max_size=50)))
def test_any_bytes_in_the_ledger_are_served_as_text(api: Api, chunks: list[bytes]) -> None:
    job_id = enqueue(api.ledger)
    key = api.ledger.keys.log + job_id
    api.ledger.client.delete(key)
    for chunk in chunks:
        api.ledger.client.xadd(key, {"d": chunk})
    api.ledger.client.xadd(key, {"end": "success"})
    assert api.reader.get(f"/jobs/{job_id}/logs?format=text").content == b"".join(chunks)
    assert api.reader.get(f"/jobs/{job_id}/logs").content.endswith(b"event: end\ndata: success\n\n")
