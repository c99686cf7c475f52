"""Cron: jobs that nobody pushed, at the times that the enrolment file names.

Owns: seeing to every time once, where a scheduled branch is found, the list of what comes next.
Leaves to others: the times and the job (`raibid.forge`), remembering (`raibid.ledger.crons`), the rhythm
(`background.py`).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Mapping
from typing import Final

import msgspec
import structlog

from raibid.api.forges import Connect
from raibid.api.metrics import Metrics
from raibid.api.patience import Patience
from raibid.forge import Enrolment, PayloadError, names
from raibid.forge.cron import Origin, build_of, schedules
from raibid.forge.errors import CallError, ForgeNotFoundError
from raibid.forge.schedule import Schedule
from raibid.ledger import Ledger, NewJob
from raibid.ledger.crons import SeenTo
from raibid.model.job import JobSpec

_log: Final = structlog.get_logger("raibid.api")
_SHOWN: Final = 3
"""Times of a schedule."""
_LOOKED_AT: Final = 100
"""Jobs of a repository."""


class Scheduled(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A schedule, what it did last and what it does next."""

    repo: str
    branch: str
    schedule: str
    timezone: str
    params: dict[str, str] = {}
    last: float = 0.0  #: the latest time that became a job, Unix seconds; 0: none yet
    job: str = ""  #: that job
    next: tuple[float, ...] = ()
    trouble: str = ""  #: why a time that has come is not a job yet


class Crontab(msgspec.Struct, frozen=True):
    """The answer of `GET /cron`, soonest first."""

    schedules: tuple[Scheduled, ...]


class Cron:
    """Sees to the schedules. One round at a time."""

    def __init__(
        self,
        ledger: Ledger,
        forges: Mapping[str, Connect],
        enrolment: Enrolment,
        metrics: Metrics,
        *,
        patience: Patience[str] | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._ledger = ledger
        self._forges = forges
        self._enrolment = enrolment
        self._metrics = metrics
        self._clock = clock
        self._schedules: Final = schedules(enrolment)
        self._begun = False
        self._troubles: dict[str, str] = {}
        """Schedule → why its time is not a job yet."""
        self._patience = patience or Patience(first=5.0, longest=600.0)

    def round(self) -> int:
        """Enqueue what is due; how many jobs that made.

        Raises:
            LedgerError: Redis failed. The next round makes up for it.
        """
        if not self._begun:
            self._begin()
        if not self._schedules:
            return 0
        now, memory = self._clock(), self._ledger.crons.all()
        return sum(self._see_to(schedule, memory.get(schedule.key), now) for schedule in self._schedules)

    def upcoming(self) -> Crontab:
        """Every schedule with its next times. Raises LedgerError."""
        now, memory = self._clock(), self._ledger.crons.all()
        shown = [self._shown(schedule, memory.get(schedule.key), now) for schedule in self._schedules]
        return Crontab(tuple(sorted(shown, key=lambda one: one.next[:1] or (float("inf"),))))

    def _begin(self) -> None:
        # Only at the start: while an API with another file is being replaced, the two must not forget for each other.
        self._ledger.crons.forget(set(self._ledger.crons.all()) - {schedule.key for schedule in self._schedules})
        self._begun = True

    def _see_to(self, schedule: Schedule, seen: SeenTo | None, now: float) -> int:
        if seen is None:  # what came before it was written down was nobody's wish
            self._ledger.crons.remember(schedule.key, SeenTo(now))
            return 0
        due = schedule.due(seen.until, now)
        if due is None:
            return 0
        if self._patience.waits(schedule.key):
            return 0
        origin = self._origin(schedule)
        if isinstance(origin, str):
            self._failed(schedule, origin)
            return 0
        build = build_of(schedule, due, origin, self._enrolment)
        [made] = self._ledger.enqueue([NewJob(spec=build.spec, dedupe=build.dedupe, hold=build.hold)])
        self._ledger.crons.remember(schedule.key, SeenTo(due, made.id))
        self._troubles.pop(schedule.key, None)
        self._patience.succeeded(schedule.key)
        if made.created:
            _log.info("scheduled", repo=schedule.repo, branch=schedule.rule.branch, job=made.id, late=round(now - due))
        return int(made.created)

    def _failed(self, schedule: Schedule, why: str) -> None:
        self._troubles[schedule.key] = why
        if self._patience.failed(schedule.key):
            self._metrics.system_error("cron")
            _log.error("a scheduled time is not built", repo=schedule.repo, branch=schedule.rule.branch, error=why)

    # --- where a branch is found ------------------------------------------------------------------------

    def _origin(self, schedule: Schedule) -> Origin | str:
        """Where to clone from, or why nobody knows."""
        rule, away, without = schedule.rule, "", set[str]()
        for name, connect in self._forges.items():
            if rule.forge not in ("", name):
                continue
            try:
                return self._asked(name, connect, schedule)
            except ForgeNotFoundError:
                without.add(name)
            except (CallError, PayloadError) as error:
                away = f"{name}: {error}"
        # Of a forge that is away: whatever the branch has at checkout is worth more than a status at a known commit.
        latest = self._latest(schedule, without)
        if not rule.clone_url and latest is None:
            return away or "no forge has it, and no forge's job tells: name its `clone_url` in the enrolment file"
        return Origin(
            clone_url=rule.clone_url or (latest.clone_url if latest else ""),
            forge=rule.forge or (latest.forge if latest else ""),
            default_branch=latest.default_branch if latest else "",
        )

    def _latest(self, schedule: Schedule, without: Collection[str]) -> JobSpec | None:
        """The repository's latest job that a forge brought which may still have it. Of one that a person started the
        URL may be anybody's."""
        jobs = self._ledger.records.page(repo=schedule.repo, limit=_LOOKED_AT).jobs
        forges = {job.spec.forge for job in jobs} - {"", *without}
        if schedule.rule.forge:
            forges &= {schedule.rule.forge}
        return next((job.spec for job in jobs if job.spec.forge in forges), None)

    def _asked(self, name: str, connect: Connect, schedule: Schedule) -> Origin | str:
        rule = schedule.rule
        with connect() as forge:
            info = forge.repository(schedule.repo)
            sha = next((head.sha for head in forge.heads(schedule.repo) if head.branch == rule.branch), "")
        if not sha:
            return f"{name}: {schedule.repo} has no branch {rule.branch}"
        return Origin(
            clone_url=rule.clone_url or names.clone_url(info.clone_url),
            forge=name,
            sha=names.sha(sha),
            default_branch=info.default_branch,
        )

    def _shown(self, schedule: Schedule, seen: SeenTo | None, now: float) -> Scheduled:
        rule = schedule.rule
        return Scheduled(
            repo=schedule.repo,
            branch=rule.branch,
            schedule=rule.schedule,
            timezone=rule.timezone,
            params=dict(rule.params),
            last=seen.until if seen and seen.job else 0.0,
            job=seen.job if seen else "",
            next=schedule.next(now, _SHOWN),
            trouble=self._troubles.get(schedule.key, ""),
        )
