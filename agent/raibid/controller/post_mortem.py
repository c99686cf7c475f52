"""The watcher: tells the ledger how agents' pods ended, and why others cannot start.

Owns: what was told already, what is still to be told while Redis is away, pods that vanished unseen.
Leaves to others: the judgement (`endings.py`, `hindrances.py`), what becomes of the job (`Ledger`).

Everything it keeps in memory only saves work: a new process lists all pods, tells all their ends again, and the
ledger takes each once.
"""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import aclosing
from typing import Final

from lightkube.resources.batch_v1 import Job
from lightkube.resources.core_v1 import Event, Pod

from raibid.contract import AGENT_APP
from raibid.controller.endings import PostMortem, gone, name_of, post_mortem
from raibid.controller.hindrances import hindrance, job_hindrance, podless, slow, steady, waiting
from raibid.controller.kube import Change, Cluster
from raibid.controller.watching import RESYNC_SECONDS, ControllerEvent, Tell, changes_until
from raibid.kube.errors import KubeError
from raibid.ledger import Ledger

_POOL_POD: Final = re.compile(rf"{AGENT_APP}-[a-z0-9-]+")
"""Owners that may be pods of this pool; agents of other places (`local-…`, a host's name) are nobody's pods."""
_MISSED_BEATS: Final = 1.5
"""Of silence, before an agent whose pod nobody ever saw is taken for dead; its lease ends after three beats."""


class Watcher:
    """One round at a time; `clock` is Kubernetes' time, Unix seconds."""

    def __init__(
        self,
        cluster: Cluster,
        ledger: Ledger,
        tell: Tell,
        *,
        refused: Callable[[], Mapping[str, str]] = dict,
        resync: float = RESYNC_SECONDS,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._cluster = cluster
        self._ledger = ledger
        self._tell = tell
        self._refused = refused
        self._resync = resync
        self._clock = clock
        self._told: set[str] = set()  # uids of pods whose end the ledger knows
        self._untold: dict[str, PostMortem] = {}  # a deleted pod's last state is nowhere else
        self._seen: dict[str, Pod] = {}  # as they were last, for those that vanish between two looks
        self._no_events = ""  # why they cannot be read
        self._stuck: dict[str, str] = {}
        self._stuck_told: dict[str, str] | None = None  # None: another controller may have told something

    async def round(self) -> None:
        """List, judge everything; then judge what changes, until it is time for the next list."""
        deadline = asyncio.get_running_loop().time() + self._resync
        await self._flush()
        # Before the list: a pod that had a job then and is not in a list made later is gone.
        owners = await asyncio.to_thread(self._ledger.records.running_owners)
        listing = await self._cluster.pods()
        self._told &= {_uid(pod) for pod in listing.items}
        for pod in listing.items:
            await self._judge(pod)
        listed = {name_of(pod): pod for pod in listing.items}
        await self._find_gone({owner: silent for owner, silent in owners.items() if owner not in listed})
        self._seen = listed
        await self._note_stuck(await self._hindrances(listing.items), again=True)
        async with aclosing(changes_until(self._cluster.pod_changes(listing.version), deadline)) as changes:
            async for change in changes:
                await self._changed(change)

    async def _changed(self, change: Change[Pod]) -> None:
        await self._judge(change.item, deleted=change.deleted)
        pod = name_of(change.item)
        self._seen[pod] = change.item
        reason = "" if change.deleted else hindrance(change.item, now=self._clock())
        if reason:
            await self._note_stuck({**self._stuck, pod: reason})
        elif pod in self._stuck and (change.deleted or not waiting(change.item)):
            await self._note_stuck({other: words for other, words in self._stuck.items() if other != pod})

    async def _judge(self, pod: Pod, *, deleted: bool = False) -> None:
        uid = _uid(pod)
        if uid in self._told or post_mortem(pod, deleted=deleted) is None:
            return
        result = post_mortem(pod, deleted=deleted, warnings=await self._warnings(uid=uid))
        if result:
            self._untold[uid] = result
            await self._flush()

    async def _find_gone(self, unlisted: Mapping[str, float]) -> None:
        for owner, silent in unlisted.items():
            seen = self._seen.get(owner)
            # An agent that renews its lease lives, whatever this cluster knows of it: it may be the wrong one.
            if not _POOL_POD.fullmatch(owner) or (seen is None and silent < self._ledger.timing.beat * _MISSED_BEATS):
                continue
            # The list knows pods by their label; one without it is asked for by its name.
            if not await self._cluster.pod_exists(owner):
                self._untold[owner] = (seen and post_mortem(seen, deleted=True)) or gone(owner)
        await self._flush()

    async def _flush(self) -> None:
        for uid, found in list(self._untold.items()):
            status = await asyncio.to_thread(self._ledger.pod_ended, found.ending, found.verdict)
            del self._untold[uid]
            self._told.add(uid)
            what = f"{found.ending.cause}; its job is {status}" if status else f"{found.ending.cause}; it had no job"
            self._tell(ControllerEvent(kind="ended", message=what, about=found.ending.pod))

    async def _hindrances(self, pods: Sequence[Pod]) -> dict[str, str]:
        now, found, jobs_with_pods = self._clock(), dict(self._refused()), set()
        for pod in pods:
            jobs_with_pods |= {owner.name for owner in (pod.metadata and pod.metadata.ownerReferences) or ()}
            reason = hindrance(pod, now=now)
            if not reason and slow(pod, now=now):
                reason = hindrance(pod, now=now, warnings=await self._warnings(uid=_uid(pod)))
            if reason:
                found[name_of(pod)] = reason
        for job in (await self._cluster.jobs()).items:
            name = (job.metadata and job.metadata.name) or ""
            if name not in jobs_with_pods and podless(job, now=now):
                reason = job_hindrance(await self._warnings(uid=_uid(job)))
                if reason:
                    found[name] = reason
        return found

    async def _note_stuck(self, reasons: Mapping[str, str], *, again: bool = False) -> None:
        """Tell the present truth when it is news; `again`: also while it lasts (jobs come, the ledger forgets)."""
        self._stuck = steady(self._stuck, reasons)
        if self._stuck == self._stuck_told and not (again and self._stuck):
            return
        await asyncio.to_thread(self._ledger.pods_stuck, self._stuck)
        before, self._stuck_told = self._stuck_told or {}, dict(self._stuck)
        for pod in sorted(self._stuck.keys() | before.keys()):
            if self._stuck.get(pod) != before.get(pod):
                words = f"cannot start: {self._stuck[pod]}" if pod in self._stuck else "no longer hindered"
                self._tell(ControllerEvent(kind="stuck", message=words, about=pod))

    async def _warnings(self, **about: str) -> Sequence[Event]:
        """Kubernetes' warnings; they only illustrate, so a verdict does not wait for them."""
        try:
            found = await self._cluster.warnings(**about)
        except KubeError as error:
            self._note_events(str(error))
            return ()
        self._note_events("")
        return found

    def _note_events(self, trouble: str) -> None:
        """Say once that events cannot be read, and once that they can again."""
        if trouble and trouble != self._no_events:
            self._tell(ControllerEvent(kind="trouble", message=trouble, about="events"))
        elif self._no_events and not trouble:
            self._tell(ControllerEvent(kind="well", message="can be read again", about="events"))
        self._no_events = trouble


def _uid(thing: Pod | Job) -> str:
    return (thing.metadata and thing.metadata.uid) or ""
