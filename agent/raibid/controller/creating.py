"""Direct mode's shell: looks at Jobs and queue, carries the plan out, waits for something new.

Owns: the order of the looks, what counts as news, what Kubernetes refused.
Leaves to others: the decision (`job_creator.py`), bearing conflicts and that somebody is away (`watching.py`).
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from contextlib import aclosing
from typing import Final

from lightkube.resources.batch_v1 import Job

from raibid.contract import AGENT_APP
from raibid.controller.job_creator import AgentJob, Plan, Template, agent_job, job_manifest, plan, template_of
from raibid.controller.kube import Changes, Cluster
from raibid.controller.watching import RESYNC_SECONDS, ControllerEvent, Tell, changes_until
from raibid.kube.errors import KubeConflictError, KubeError, KubeUnavailableError
from raibid.ledger import Ledger

_WAIT_SECONDS: Final = 1.0
"""A blocking read of the stream: as long as the process may go on after it was told to stop."""


class Creator:
    """One round at a time; `clock` is Kubernetes' time, Unix seconds."""

    def __init__(
        self,
        cluster: Cluster,
        ledger: Ledger,
        tell: Tell,
        *,
        resync: float = RESYNC_SECONDS,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._cluster = cluster
        self._ledger = ledger
        self._tell = tell
        self._resync = resync
        self._clock = clock
        self._failures = 0
        self._refused: Mapping[str, str] = {}

    async def round(self) -> None:
        """Look, do what is missing; with nothing to do wait until there may be."""
        newest = await asyncio.to_thread(self._ledger.newest)
        template = template_of(await self._cluster.template(AGENT_APP))
        listing = await self._cluster.jobs()
        queue = await asyncio.to_thread(self._ledger.wanted)  # after the Jobs: see `plan`
        jobs = [agent_job(job) for job in listing.items]
        now = self._clock()
        todo = plan(template, jobs, queue=queue, now=now)
        self._tell_failures(todo, now)
        await self._create(template, todo)
        await self._delete(todo)
        if not todo.create:
            probe = todo.backoff.until - now if todo.wanted and not todo.running else self._resync
            await self._news(listing.version, jobs, newest, min(self._resync, max(0.0, probe)))

    def refused(self) -> Mapping[str, str]:
        """The Job that Kubernetes did not take at the last try, and why: over quota, or against a policy."""
        return self._refused

    async def _create(self, template: Template, todo: Plan) -> None:
        """Create what is missing.

        Raises:
            KubeConflictError: by another controller, or by this one whose answer was lost; a look shows which.
        """
        for serial in todo.create:
            job = job_manifest(template, serial)
            name = job["metadata"]["name"]
            try:
                await self._cluster.create_job(job)
            except (KubeConflictError, KubeUnavailableError):
                raise
            except KubeError as error:
                self._refused = {name: str(error)}
                raise
            self._refused = {}
            self._tell(ControllerEvent(kind="created", message=f"{todo.running} others run", about=name))
        if not todo.wanted:
            self._refused = {}

    async def _delete(self, todo: Plan) -> None:
        for name in todo.delete:
            await self._cluster.delete_job(name)
            self._tell(ControllerEvent(kind="deleted", message="finished; newer ones are kept", about=name))

    async def _news(self, version: str, jobs: list[AgentJob], newest: str, seconds: float) -> None:
        """Return when a Job has changed, the stream has a new entry, or the time is over."""
        deadline = asyncio.get_running_loop().time() + seconds
        known = {job.name: job for job in jobs}
        tasks = {
            asyncio.create_task(_one_that_matters(self._cluster.job_changes(version), known, deadline)),
            asyncio.create_task(self._entry(newest, deadline)),
        }
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        for task in done:
            task.result()

    async def _entry(self, newest: str, deadline: float) -> None:
        loop = asyncio.get_running_loop()
        while (left := deadline - loop.time()) > 0:
            if await asyncio.to_thread(self._ledger.wait, newest, min(_WAIT_SECONDS, left)) != newest:
                return

    def _tell_failures(self, todo: Plan, now: float) -> None:
        failures = todo.backoff.failures if todo.backoff.active else 0
        if failures > self._failures:
            pause = max(0.0, todo.backoff.until - now)
            words = f"{failures} agents in a row failed at once; next try in {pause:.0f} s"
            self._tell(ControllerEvent(kind="back-off", message=words, about="jobs"))
        self._failures = failures


async def _one_that_matters(news: Changes[Job], known: dict[str, AgentJob], deadline: float) -> None:
    """Return at the first change that a plan could follow from; a Job's status changes more often than that."""
    async with aclosing(changes_until(news, deadline)) as changes:
        async for change in changes:
            job = agent_job(change.item)
            before = known.get(job.name)
            if change.deleted or before is None or before.ended != job.ended:
                return
