"""Agents that cannot start: those who wait for them read why, until it is over."""

from __future__ import annotations

import asyncio

from tests.controller.conftest import Room
from tests.controller.pod_files import pod, warning

AGENT = "ci-agent-7-x"


def ends(room: Room, how: str) -> None:
    room.cluster.put(pod(how, called=AGENT))


def test_queued_jobs_say_why_no_agent_starts_until_one_does(room: Room) -> None:
    async def story() -> None:
        (job,) = room.enqueue()
        async with room.controller():
            await room.until(lambda: room.cluster.lists)
            ends(room, "image-missing")
            await room.until(lambda: "ErrImagePull" in room.ledger.why(job).sentence)
            ends(room, "image-missing-again")
            ends(room, "running")
            await room.until(lambda: "ErrImagePull" not in room.ledger.why(job).sentence)
        assert AGENT in room.log(job)

    asyncio.run(story())
    assert [event.message.partition(":")[0] for event in room.said("stuck")] == ["cannot start", "no longer hindered"]


def test_a_job_that_comes_while_no_agent_can_start_says_why_too(room: Room) -> None:
    async def story() -> None:
        ends(room, "image-missing")
        async with room.controller(resync=0.05):
            await room.until(lambda: room.said("stuck"))
            (job,) = room.enqueue()
            await room.until(lambda: "ErrImagePull" in room.ledger.why(job).sentence)

    asyncio.run(story())
    assert len(room.said("stuck")) == 1


def test_what_the_last_controller_said_of_agents_that_are_gone_is_taken_back(room: Room) -> None:
    async def story() -> None:
        (job,) = room.enqueue()
        room.ledger.pods_stuck({"ci-agent-1-old": "ErrImagePull: not found"})
        assert "ErrImagePull" in room.ledger.why(job).sentence
        async with room.controller():
            await room.until(lambda: "ErrImagePull" not in room.ledger.why(job).sentence)

    asyncio.run(story())


def test_over_quota_is_told_of_a_job_that_has_no_pod(room: Room) -> None:
    async def story() -> None:
        (job,) = room.enqueue()
        room.cluster.events.append(warning("FailedCreate", "exceeded quota: ci", of="ci-agent-3", kind="Job"))
        await room.cluster.create_job({"metadata": {"name": "ci-agent-3", "labels": {}}})
        async with room.controller():
            await room.until(lambda: "exceeded quota" in room.ledger.why(job).sentence)

    asyncio.run(story())


def test_what_happened_to_an_earlier_job_of_the_same_name_is_not_told_of_this_one(room: Room) -> None:
    async def story() -> None:
        (job,) = room.enqueue()
        room.cluster.events.append(warning("FailedCreate", "exceeded quota: ci", of="ci-agent-3", uid="older"))
        await room.cluster.create_job({"metadata": {"name": "ci-agent-3", "labels": {}}})
        async with room.controller(resync=0.01):
            await room.until(lambda: room.cluster.lists > 3)
        assert "exceeded quota" not in room.ledger.why(job).sentence

    asyncio.run(story())


def test_a_pod_whose_volumes_do_not_come_says_so_from_list_to_list(room: Room) -> None:
    async def story() -> None:
        (job,) = room.enqueue()
        room.cluster.events.append(warning("FailedMount", 'secret "ci-agent-redis" not found', of=AGENT))
        ends(room, "container-creating")
        async with room.controller(resync=0.05):
            await room.until(lambda: "FailedMount" in room.ledger.why(job).sentence)
            ends(room, "container-creating")
            before = room.cluster.lists
            await room.until(lambda: room.cluster.lists > before + 3)

    asyncio.run(story())
    assert len(room.said("stuck")) == 1
