"""The reconciler: what no webhook told us of is found on the forges, and built.

Owns: the course of a round, what a forge's trouble means for the rest of it.
Leaves to others: which repositories there are and whose turn it is (`roster.py`), one repository's look (`look.py`),
the memory (`raibid.ledger.heads`), what people are told (`reconcile_report.py`), the rhythm (`background.py`).

Nothing here must survive: a process that dies leaves the memory as far as its looks had got.
"""

from __future__ import annotations

import secrets
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from functools import partial
from typing import Final

import structlog

from raibid.api.forges import Connect
from raibid.api.look import Look, Looker, Questions
from raibid.api.metrics import Metrics
from raibid.api.patience import Patience
from raibid.api.reconcile_report import Reconciliation, Reports, Tally
from raibid.api.roster import Roster
from raibid.forge import Enrolment
from raibid.forge.errors import (
    CallError,
    ForgeLimitError,
    ForgeLoginError,
    ForgeRefusedError,
    ForgeSilentError,
    ForgeUnavailableError,
)
from raibid.forge.forge import Forge
from raibid.ledger import Ledger, LedgerError

_log: Final = structlog.get_logger("raibid.api")
_FORGES: Final = frozenset({"gitea", "github"})
_STRIKES: Final = 3
"""So many repositories in a row that got no answer: it is the forge."""


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
        self._asking = threading.Lock()
        self._asked = 0
        """The number of the last round that somebody asked for."""
        self._process: Final = secrets.token_hex(8)
        self._reports = Reports(metrics)
        self._in_trouble: set[str] = set()
        """Repositories whose trouble the log has; bounded by those that are watched."""
        for forge in forges:
            metrics.watch_reconciler(forge, clock)

    def report(self) -> Reconciliation:
        """What the last round found, and what was healed."""
        return self._reports.shown(self._process, self._finished)

    @property
    def process(self) -> str:
        """Whose rounds these are: each process of the API counts its own."""
        return self._process

    def ask_for_round(self) -> tuple[int, bool]:
        """The number of the first round that begins from now on, and whether it waits for the asker to begin it.

        If not, somebody has asked before: each that waits for its turn has a thread that requests are served by.
        """
        with self._asking:
            number = self._finished + (2 if self._rounds.locked() else 1)
            is_first, self._asked = number > self._asked, number
            return number, is_first

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
        """Look at one repository now, at every forge or at one; a Look for each of them.

        Raises:
            CallError: a forge did not answer. LedgerError: Redis failed.
        """
        looks: list[Look] = []
        for name, connect in self._forges.items():
            if forge in ("", name):
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
        looker = Looker(self._ledger, self._enrolment, name, client, questions, self._reports.look)
        return looker.look(info, standing, now)

    # --- one forge's round -----------------------------------------------------------------------------

    def _round_of(self, forge: str, connect: Connect, fresh: float, closing: Callable[[], bool]) -> int:
        started, now = time.monotonic(), self._clock()
        tally, questions = Tally(), Questions(self._questions)
        roster: Roster | None = None
        with ExitStack() as connection:
            try:
                client = connection.enter_context(connect())
                roster = Roster(self._ledger, self._enrolment, forge, client, questions, now)
                roster.take()
                if roster.trouble:
                    tally.error(roster.trouble)
                tell = partial(self._tell, tally)
                looker = Looker(self._ledger, self._enrolment, forge, client, questions, tell)
                self._look_at_all(roster, looker, fresh, closing, tally)
                if self._away.succeeded(forge):
                    _log.info("the forge can be reconciled again", forge=forge)
            except CallError as error:
                self._forge_failed(forge, error, tally)
            finally:
                if roster:
                    roster.note_tries()
        self._reports.round(forge, roster, tally, questions, now, time.monotonic() - started)
        return tally.healed

    def _look_at_all(
        self, roster: Roster, looker: Looker, fresh: float, closing: Callable[[], bool], tally: Tally
    ) -> None:
        """Raises CallError: the forge, and not only one repository, is in trouble."""
        strikes = 0
        for name in roster.in_turn(fresh):
            if closing() or not roster.may_ask:
                return
            try:
                self._look_in_turn(roster, looker, name)
            except (ForgeLimitError, ForgeLoginError):
                raise
            except CallError as error:
                strikes = strikes + 1 if isinstance(error, ForgeUnavailableError) else 0
                if strikes >= _STRIKES or (strikes and not isinstance(error, ForgeSilentError)):
                    raise
                self._repository_failed(roster, name, error, tally)
            else:
                strikes = 0
                self._in_trouble.discard(name)

    @staticmethod
    def _look_in_turn(roster: Roster, looker: Looker, name: str) -> None:
        roster.trying(name)
        info = roster.info(name)
        standing = roster.settle(info) if info else None
        if info is None or standing is None:
            return  # nothing of it is built, after all
        look = looker.look(info, standing, roster.now)
        if not look.left:
            roster.looked(info.full_name)

    def _tell(self, tally: Tally, look: Look) -> None:
        tally.count(look)
        self._reports.look(look)

    def _repository_failed(self, roster: Roster, name: str, error: CallError, tally: Tally) -> None:
        tally.error(error)
        self._metrics.reconciled(roster.forge, "error")
        if isinstance(error, ForgeRefusedError):
            roster.refused(name)
        if name not in self._in_trouble:
            self._in_trouble.add(name)
            _log.warning("repository not reconciled", forge=roster.forge, repo=name, error=str(error))

    def _forge_failed(self, forge: str, error: CallError, tally: Tally) -> None:
        tally.error(error)
        self._metrics.reconciled(forge, "away")
        asked = error.retry_after if isinstance(error, ForgeUnavailableError) else 0.0
        if self._away.failed(forge, asked):
            _log.warning("the forge cannot be reconciled now", forge=forge, error=str(error))


def round_now(reconciler: Reconciler, closing: Callable[[], bool]) -> None:
    """A round that somebody asked for; nobody waits for its error."""
    try:
        reconciler.round(closing, all_of_them=True)
    except LedgerError as error:
        _log.warning("not reconciled", error=str(error))
