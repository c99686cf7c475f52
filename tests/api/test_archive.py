"""The archive: exact, findable, and never ahead of what is safely stored."""

from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from raibid.api.archive import Archive
from raibid.api.background import archive_ended
from raibid.api.listing import Filters, archived_page, merged
from raibid.ledger import Ledger, LogChunk, Page
from raibid.model.job import Job, JobStatus
from raibid.model.job_id import created_at, is_job_id, lowest_id, new_job_id
from raibid.model.pod import PodEnding, PodVerdict
from raibid.store import FileStore, StoreError

from tests.api.conftest import Api, enqueue, spec

MOMENT = datetime(2026, 11, 21, 12, 30, tzinfo=UTC)


@pytest.fixture
def archive(tmp_path: Path) -> Archive:
    return Archive(FileStore(tmp_path))


def job(job_id: str, **changes: object) -> Job:
    return Job(id=job_id, spec=spec(), status=JobStatus.SUCCESS, **changes)  # type: ignore[arg-type]


def ended(ledger: Ledger, name: str) -> str:
    job_id = enqueue(ledger, name)
    ledger.cancel(job_id)
    return job_id


def test_a_job_is_kept_under_the_day_in_its_id(archive: Archive, tmp_path: Path) -> None:
    job_id = new_job_id(MOMENT.timestamp())
    archive.put(job(job_id), [LogChunk(id="5-1", data=b"hello\n"), LogChunk(id="5-2", end="success")])
    assert sorted(p.relative_to(tmp_path).as_posix() for p in tmp_path.rglob("*") if p.is_file()) == [
        f"jobs/2026/11/21/{job_id}.{kind}" for kind in ("chunks.json", "json", "log")
    ]
    assert archive.job(job_id) == job(job_id)
    assert archive.job(new_job_id()) is None


@given(st.lists(st.binary(min_size=1), max_size=8), st.integers(0, 9))
def test_a_log_is_read_back_after_any_chunk(
    tmp_path_factory: pytest.TempPathFactory, data: list[bytes], at: int
) -> None:
    archive = Archive(FileStore(tmp_path_factory.mktemp("archive")))
    chunks = [LogChunk(id=f"{i}-{i}", data=piece) for i, piece in enumerate(data, start=1)]
    archive.put(job(new_job_id(MOMENT.timestamp())), chunks)
    [job_id] = archive.ids_of_day(MOMENT)
    assert list(archive.log(job_id, f"{at}-{at}")) == chunks[at:]


@given(st.datetimes(datetime(2000, 1, 1), datetime(2200, 1, 1)))
def test_the_time_of_an_id_is_in_it(moment: datetime) -> None:
    at = moment.replace(tzinfo=UTC, microsecond=0)
    assert created_at(lowest_id(at)) == at
    assert is_job_id(lowest_id(at))


def test_a_store_that_fails_keeps_the_job_for_the_next_round(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    bad, good = ended(api.ledger, "1"), ended(api.ledger, "2")
    put = Archive.put

    def fails(self: Archive, job: Job, chunks: Iterable[LogChunk]) -> None:
        if job.id == bad:
            raise StoreError("disk full")
        put(self, job, chunks)

    with monkeypatch.context() as patch:
        patch.setattr(Archive, "put", fails)
        with pytest.raises(StoreError, match="disk full"):
            archive_ended(api.parts)
    assert api.archive.job(good) is not None
    assert api.ledger.records.unarchived() == [bad]
    assert archive_ended(api.parts) == 1
    assert api.archive.job(bad) is not None


def test_an_unreadable_record_is_kept_as_it_is_and_not_tried_again(api: Api, tmp_path: Path) -> None:
    job_id, claim = enqueue(api.ledger), api.ledger.claim("agent")
    assert claim is not None
    api.ledger.logs.append(job_id, claim.token, b"hello\n")
    api.ledger.finish(job_id, claim.token, JobStatus.SUCCESS)
    api.ledger.client.hset(api.ledger.keys.job + job_id, "status", "of-a-newer-version")
    assert archive_ended(api.parts) == 1
    assert archive_ended(api.parts) == 0
    kept = {p.name.partition(".")[2]: p.read_bytes() for p in tmp_path.glob(f"store/jobs/*/*/*/{job_id}.*")}
    assert kept["log"] == b"hello\n"
    assert json.loads(kept["unread.json"])["status"] == "of-a-newer-version"
    assert claim.token.encode() not in kept["unread.json"]
    assert 'cicd_system_errors_total{component="archiver"} 1.0' in api.anonymous.get("/metrics").text.splitlines()


def test_a_late_post_mortem_is_archived_and_leaves_the_archived_log_as_it_was(api: Api) -> None:
    job_id, claim = enqueue(api.ledger), api.ledger.claim("ci-agent-x")
    assert claim is not None
    api.ledger.logs.append(job_id, claim.token, b"hello\n")
    api.ledger.finish(job_id, claim.token, JobStatus.SUCCESS)
    assert archive_ended(api.parts) == 1
    api.ledger.client.delete(api.ledger.keys.log + job_id)  # expired
    api.ledger.pod_ended(PodEnding(pod="ci-agent-x", reason="OOMKilled"), PodVerdict.FAIL)
    assert archive_ended(api.parts) == 1
    assert archive_ended(api.parts) == 0
    kept = api.archive.job(job_id)
    assert kept is not None
    assert (kept.status, [p.reason for p in kept.pods]) == (JobStatus.SUCCESS, ["OOMKilled"])
    assert [c.data for c in api.archive.log(job_id)] == [b"hello\n"]
    ended_once = 'cicd_pipeline_run_duration_seconds_count{result="success"} 1.0'
    assert ended_once in api.anonymous.get("/metrics").text.splitlines()


def test_a_page_with_filters_stops_at_its_bound_and_goes_on(archive: Archive, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("raibid.api.listing._MOST_READ", 2)
    ids = [new_job_id(MOMENT.timestamp() + i) for i in range(5)]
    for job_id in ids:
        archive.put(job(job_id), [])
    before, found = lowest_id(datetime(2027, 1, 1, tzinfo=UTC)), []
    for _ in range(4):
        page = archived_page(archive, Filters(repo="acme/anvil"), before=before, down_to="", limit=50)
        found += [j.id for j in page.jobs]
        before = page.cursor
        if not before:
            break
    assert found == ids[::-1]


IDS = [lowest_id(datetime(2026, 1, day, tzinfo=UTC)) for day in range(1, 9)]


@given(st.sets(st.sampled_from(IDS)), st.sets(st.sampled_from(IDS)), st.integers(1, 9))
def test_merging_whole_pages_gives_the_newest_once_each(recent: set[str], archived: set[str], limit: int) -> None:
    def page(ids: set[str]) -> Page:
        top = sorted(ids, reverse=True)[:limit]
        return Page([job(i) for i in top], top[-1] if len(ids) > limit else "")

    both = merged(page(recent), page(archived), limit)
    everything = sorted(recent | archived, reverse=True)
    assert [j.id for j in both.jobs] == everything[: len(both.jobs)]
    assert len(both.jobs) == len(everything) if not both.cursor else both.cursor >= everything[len(both.jobs) - 1]
