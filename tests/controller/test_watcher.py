"""The watcher: every bad end reaches record, log and `why`, whatever happens to the API server, Redis or itself."""

from __future__ import annotations

import asyncio

import pytest
from raibid.kube.errors import KubeRefusedError, KubeUnavailableError
from raibid.ledger import LedgerUnavailableError
from raibid.model.job import JobStatus

from tests.controller.conftest import Room
from tests.controller.pod_files import pod

AGENT = "ci-agent-7-x"


def ends(room: Room, how: str, *, agent: str = AGENT) -> None:
    room.cluster.put(pod(how, called=agent))


def test_a_pod_that_ends_while_it_is_watched_ends_its_job(room: Room) -> None:
    async def story() -> str:
        job = room.running(AGENT)
        ends(room, "running")
        async with room.controller():
            await room.until(lambda: room.cluster.lists)
            ends(room, "oom-killed")
            await room.until(lambda: room.job(job).status is JobStatus.FAILED)
        return job

    job = asyncio.run(story())
    assert room.job(job).reason.startswith("OOMKilled (exit code 137)")
    assert [ending.reason for ending in room.job(job).pods] == ["OOMKilled"]
    assert "OOMKilled" in room.log(job)
    assert "OOMKilled" in room.ledger.why(job).sentence


def test_a_pod_that_ended_before_the_controller_came_is_told(room: Room) -> None:
    async def story() -> str:
        job = room.running(AGENT)
        ends(room, "deadline-exceeded")
        async with room.controller():
            await room.until(lambda: room.job(job).status is JobStatus.FAILED)
        return job

    assert room.job(asyncio.run(story())).reason.startswith("DeadlineExceeded")


@pytest.mark.parametrize(("how", "attempts_used"), [("evicted-memory-pressure", 0), ("crashed-exit-1", 1)])
def test_a_lost_job_is_queued_at_once_and_a_disruption_costs_no_attempt(
    room: Room, how: str, attempts_used: int
) -> None:
    async def story() -> str:
        job = room.running(AGENT)
        ends(room, how)
        async with room.controller():
            await room.until(lambda: room.job(job).status is JobStatus.QUEUED)
        return job

    assert room.job(asyncio.run(story())).attempt == attempts_used


def test_a_second_controller_and_a_restart_tell_nothing_twice(room: Room) -> None:
    async def story() -> str:
        job = room.running(AGENT)
        ends(room, "crashed-exit-1")
        async with room.controller(), room.controller():
            await room.until(lambda: len(room.said("ended")) == 2)
        async with room.controller():
            await room.until(lambda: len(room.said("ended")) == 3)
        return job

    job = asyncio.run(story())
    assert len(room.job(job).pods) == 1
    assert room.log(job).count("exit code 1") == 1


def test_the_end_of_a_pod_is_told_once_however_often_it_is_listed(room: Room) -> None:
    async def story() -> None:
        room.running(AGENT)
        ends(room, "crashed-exit-1")
        async with room.controller(resync=0.01):
            await room.until(lambda: room.cluster.lists > 5)

    asyncio.run(story())
    assert len(room.said("ended")) == 1


def test_a_pod_that_was_deleted_is_known_by_its_last_state(room: Room) -> None:
    async def story() -> str:
        job = room.running(AGENT)
        ends(room, "running")
        async with room.controller():
            await room.until(lambda: room.cluster.lists)
            room.cluster.remove(AGENT)
            await room.until(lambda: room.job(job).status is JobStatus.QUEUED)
        return job

    assert room.job(asyncio.run(story())).reason.startswith("Deleted")


def test_a_pod_that_vanished_unseen_is_found_missing(room: Room) -> None:
    async def story() -> str:
        job = room.running(AGENT)
        room.falls_silent(job)
        async with room.controller():
            await room.until(lambda: room.job(job).status is JobStatus.QUEUED)
        return job

    assert room.job(asyncio.run(story())).reason.startswith("Gone")


def test_a_controller_of_another_cluster_takes_no_job_from_an_agent_that_is_heard(room: Room) -> None:
    async def story() -> str:
        job = room.running(AGENT)
        room.falls_silent(job, beats=1.0)  # the next beat is due
        async with room.controller(resync=0.01):
            await room.until(lambda: room.cluster.lists > 3)
        return job

    assert room.job(asyncio.run(story())).status is JobStatus.RUNNING


def test_a_pod_that_vanished_between_two_looks_is_known_as_it_was_last(room: Room) -> None:
    async def story() -> str:
        job = room.running(AGENT)
        ends(room, "running")
        async with room.controller(resync=0.05):
            await room.until(lambda: room.cluster.lists)
            room.cluster.remove(AGENT, unseen=True)
            await room.until(lambda: room.job(job).pods)
        return job

    (ending,) = room.job(asyncio.run(story())).pods
    assert (ending.reason, ending.node) == ("Deleted", "dgx-spark")


def test_an_agent_that_is_no_pod_of_the_pool_is_never_missed(room: Room) -> None:
    async def story() -> list[str]:
        jobs = [room.running("local-ab12-1"), room.running("build-host-4711-ab"), room.running("ci-agent-by-hand")]
        room.cluster.put(pod("running", called="ci-agent-by-hand"))
        room.cluster.unlabelled.add("ci-agent-by-hand")
        async with room.controller(resync=0.01):
            await room.until(lambda: room.cluster.lists > 3)
        return jobs

    assert {room.job(job).status for job in asyncio.run(story())} == {JobStatus.RUNNING}


def test_a_job_claimed_between_two_lists_keeps_its_agent(room: Room) -> None:
    async def story() -> str:
        async with room.controller(resync=0.01):
            await room.until(lambda: room.cluster.lists)
            ends(room, "running")  # the pod is there before its agent can claim anything
            job = room.running(AGENT)
            before = room.cluster.lists
            await room.until(lambda: room.cluster.lists > before + 3)
        return job

    assert room.job(asyncio.run(story())).status is JobStatus.RUNNING


def test_a_watch_that_lost_its_place_begins_with_a_list(room: Room) -> None:
    async def story() -> str:
        job = room.running(AGENT)
        ends(room, "running")
        async with room.controller():
            await room.until(lambda: room.cluster.lists)
            room.cluster.forget()
            ends(room, "oom-killed")
            await room.until(lambda: room.job(job).status is JobStatus.FAILED)
        return job

    asyncio.run(story())
    assert "410" in room.said("trouble")[0].message
    assert room.cluster.lists >= 2


def test_an_api_server_that_is_away_is_asked_again_and_said_once(room: Room) -> None:
    async def story() -> None:
        job = room.running(AGENT)
        ends(room, "oom-killed")
        room.cluster.fails += [KubeUnavailableError("list of Pods: ConnectError")] * 2
        async with room.controller(resync=0.2):
            await room.until(lambda: room.job(job).status is JobStatus.FAILED)
            await room.until(lambda: room.said("well"))

    asyncio.run(story())
    assert [event.message for event in room.said("trouble")] == ["list of Pods: ConnectError"]


def test_without_the_right_to_read_events_a_verdict_is_told_all_the_same(room: Room) -> None:
    async def story() -> str:
        job = room.running(AGENT)
        ends(room, "oom-killed")
        ends(room, "crashed-exit-1", agent="ci-agent-8-x")
        room.cluster.events_refused = KubeRefusedError("events: forbidden (403)")
        async with room.controller():
            await room.until(lambda: room.job(job).status is JobStatus.FAILED and len(room.said("ended")) == 2)
            room.cluster.events_refused = None
            ends(room, "crashed-exit-1", agent="ci-agent-9-x")
            await room.until(lambda: room.said("well"))
        return job

    asyncio.run(story())
    assert [event.message for event in room.said("trouble")] == ["events: forbidden (403)"], "said once"


def test_an_end_that_redis_could_not_be_told_is_told_when_it_is_back(
    room: Room, monkeypatch: pytest.MonkeyPatch
) -> None:
    tell = room.ledger.pod_ended
    away = [LedgerUnavailableError("Redis: connection refused")]

    def once_away(*args: object) -> JobStatus | None:
        if away:
            raise away.pop()
        return tell(*args)  # type: ignore[arg-type]

    monkeypatch.setattr(room.ledger, "pod_ended", once_away)

    async def story() -> str:
        job = room.running(AGENT)
        ends(room, "running")
        async with room.controller():
            await room.until(lambda: room.cluster.lists)
            room.cluster.remove(AGENT)  # its last state is now in the controller's memory and nowhere else
            await room.until(lambda: room.job(job).status is JobStatus.QUEUED)
        return job

    assert room.job(asyncio.run(story())).reason.startswith("Deleted")
    assert room.said("trouble")
