"""How a log ends: in the archive as in Redis, and never so that a part of it looks like all of it."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest
from raibid.api.background import archive_ended
from raibid.ledger import Claim, Ledger
from raibid.local.redis_server import RedisServer
from raibid.model.job import JobStatus
from raibid.model.pod import PodEnding, PodVerdict

from tests.api.conftest import Api, enqueue, write
from tests.api.event_stream import CHUNKS, events, received


def test_an_archived_log_reads_and_resumes_as_it_did_in_redis(api: Api, claim: Claim) -> None:
    write(api.ledger, claim, *CHUNKS, *[b"x" * 9_999 + b"\n"] * 60)
    api.ledger.finish(claim.job.id, claim.token, JobStatus.SUCCESS)
    path = f"/jobs/{claim.job.id}/logs"
    live, text = received(api.reader.get(path)), api.reader.get(f"{path}?format=text").content
    archive_ended(api.parts)
    api.ledger.client.delete(api.ledger.keys.job + claim.job.id, api.ledger.keys.log + claim.job.id)
    archived = received(api.reader.get(path))
    assert archived[:-1] == live[:-1]
    assert (archived[-1].kind, archived[-1].data) == ("end", "success")
    assert api.reader.get(f"{path}?format=text").content == text
    middle = live[30].id
    assert received(api.reader.get(path, headers={"Last-Event-ID": middle}))[:-1] == live[31:-1]


def test_a_reader_sees_how_the_agents_pod_ended_before_the_log_ends(api: Api, claim: Claim) -> None:
    write(api.ledger, claim, b"linking ...")
    ending = PodEnding(pod=claim.job.owner, reason="OOMKilled", exit_code=137)
    api.ledger.pod_ended(ending, PodVerdict.FAIL)
    path = f"/jobs/{claim.job.id}"
    *_, last, end = received(api.reader.get(f"{path}/logs"))
    assert last.data == f"\n{ending.sentence}\n"
    assert (end.kind, end.data) == ("end", "failed")
    assert api.reader.get(f"{path}/why").json()["sentence"] == "failed: OOMKilled (exit code 137)"
    assert api.reader.get(path).json()["pods"][0]["reason"] == "OOMKilled"
    archive_ended(api.parts)
    api.ledger.client.delete(api.ledger.keys.job + claim.job.id, api.ledger.keys.log + claim.job.id)
    assert api.reader.get(path).json()["pods"][0]["reason"] == "OOMKilled"
    assert api.reader.get(f"{path}/why").json()["sentence"] == "failed: OOMKilled (exit code 137)"
    assert api.reader.get(f"{path}/logs?format=text").text == f"linking ...\n{ending.sentence}\n"


def whole(claim: Claim, ledger: Ledger, *chunks: bytes) -> str:
    """A log, ended; its route."""
    write(ledger, claim, *chunks)
    ledger.finish(claim.job.id, claim.token, JobStatus.SUCCESS)
    return f"/jobs/{claim.job.id}/logs"


def test_a_log_that_redis_forgot_before_its_job_is_read_from_the_archive(api: Api, claim: Claim) -> None:
    path = whole(claim, api.ledger, *CHUNKS)
    live = received(api.reader.get(path))
    archive_ended(api.parts)
    api.ledger.client.delete(api.ledger.keys.log + claim.job.id)
    archived = received(api.reader.get(path))
    assert archived[:-1] == live[:-1]
    assert archived[-1].data == "success"
    assert api.reader.get(f"{path}?format=text").content == b"".join(CHUNKS)


@pytest.mark.parametrize("lost", ["everything", "log", "chunks.json", "half"])
def test_a_lost_log_is_503_and_does_not_look_empty(api: Api, claim: Claim, tmp_path: Path, lost: str) -> None:
    path = whole(claim, api.ledger, *CHUNKS)
    if lost != "everything":
        archive_ended(api.parts)
        [file] = tmp_path.glob(f"store/jobs/*/*/*/{claim.job.id}.{'log' if lost == 'half' else lost}")
        os.truncate(file, 20) if lost == "half" else file.unlink()
    api.ledger.client.delete(api.ledger.keys.log + claim.job.id)
    for form in ("sse", "text"):
        assert api.reader.get(f"{path}?format={form}").status_code == 503


def cut(api: Api, path: str, cause: Callable[[], None]) -> list[bytes]:
    """What comes of a log after its first piece, and a cause to cut it."""
    with api.reader.stream("GET", path) as response:
        content = response.iter_bytes()
        next(content)
        cause()
        return list(content)


def test_a_text_that_shutdown_cuts_does_not_look_whole(api: Api, claim: Claim) -> None:
    write(api.ledger, claim, b"one\n")
    with pytest.raises(httpx.RemoteProtocolError):
        cut(api, f"/jobs/{claim.job.id}/logs?format=text&follow=1", api.stop)


@pytest.mark.parametrize("form", ["sse", "text"])
def test_a_log_that_redis_cuts_does_not_look_whole(own: Api, own_redis: RedisServer, form: str) -> None:
    job_id, claim = enqueue(own.ledger), own.ledger.claim("agent")
    assert claim is not None
    write(own.ledger, claim, b"one\n")
    path = f"/jobs/{job_id}/logs?follow=1&format={form}"
    if form == "text":
        with pytest.raises(httpx.RemoteProtocolError):
            cut(own, path, own_redis.kill)
    else:
        assert cut(own, path, own_redis.kill) == []
    assert 'cicd_system_errors_total{component="log_stream"} 1.0' in own.anonymous.get("/metrics").text.splitlines()


@pytest.mark.parametrize("form", ["sse", "text"])
def test_an_archived_log_that_breaks_off_does_not_look_whole(api: Api, claim: Claim, tmp_path: Path, form: str) -> None:
    path = whole(claim, api.ledger, *[b"x" * 9_999 + b"\n"] * 60)
    archive_ended(api.parts)
    api.ledger.client.delete(api.ledger.keys.log + claim.job.id)
    [file] = tmp_path.glob(f"store/jobs/*/*/*/{claim.job.id}.log")
    os.truncate(file, 500_000)
    if form == "text":
        with pytest.raises(httpx.RemoteProtocolError):
            api.reader.get(f"{path}?format=text")
    else:
        assert {event.kind for event in received(api.reader.get(path))} == {"message"}


def test_shutdown_ends_open_streams_without_an_end_event(api: Api, claim: Claim) -> None:
    write(api.ledger, claim, b"one\n")
    with api.reader.stream("GET", f"/jobs/{claim.job.id}/logs") as response:
        stream = events(response.iter_lines())
        assert next(stream).data == "one\n"
        api.stop()
        assert list(stream) == []  # no end: a browser comes back with its last id
