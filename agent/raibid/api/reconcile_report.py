"""What the reconciler tells people: each forge's last round, the heads that were healed.

Owns: the shapes of `GET /reconcile`, counting while a round goes on, the log line of a healed head.
Leaves to others: looking (`look.py`), rounds (`reconciler.py`).
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import Final

import msgspec
import structlog

from raibid.api.look import Look, Outcome, Questions
from raibid.api.metrics import Metrics
from raibid.api.roster import Roster
from raibid.forge.errors import CallError

_log: Final = structlog.get_logger("raibid.api")
_HEALED_KEPT: Final = 200
_ERRORS_KEPT: Final = 20


class Healed(msgspec.Struct, frozen=True, kw_only=True):
    """A head that would have stayed unbuilt."""

    at: float
    forge: str
    repo: str
    ref: str
    sha: str
    job: str
    outcome: Outcome


class ForgeRound(msgspec.Struct, frozen=True, kw_only=True):
    """What one round found at one forge."""

    forge: str
    at: float  #: Unix seconds
    seconds: float
    repositories: int = 0  #: that are watched
    looked: int = 0  #: of these, in this round
    heads: int = 0
    questions: int = 0
    outcomes: dict[str, int] = {}  #: heads that had moved
    errors: tuple[str, ...] = ()  #: about the first 20
    complete: bool = False  #: the forge has told which repositories it has
    oldest: float = 0.0  #: when the repository that waits longest was looked at; 0: one has not been


class Reconciliation(msgspec.Struct, frozen=True, kw_only=True):
    """The answer of `GET /reconcile`: as far as this process knows."""

    process: str  #: which one that is
    round: int  #: how many it has finished
    forges: tuple[ForgeRound, ...]  #: the last one's
    healed: tuple[Healed, ...]  #: newest first, about the last 200


@dataclass
class Tally:
    """A round at one forge while it goes on."""

    looked: int = 0
    heads: int = 0
    outcomes: dict[str, int] = field(default_factory=dict)
    errors: list[str] = field(default_factory=list)

    @property
    def healed(self) -> int:
        """Heads that would have stayed unbuilt."""
        return sum(count for outcome, count in self.outcomes.items() if Outcome(outcome).heals)

    def count(self, look: Look) -> None:
        """A repository was looked at, to its end or not."""
        self.looked += not look.left
        self.heads += look.heads
        for one in look.settled:
            self.outcomes[one.outcome] = self.outcomes.get(one.outcome, 0) + 1
        for text in look.unusable:
            self._say(text)
        if look.left:
            self._say(f"{look.repo}: {look.left} heads that moved are left for its next turn")

    def error(self, error: CallError) -> None:
        """Something was not answered."""
        self._say(f"{type(error).__name__.removesuffix('Error')}: {error}")

    def _say(self, text: str) -> None:
        if len(self.errors) < _ERRORS_KEPT:
            self.errors.append(text)


class Reports:
    """What is told of all rounds."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics
        self._rounds: dict[str, ForgeRound] = {}
        self._healed: deque[Healed] = deque(maxlen=_HEALED_KEPT)

    def shown(self, process: str, finished: int) -> Reconciliation:
        """As people get it."""
        forges, healed = tuple(self._rounds.values()), tuple(self._healed)
        return Reconciliation(process=process, round=finished, forges=forges, healed=healed)

    def look(self, look: Look) -> None:
        """A repository was looked at."""
        for one in look.settled:
            self._metrics.reconciled(look.forge, one.outcome)
        for one in look.healed:
            healed = Healed(
                at=look.at, forge=look.forge, repo=look.repo, ref=one.ref, sha=one.sha, job=one.job,
                outcome=one.outcome,
            )  # fmt: skip
            self._healed.appendleft(healed)
            _log.warning(
                "healed: no webhook had brought this head", forge=look.forge, repo=look.repo, ref=one.ref,
                sha=one.sha, job=one.job, outcome=str(one.outcome),
            )  # fmt: skip
        if baseline := sum(one.outcome is Outcome.BASELINE for one in look.settled):
            _log.info("first look: what is there now is not built", forge=look.forge, repo=look.repo, heads=baseline)

    def round(
        self, forge: str, roster: Roster | None, tally: Tally, questions: Questions, at: float, seconds: float
    ) -> None:
        """A round at one forge has ended. Without a roster nobody was let in, and all is as old as it was."""
        before = self._rounds.get(forge)
        oldest = roster.oldest() if roster else (before.oldest if before else 0.0)
        self._rounds[forge] = ForgeRound(
            forge=forge, at=at, seconds=seconds, repositories=roster.watched if roster else 0, looked=tally.looked,
            heads=tally.heads, questions=questions.asked, outcomes=tally.outcomes, errors=tuple(tally.errors),
            complete=bool(roster and roster.complete), oldest=oldest,
        )  # fmt: skip
        self._metrics.reconciled_until(forge, oldest)
        log = _log.info if tally.healed or tally.errors else _log.debug
        log("reconciled", forge=forge, looked=tally.looked, healed=tally.healed, errors=len(tally.errors))
