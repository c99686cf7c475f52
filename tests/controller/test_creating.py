"""Direct mode at work: the queue becomes Jobs at once, never more than max, whatever dies in between."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack

from raibid.controller.errors import KubeUnavailableError

from tests.controller.conftest import Room
from tests.controller.fake_cluster import cron_job


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


def test_agents_that_die_at_once_are_not_started_by_the_dozen(room: Room) -> None:
    async def story() -> None:
        room.cluster.cron_job = cron_job()
        for number in range(1, 6):
            room.cluster.end_job(
                f"ci-agent-{number}", failed=True, ended="2999-01-01T00:00:01Z", started="2999-01-01T00:00:00Z"
            )
        room.enqueue(7)
        async with room.controller(direct=True):
            await room.until(lambda: room.said("back-off"))

    asyncio.run(story())
    assert not room.said("created")


def test_with_keda_it_creates_nothing(room: Room) -> None:
    async def story() -> None:
        room.cluster.cron_job = cron_job()
        room.enqueue(3)
        async with room.controller(resync=0.01):
            await room.until(lambda: room.cluster.lists > 3)

    asyncio.run(story())
    assert not room.cluster.job_objects
