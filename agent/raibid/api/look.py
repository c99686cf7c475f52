"""One look at one repository: every head that is not in order is put in order, then remembered.

Owns: the order of the steps, which is what makes a crash between any two of them harmless.
Leaves to others: which repositories are looked at and when (`reconciler.py`), what is compared with what
(`raibid.forge.reconcile`), what an event becomes (`raibid.forge.intake`).

    ask for the heads → of each: ask what it changes → enqueue → remember it;
    then remember the repository → call off, and forget, what is gone

A crash before "remember" repeats the rest in the next round, where the ledger answers with the job it already has.
One head after the other, so that an error, or the end of the questions, costs those that were not reached, and no more:
an enqueue and a remembered head are a millisecond, what a forge is asked is many.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

import msgspec
import structlog

from raibid.api import closed_pulls
from raibid.forge import Enrolment, Event, Skip, decide, must_be_approved, real_changes
from raibid.forge.errors import ForgeFaultError, ForgeReachError, ForgeRefusedError, ForgeSilentError
from raibid.forge.forge import Forge, RepositoryInfo
from raibid.forge.reconcile import FOUND_BY, Comparison, Standing, compare, key_of, sha_of
from raibid.ledger import Enqueued, Ledger, NewJob
from raibid.ledger.heads import KnownJob, Watched
from raibid.model.job import JobStatus
from raibid.model.pull_request_event import PullRequestEvent, pull_number
from raibid.model.push_event import ZERO_SHA, PushEvent

_log: Final = structlog.get_logger("raibid.api")


class Outcome(StrEnum):
    """What became of a head that had moved."""

    CREATED = "created"  #: no webhook had come: healed
    REVIVED = "revived"  #: its job had been called off for an older commit, or by a closing that was undone: healed
    KNOWN = "known"  #: its webhook was in time
    OVERTAKEN = "overtaken"  #: a newer commit's webhook came while we looked
    SKIPPED = "skipped"  #: the enrolment file, or the commit, says that nothing is built
    BASELINE = "baseline"  #: it was there before anybody asked for it to be built

    @property
    def heals(self) -> bool:
        """Whether a head would have stayed unbuilt."""
        return self in (Outcome.CREATED, Outcome.REVIVED)


class Settled(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A head that had moved, and is in order now."""

    ref: str
    sha: str
    outcome: Outcome
    job: str = ""  #: its job's id
    reason: str = ""  #: why nothing is built


class Look(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What one look found."""

    forge: str
    repo: str
    at: float = 0.0
    heads: int = 0
    settled: tuple[Settled, ...] = ()
    left: int = 0  #: heads that moved and are left for the next turn: the forge may not be asked more now
    gone: tuple[str, ...] = ()  #: refs that are no more
    unusable: tuple[str, ...] = ()  #: heads that no job can be made of, and why
    skipped: str = ""  #: why nothing was looked at

    @property
    def healed(self) -> tuple[Settled, ...]:
        """Those that would have stayed unbuilt."""
        return tuple(one for one in self.settled if one.outcome.heals)


@dataclass
class Questions:
    """How much a forge may still be asked in this round. Counts questions; a long answer takes several calls."""

    left: int
    asked: int = field(default=0)

    def ask(self, count: int = 1) -> None:
        """Note that it is asked."""
        self.left -= count
        self.asked += count


class Looker:
    """Looks at repositories of one forge."""

    def __init__(
        self,
        ledger: Ledger,
        enrolment: Enrolment,
        name: str,
        forge: Forge,
        questions: Questions,
        tell: Callable[[Look], object],
    ) -> None:
        """`tell`: is told each look, also one that an error ended: what it has healed no later one will find."""
        self._tell = tell
        self._ledger = ledger
        self._enrolment = enrolment
        self._name = name
        self._forge = forge
        self._questions = questions

    def look(self, info: RepositoryInfo, standing: Standing, now: float) -> Look:
        """Put a repository's heads in order, as far as the questions reach; one of them in any case.

        Raises:
            CallError: the forge did not answer; what was settled until then stays so.
            LedgerError: Redis failed; likewise.
        """
        name, memory = info.full_name, self._ledger.heads
        seen = memory.clock()  # before the forge is asked: a webhook may overtake its answer
        found = self._compare(info)
        settled: list[Settled] = []
        try:
            if standing is Standing.FIRST:
                settled += [_settled(event, Outcome.BASELINE) for event in found.events]
                memory.remember(self._name, name, {one.ref: one.sha for one in settled})
            else:
                for one in self._settle(found, seen):
                    memory.remember(self._name, name, {one.ref: one.sha})
                    settled.append(one)
        finally:
            look = self._said(info, now, found, settled)
            self._tell(look)
        if not look.left:
            memory.watch(self._name, {name: Watched(Standing.IN, looked=now, tried=now)})
        self._call_off(name, found.gone, seen)
        memory.forget(self._name, name, found.gone)
        return look

    def _said(self, info: RepositoryInfo, now: float, found: Comparison, settled: Sequence[Settled]) -> Look:
        return Look(
            forge=self._name, repo=info.full_name, at=now, heads=len(found.events), settled=tuple(settled),
            left=len(found.moved - {one.ref for one in settled}), gone=found.gone, unusable=found.unusable,
        )  # fmt: skip

    def _compare(self, info: RepositoryInfo) -> Comparison:
        remembered = self._ledger.heads.seen(self._name, info.full_name)
        if info.empty:
            return compare(self._name, info, (), (), remembered)
        self._questions.ask(2)
        heads, pulls = self._forge.heads(info.full_name), self._forge.pulls(info.full_name)
        return compare(self._name, info, heads, pulls, remembered)

    def _settle(self, found: Comparison, seen: float) -> Iterator[Settled]:
        """Every head that moved, or whose job was called off wrongly: its job enqueued if it is to have one."""
        known = self._ledger.heads.jobs([key_of(event) for event in found.events])
        asked = False
        for event, job in zip(found.events, known, strict=True):
            moved = event.ref in found.moved
            if job:
                revived = self._reopened(event, job, seen, found)
                revived = revived or (self._revive(event, job, seen) if moved or job.outdated else None)
                if revived or moved:
                    yield revived or _settled(event, Outcome.KNOWN, job=job.id)
            elif moved and (self._questions.left >= 2 or not asked):
                asked = True  # one in any case, or whoever's turn is always the last in a round would get nowhere
                yield self._build(event, seen)

    def _build(self, event: Event, seen: float) -> Settled:
        verdict = decide(self._informed(event), self._enrolment)
        if isinstance(verdict, Skip):
            return _settled(event, Outcome.SKIPPED, reason=verdict.reason)
        spec = msgspec.structs.replace(verdict.spec, found_by=FOUND_BY)
        [made] = self._ledger.enqueue([NewJob(spec=spec, dedupe=verdict.dedupe, hold=verdict.hold, seen=seen)])
        return _settled(event, _outcome(made), job=made.id)

    def _call_off(self, name: str, gone: Sequence[str], seen: float) -> None:
        """Cancel the builds of pull requests that were closed without anybody telling us."""
        refs = {ref for ref in gone if pull_number(ref)}
        jobs = closed_pulls.unfinished(self._ledger, self._name, name, refs) if refs else []
        # What came since we began to look is not in the list.
        if not (jobs := [job for job in jobs if job.created < seen]):
            return
        # A list in pages misses one when another is closed meanwhile, and a build is worth a second look.
        self._questions.ask()
        there = {pull.ref for pull in self._forge.pulls(name)}
        for job_id in closed_pulls.call_off(self._ledger, (job for job in jobs if job.spec.ref not in there)):
            _log.info("called off: its pull request is closed", job=job_id, forge=self._name, repo=name)

    def _reopened(self, event: Event, known: KnownJob, seen: float, found: Comparison) -> Settled | None:
        """The job anew that closing its pull request called off, which is open; None: it was not, or is not."""
        if known.outdated or known.status is not JobStatus.CANCELLED or not isinstance(event, PullRequestEvent):
            return None
        job = self._ledger.records.get(known.id)
        # Closed after we began to look, it may be listed all the same. And what a person cancelled stays so.
        if job is None or job.finished >= seen:
            return None
        if event.ref not in found.unknown and not closed_pulls.was_called_off(job):
            return None
        made = self._ledger.retry(job.id, hold=must_be_approved(job.spec, self._enrolment))
        return _settled(event, Outcome.REVIVED, job=made.id) if made.created else None

    def _revive(self, event: Event, known: KnownJob, seen: float) -> Settled | None:
        """The job anew that was called off for a commit which is not the head; None: it is not to be, or not yet.

        One that was not called off stands; if it was the ledger that had not heard that the ref is back at it, that
        calls off what the ref was at.

        It was decided to be built when it came, so nobody is asked what it changes.
        """
        job = self._ledger.records.get(known.id)
        if job is None:
            return None
        hold = must_be_approved(job.spec, self._enrolment)
        if job.spec.group:
            # The ledger knows whether it has heard of a newer commit since.
            spec = msgspec.structs.replace(job.spec, found_by=FOUND_BY)
            [made] = self._ledger.enqueue([NewJob(spec=spec, dedupe=key_of(event), hold=hold, seen=seen)])
        elif known.outdated and job.status.terminal:
            made = self._ledger.retry(job.id, hold=hold)  # called off by a group of its pipeline's
        else:
            return None  # its agent has yet to hear of it
        return _settled(event, Outcome.REVIVED, job=made.id) if made.created else None

    def _informed(self, event: Event) -> Event:
        """The event with the commits' files and message; as it is, where the forge cannot tell them.

        Not knowing is no reason to leave a head unbuilt; a forge that is away, or wants a pause, is asked again in
        a later round.
        """
        self._questions.ask(2)
        try:
            event = real_changes.informed(event, real_changes.ask(self._forge, event))
            if event.message or not isinstance(event, PushEvent):
                return event
            # Of a repository's first push there is nothing to compare with; its message may still say to skip CI.
            message = self._forge.changes(event.repo, ZERO_SHA, event.after).message
            return msgspec.structs.replace(event, message=message)
        except (ForgeRefusedError, ForgeReachError, ForgeFaultError, ForgeSilentError) as error:
            _log.info("built without knowing what changed", repo=event.repo, ref=event.ref, error=str(error))
            return event


def _outcome(made: Enqueued) -> Outcome:
    if not made.created:
        return Outcome.KNOWN  # its webhook, or another API's reconciler, came in between
    return Outcome.OVERTAKEN if made.status is JobStatus.CANCELLED else Outcome.CREATED


def _settled(event: Event, outcome: Outcome, *, job: str = "", reason: str = "") -> Settled:
    return Settled(ref=event.ref, sha=sha_of(event), outcome=outcome, job=job, reason=reason)
