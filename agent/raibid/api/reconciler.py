"""The reconciler: what no webhook told us of is found on the forges, and built.

Owns: which repositories a round looks at and in which order, what a forge's trouble means for the rest of it, the
report of what was healed.
Leaves to others: one repository's look (`look.py`), standings and comparisons (`raibid.forge.reconcile`), the memory
(`raibid.ledger.heads`), the rhythm (`background.py`).

Nothing here must survive: a process that dies leaves the memory as far as its looks had got.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Final

import msgspec
import structlog

from raibid.api.forges import Connect
from raibid.api.look import Look, Looker, Outcome, Questions, tell
from raibid.api.metrics import Metrics
from raibid.api.patience import Patience
from raibid.api.roster import Roster
from raibid.forge import Enrolment
from raibid.forge.errors import (
    CallError,
    ForgeLimitError,
    ForgeLoginError,
    ForgeSilentError,
    ForgeUnavailableError,
)
from raibid.forge.forge import Forge
from raibid.ledger import Ledger, LedgerError

_log: Final = structlog.get_logger("raibid.api")
_FORGES: Final = frozenset({"gitea", "github"})
_HEALED_KEPT: Final = 200
_ERRORS_KEPT: Final = 20
_STRIKES: Final = 3
"""So many repositories in a row that got no answer: it is the forge."""


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
    repositories: int  #: that are watched
    looked: int  #: of these, in this round
    heads: int
    questions: int
    outcomes: dict[str, int]  #: heads that had moved
    errors: tuple[str, ...] = ()
    complete: bool = False  #: every watched repository has been looked at
    oldest: float = 0.0  #: when the repository that waits longest was looked at


class Reconciliation(msgspec.Struct, frozen=True, kw_only=True):
    """The answer of `GET /reconcile`: as far as this process knows."""

    round: int  #: how many it has finished
    forges: tuple[ForgeRound, ...]  #: the last one's
    healed: tuple[Healed, ...]  #: newest first, about the last 200


@dataclass
class _Tally:
    """A round at one forge while it goes on."""

    looked: int = 0
    heads: int = 0
    outcomes: dict[str, int] = field(default_factory=dict)
    errors: list[str] = field(default_factory=list)

    def error(self, text: str) -> None:
        if len(self.errors) < _ERRORS_KEPT:
            self.errors.append(text)


class Reconciler:
    """Compares the forges with the ledger. Thread-safe: one round at a time, single looks beside it."""

    def __init__(
        self,
        ledger: Ledger,
        forges: Mapping[str, Connect],
        enrolment: Enrolment,
        metrics: Metrics,
        *,
        questions: int = 500,
        fresh: float = 0.0,
        patience: Patience[str] | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """`questions`: asked of one forge in one round at most. `fresh`: a repository looked at less than so many
        seconds ago, by this or another API, is left out of a round.
        """
        self._ledger = ledger
        self._forges = forges
        self._enrolment = enrolment
        self._metrics = metrics
        self._questions = questions
        self._fresh = fresh
        self._away = patience or Patience(first=1.0, longest=60.0)
        self._clock = clock
        self._rounds = threading.Lock()
        self._finished = 0
        self._last: dict[str, ForgeRound] = {}
        self._healed: deque[Healed] = deque(maxlen=_HEALED_KEPT)
        for forge in forges:
            metrics.watch_reconciler(forge, clock)

    def report(self) -> Reconciliation:
        """What the last round found, and what was healed."""
        return Reconciliation(round=self._finished, forges=tuple(self._last.values()), healed=tuple(self._healed))

    @property
    def next_round(self) -> int:
        """The number of the first round that begins from now on."""
        return self._finished + (2 if self._rounds.locked() else 1)

    def round(self, closing: Callable[[], bool] = lambda: False, *, all_of_them: bool = False) -> int:
        """Look at every forge's repositories, as far as the questions reach; how many heads were healed.

        `all_of_them`: also those that were looked at just now.

        Raises:
            LedgerError: Redis failed. The next round goes on.
        """
        with self._rounds:
            if not self._finished:
                for forge in sorted(_FORGES - set(self._forges)):
                    _log.info("not reconciled: no address or no credentials", forge=forge)
            try:
                fresh = 0.0 if all_of_them else self._fresh
                return sum(
                    self._round_of(forge, connect, fresh, closing)
                    for forge, connect in self._forges.items()
                    if all_of_them or not self._away.waits(forge)
                )
            finally:
                self._finished += 1

    def look_at(self, repository: str, forge: str = "") -> list[Look]:
        """Look at one repository now, at every forge or at one; a Look for each forge that has it.

        Raises:
            CallError: a forge did not answer. LedgerError: Redis failed.
        """
        looks: list[Look] = []
        for name, connect in self._forges.items():
            if forge not in ("", name):
                continue
            with connect() as client:
                looks.append(self._look_once(name, client, repository))
        return looks

    def _look_once(self, name: str, client: Forge, repository: str) -> Look:
        now, questions = self._clock(), Questions(self._questions)
        roster = Roster(self._ledger, self._enrolment, name, client, questions, now)
        info = roster.ask(repository)
        standing = roster.settle(info) if info else None
        if info is None or standing is None:
            return Look(forge=name, repo=repository, at=now, skipped=roster.why_not(repository, info))
        look = Looker(self._ledger, self._enrolment, name, client, questions).look(info, standing, now)
        self._note(look)
        return look

    # --- one forge's round -----------------------------------------------------------------------------

    def _round_of(self, forge: str, connect: Connect, fresh: float, closing: Callable[[], bool]) -> int:
        started, now = time.monotonic(), self._clock()
        tally, questions = _Tally(), Questions(self._questions)
        roster: Roster | None = None
        with ExitStack() as connection:
            try:
                client = connection.enter_context(connect())
                roster = Roster(self._ledger, self._enrolment, forge, client, questions, now)
                roster.take()
                if roster.trouble:
                    tally.error(tell(roster.trouble))
                looker = Looker(self._ledger, self._enrolment, forge, client, questions)
                self._look_at_all(roster, looker, fresh, closing, tally)
                if self._away.succeeded(forge):
                    _log.info("the forge can be reconciled again", forge=forge)
            except CallError as error:
                self._forge_failed(forge, error, tally)
            finally:
                if roster:
                    roster.note_tries()
        self._finish(forge, roster, tally, questions, now, time.monotonic() - started)
        return sum(count for outcome, count in tally.outcomes.items() if Outcome(outcome).heals)

    def _look_at_all(
        self, roster: Roster, looker: Looker, fresh: float, closing: Callable[[], bool], tally: _Tally
    ) -> None:
        """Raises CallError: the forge, and not only one repository, is in trouble."""
        strikes = 0
        for name in roster.in_turn(fresh):
            if closing() or not roster.may_ask:
                return
            try:
                look = self._look_in_turn(roster, looker, name)
            except (ForgeLimitError, ForgeLoginError):
                raise
            except CallError as error:
                tally.error(tell(error))
                self._metrics.reconciled(roster.forge, "error")
                _log.warning("repository not reconciled", forge=roster.forge, repo=name, error=str(error))
                strikes = strikes + 1 if isinstance(error, ForgeUnavailableError) else 0
                if strikes >= _STRIKES or (strikes and not isinstance(error, ForgeSilentError)):
                    raise
                continue
            strikes = 0
            if look:
                tally.looked += 1
                tally.heads += look.heads
                for one in look.settled:
                    tally.outcomes[one.outcome] = tally.outcomes.get(one.outcome, 0) + 1
                for text in look.unusable:
                    tally.error(text)

    def _look_in_turn(self, roster: Roster, looker: Looker, name: str) -> Look | None:
        """None: nothing of it is built, after all."""
        roster.trying(name)
        info = roster.info(name)
        standing = roster.settle(info) if info else None
        if info is None or standing is None:
            return None
        look = looker.look(info, standing, roster.now)
        roster.looked(info.full_name)
        self._note(look)
        return look

    def _note(self, look: Look) -> None:
        """Tell people what a look healed."""
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
        baseline = sum(one.outcome is Outcome.BASELINE for one in look.settled)
        if baseline:
            _log.info("first look: what is there now is not built", forge=look.forge, repo=look.repo, heads=baseline)

    def _forge_failed(self, forge: str, error: CallError, tally: _Tally) -> None:
        tally.error(tell(error))
        self._metrics.reconciled(forge, "away")
        asked = error.retry_after if isinstance(error, ForgeUnavailableError) else 0.0
        if self._away.failed(forge, asked):
            _log.warning("the forge cannot be reconciled now", forge=forge, error=str(error))

    def _finish(
        self, forge: str, roster: Roster | None, tally: _Tally, questions: Questions, now: float, seconds: float
    ) -> None:
        before = self._last.get(forge)
        oldest = roster.oldest() if roster else (before.oldest if before else 0.0)
        self._last[forge] = ForgeRound(
            forge=forge, at=now, seconds=seconds, repositories=roster.watched if roster else 0, looked=tally.looked,
            heads=tally.heads, questions=questions.asked, outcomes=tally.outcomes, errors=tuple(tally.errors),
            complete=bool(roster and roster.complete), oldest=oldest,
        )  # fmt: skip
        self._metrics.reconciled_until(forge, oldest)
        healed = sum(count for outcome, count in tally.outcomes.items() if Outcome(outcome).heals)
        log = _log.info if healed or tally.errors else _log.debug
        log("reconciled", forge=forge, looked=tally.looked, healed=healed, errors=len(tally.errors))


def round_now(reconciler: Reconciler, closing: Callable[[], bool]) -> None:
    """A round that somebody asked for; nobody waits for its error."""
    try:
        reconciler.round(closing, all_of_them=True)
    except LedgerError as error:
        _log.warning("not reconciled", error=str(error))
