"""Direct mode at work: the queue becomes Jobs at once, never more than max, whatever dies in between."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from datetime import datetime

import pytest
from raibid.controller.creating import Creator
from raibid.controller.job_creator import POD_START_SECONDS
from raibid.kube.errors import KubeConflictError, KubeRefusedError, KubeUnavailableError
from raibid.scaler.backoff import LONGEST_PAUSE, QUICK_SECONDS

from tests.controller.conftest import Room
from tests.controller.fake_cluster import cron_job


def parsed(moment: str) -> float:
    return datetime.fromisoformat(moment).timestamp()


async def work_off(room: Room, total: int) -> None:
    """Agents: each takes one job, and its Job ends; as long as the ledger has any."""
    done = 0
    while done < total:
        names = await room.until(lambda: room.cluster.unfinished)
        claim = room.ledger.claim(names[0] + "-pod")
        if claim:
            room.ledger.cancel(claim.job.id)
            room.ledger.release(claim.job.id, claim.token, "done", refund=True)
            done += 1
        room.cluster.end_job(names[0])
        await asyncio.sleep(0)


def test_twenty_jobs_at_once_become_twenty_jobs_and_never_more_than_seven(room: Room) -> None:
    async def story() -> None:
        room.cluster.cron_job = cron_job(most="7")
        async with room.controller(direct=True):
            await room.until(lambda: room.said("started"))
            room.enqueue(20)
            await room.until(lambda: len(room.cluster.unfinished) == 7)
            await work_off(room, 20)
            await room.until(lambda: not room.cluster.unfinished)

    asyncio.run(story())
    assert room.cluster.most_unfinished == 7
    assert len(room.said("created")) == 20


def test_three_controllers_at_once_create_no_job_too_many(room: Room) -> None:
    async def story() -> None:
        room.cluster.cron_job = cron_job(most="7")
        async with AsyncExitStack() as stack:
            for _ in range(3):
                await stack.enter_async_context(room.controller(direct=True))
            room.enqueue(20)
            await work_off(room, 20)
            await room.until(lambda: not room.cluster.unfinished)

    asyncio.run(story())
    assert room.cluster.most_unfinished == 7
    assert len(room.said("created")) == 20


def test_a_controller_that_comes_anew_counts_the_jobs_of_the_last_one(room: Room) -> None:
    async def story() -> None:
        room.cluster.cron_job = cron_job(most="7")
        room.enqueue(3)
        async with room.controller(direct=True):
            await room.until(lambda: len(room.cluster.unfinished) == 3)
        room.enqueue(2)
        async with room.controller(direct=True):
            await room.until(lambda: len(room.cluster.unfinished) == 5)

    asyncio.run(story())
    assert room.cluster.most_unfinished == 5


def test_an_api_server_that_breaks_off_costs_time_and_nothing_else(room: Room) -> None:
    async def story() -> None:
        room.cluster.cron_job = cron_job(most="7")
        room.cluster.fails += [KubeUnavailableError(f"broken {i}") for i in range(4)]
        room.enqueue(7)
        async with room.controller(direct=True):
            await room.until(lambda: len(room.cluster.unfinished) == 7)

    asyncio.run(story())
    assert room.cluster.most_unfinished == 7


def test_without_a_template_it_says_so_and_goes_on_when_there_is_one(room: Room) -> None:
    async def story() -> None:
        room.enqueue()
        async with room.controller(direct=True):
            await room.until(lambda: room.said("trouble"))
            room.cluster.cron_job = cron_job()
            await room.until(lambda: room.cluster.unfinished)

    asyncio.run(story())
    assert "CronJob ci-agent" in room.said("trouble")[0].message


def test_finished_jobs_above_the_history_are_deleted(room: Room) -> None:
    async def story() -> None:
        room.cluster.cron_job = cron_job(successfulJobsHistoryLimit=2)
        for number in range(1, 6):
            room.cluster.end_job(f"ci-agent-{number}")
        async with room.controller(direct=True):
            await room.until(lambda: len(room.cluster.job_objects) == 2)

    asyncio.run(story())
    assert set(room.cluster.job_objects) == {"ci-agent-4", "ci-agent-5"}


def test_agents_that_die_at_once_are_probed_by_one_and_started_when_it_lives(room: Room) -> None:
    clock = [parsed("2026-11-21T15:00:03Z")]
    creator = Creator(room.cluster, room.ledger, room.events.append, resync=0.01, clock=lambda: clock[0])

    async def rounds_pass() -> None:
        for _ in range(3):
            await creator.round()

    async def story() -> None:
        room.cluster.cron_job = cron_job(most="7")
        for number in range(1, 6):
            room.cluster.end_job(f"ci-agent-{number}", failed=True, ended="2026-11-21T15:00:02Z")
        room.enqueue(7)
        await rounds_pass()
        assert room.said("back-off")
        assert not room.cluster.unfinished, "not within the pause"
        clock[0] += LONGEST_PAUSE
        await rounds_pass()
        assert room.cluster.unfinished == ["ci-agent-6"], "one probe after it, and no other beside it"
        room.cluster.start_job("ci-agent-6", started="2026-11-21T15:01:03Z")
        await rounds_pass()
        assert len(room.cluster.unfinished) == 1, "it may still die at once"
        clock[0] += POD_START_SECONDS + QUICK_SECONDS
        await rounds_pass()
        assert len(room.cluster.unfinished) == 7

    asyncio.run(story())


def test_a_name_that_is_taken_ends_the_round_so_that_the_next_try_waits(room: Room) -> None:
    creator = Creator(room.cluster, room.ledger, room.events.append)
    room.cluster.cron_job = cron_job()
    room.cluster.taken.add("ci-agent-1")
    room.enqueue(7)
    with pytest.raises(KubeConflictError):
        asyncio.run(creator.round())
    assert not room.cluster.unfinished


def test_finished_jobs_that_linger_are_deleted_once(room: Room) -> None:
    async def story() -> None:
        room.cluster.cron_job = cron_job(successfulJobsHistoryLimit=1)
        room.cluster.finalizers = True
        for number in range(1, 5):
            room.cluster.end_job(f"ci-agent-{number}")
        async with room.controller(direct=True, resync=0.01):
            await room.until(lambda: len(room.said("deleted")) == 3)
            before = room.cluster.lists
            await room.until(lambda: room.cluster.lists > before + 3)

    asyncio.run(story())
    assert len(room.said("deleted")) == 3


def test_a_job_that_kubernetes_refuses_is_said_to_those_who_wait_for_it_until_it_is_taken(room: Room) -> None:
    async def story() -> None:
        room.cluster.cron_job = cron_job()
        room.cluster.refuses = KubeRefusedError("Job ci-agent-1: exceeded quota: ci (403)")
        (job,) = room.enqueue()
        async with room.controller(direct=True, resync=0.05):
            await room.until(lambda: "exceeded quota" in room.ledger.why(job).sentence)
            room.cluster.refuses = None
            await room.until(lambda: room.cluster.unfinished)
            await room.until(lambda: "exceeded quota" not in room.ledger.why(job).sentence)

    asyncio.run(story())


def test_with_keda_it_creates_nothing(room: Room) -> None:
    async def story() -> None:
        room.cluster.cron_job = cron_job()
        room.enqueue(3)
        async with room.controller(resync=0.01):
            await room.until(lambda: room.cluster.lists > 3)

    asyncio.run(story())
    assert not room.cluster.job_objects
