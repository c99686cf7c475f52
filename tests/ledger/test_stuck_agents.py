"""Agents that cannot start: jobs lose nothing by it, and say why they wait."""

from __future__ import annotations

from raibid.contract import STUCK_SECONDS
from raibid.ledger import Ledger
from raibid.model.job import Job, JobStatus
from raibid.model.pod import PodEnding, PodVerdict

from tests.ledger.conftest import new, put, take
from tests.waiting import until

PULL = {"ci-agent-a": "ImagePullBackOff: no such image"}
NOTE = "agent ci-agent-a cannot start: ImagePullBackOff: no such image"


def record(ledger: Ledger, job_id: str) -> Job:
    job = ledger.records.get(job_id)
    assert job is not None
    return job


def notes(ledger: Ledger, job_id: str) -> list[str]:
    return [c.data.decode() for c in ledger.logs.read(job_id) if c.step == "pod"]


def test_a_queued_job_names_the_agents_that_cannot_start_and_why(ledger: Ledger) -> None:
    (job,) = put(ledger, new())
    assert ledger.pods_stuck(PULL) == 1
    assert record(ledger, job).reason == NOTE
    assert ledger.why(job).sentence == f"next: the first free agent takes it; {NOTE}"
    assert notes(ledger, job) == [f"{NOTE}\n"]


def test_three_agents_are_named_and_the_others_counted(ledger: Ledger) -> None:
    (job,) = put(ledger, new())
    ledger.pods_stuck({f"p{n}": "Unschedulable" for n in range(5)})
    assert ledger.why(job).sentence.endswith("agent p2 cannot start: Unschedulable; and 2 more")


def test_reasons_that_alternate_fill_no_log(ledger: Ledger) -> None:
    (job,) = put(ledger, new())
    told = [ledger.pods_stuck({"p": reason}) for reason in ("ErrImagePull", "ImagePullBackOff") * 3]
    assert (told, len(notes(ledger, job))) == ([1, 0, 0, 0, 0, 0], 1)
    assert record(ledger, job).reason == "agent p cannot start: ImagePullBackOff"


def test_the_note_goes_with_the_trouble_and_the_reason_before_it_is_back(ledger: Ledger) -> None:
    (job,) = put(ledger, new())
    claim = take(ledger)
    ledger.release(job, claim.token, "git server away", refund=False)
    ledger.pods_stuck(PULL)
    assert record(ledger, job).reason == NOTE
    ledger.pods_stuck({})
    assert record(ledger, job).reason == "git server away"
    assert ledger.why(job).stuck == {}


def test_a_job_that_an_agent_has_gets_no_note(ledger: Ledger) -> None:
    running, _ = put(ledger, new(), new())
    take(ledger)
    assert ledger.pods_stuck(PULL) == 1
    assert (notes(ledger, running), record(ledger, running).reason) == ([], "")
    assert "cannot start" not in ledger.why(running).sentence


def test_a_claim_ends_the_note_and_keeps_the_post_mortems(ledger: Ledger) -> None:
    put(ledger, new())
    take(ledger, "a")
    ledger.pod_ended(PodEnding(pod="a", reason="Error"), PodVerdict.LOST)
    ledger.pods_stuck(PULL)
    claim = take(ledger, "b")
    assert (claim.job.reason, [p.pod for p in claim.job.pods]) == ("", ["a"])


def test_a_job_that_ends_while_agents_are_stuck_says_how_it_ended(ledger: Ledger) -> None:
    cancelled, paused = put(ledger, new(), new())
    ledger.pods_stuck(PULL)
    ledger.cancel(cancelled, "ann")
    ledger.pause()
    assert record(ledger, cancelled).reason == "cancelled by ann"
    assert (record(ledger, paused).status, record(ledger, paused).reason) == (JobStatus.WAITING, "paused")


def test_a_note_that_nobody_repeats_goes_from_why_and_from_the_record(ledger: Ledger) -> None:
    (job,) = put(ledger, new())
    ledger.pods_stuck(PULL)
    ledger.told(job, record(ledger, job))
    assert 0 < ledger.client.ttl(ledger.keys.stuck) <= STUCK_SECONDS
    ledger.tick()
    assert record(ledger, job).reason == NOTE
    ledger.client.pexpire(ledger.keys.stuck, 1)
    until(lambda: not ledger.client.exists(ledger.keys.stuck), "the note has expired")
    assert ledger.why(job).sentence == "next: the first free agent takes it"
    ledger.tick()
    assert record(ledger, job).reason == ""
    assert ledger.untold() == [job], "the forge was told the note"


def test_jobs_that_come_later_get_the_note_when_it_is_repeated(ledger: Ledger) -> None:
    put(ledger, new())
    ledger.pods_stuck(PULL)
    (later,) = put(ledger, new())
    assert ledger.pods_stuck(PULL) == 1
    assert record(ledger, later).reason == NOTE
