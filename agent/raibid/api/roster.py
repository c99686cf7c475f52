"""The repositories of one forge, as one round of the reconciler sees them beside what is remembered.

Owns: listing them, noticing that one is gone or has another name, whose turn it is.
Leaves to others: what a standing means (`raibid.forge.reconcile`), looking at one (`look.py`).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import msgspec
import structlog

from raibid.api.look import Questions
from raibid.forge import Enrolment, PayloadError, names
from raibid.forge.errors import CallError, ForgeFaultError, ForgeNotFoundError, ForgeReachError, ForgeRefusedError
from raibid.forge.forge import Forge, RepositoryInfo
from raibid.forge.reconcile import Standing, in_turn, standing_of
from raibid.ledger import Ledger
from raibid.ledger.heads import Watched

_log: Final = structlog.get_logger("raibid.api")
_PER_PAGE: Final = 50
"""Repositories a question for the list gives: Gitea's; GitHub gives a hundred."""
_ABSENT_KEPT: Final = 30 * 86_400.0
"""Seconds a repository that is gone is remembered: a token that lost its rights for a while must not make all of
its repositories new."""
_RENAME_AWAITED: Final = 86_400.0
"""Seconds for which one that is missing, and cannot be asked for, holds up what is new: it may be refused for ever."""
_WATCHED: Final = (Standing.FIRST, Standing.IN)


class Roster:
    """One round's view. `take` it, then ask for repositories in turn."""

    def __init__(
        self, ledger: Ledger, enrolment: Enrolment, forge: str, client: Forge, questions: Questions, now: float
    ) -> None:
        self.forge: Final = forge
        self.now: Final = now
        self.complete = False
        """Whether the forge has told all of its repositories in this round."""
        self.trouble: CallError | None = None
        """Why it has not."""
        self._memory = ledger.heads
        self._enrolment = enrolment
        self._lists = enrolment.default is not None or enrolment.mirrors is not None
        self._client = client
        self._questions = questions
        self._known: dict[str, Watched] = self._memory.watched(forge)
        self._all_were_known = self._lists and bool(self._memory.listed(forge))
        self._infos: dict[str, RepositoryInfo] = {}
        self._unresolved = False
        """Whether one is missing that could not be asked for: then none is new, for it may be that one, renamed."""
        self._tried: dict[str, Watched] = {}

    @property
    def may_ask(self) -> bool:
        """Whether the forge may be asked about one more repository."""
        return self._questions.left >= 2

    @property
    def watched(self) -> int:
        """How many repositories are built."""
        return sum(one.standing in _WATCHED for one in self._known.values())

    def oldest(self) -> float:
        """When the repository that waits longest was looked at: nothing that was lost before then is still lost."""
        return min((one.looked for one in self._known.values() if one.standing in _WATCHED), default=self.now)

    def take(self) -> None:
        """See which repositories there are.

        With a default rule all that our user may read are asked for; else those that the file names, each in turn.
        A list that ends in an error is used as far as it goes, and nothing is taken for gone because of it.

        Raises:
            ForgeUnavailableError: the forge is away. ForgeLoginError: it does not let us in.
        """
        if not self._lists:
            self._only_named()
            return
        try:
            for info in self._listed():
                self._infos[info.full_name] = info
            self.complete = True
        except (ForgeRefusedError, ForgeReachError, ForgeFaultError) as error:
            self.trouble = error
            _log.warning("not all repositories listed", forge=self.forge, error=str(error))
        if self.complete:
            for name in sorted(set(self._known) - set(self._infos)):
                self._missing(name)
        if not self._all_were_known:
            _log.info("first list of a forge: what is there is not built", forge=self.forge, listed=len(self._infos))
        for info in self._infos.values():
            if info.full_name in self._known or not self._unresolved:
                self.settle(info)
        if self.complete:
            self._memory.note_listed(self.forge, self.now)

    def _only_named(self) -> None:
        """What no list tells any more is unknown again: named or listed later, it begins with its next push."""
        self._memory.note_unlisted(self.forge)
        for name in sorted(set(self._known) - set(self._enrolment.repositories)):
            if self._known[name].standing not in _WATCHED:
                self._drop(name)

    def _listed(self) -> Iterator[RepositoryInfo]:
        for number, info in enumerate(self._client.repositories()):
            if number % _PER_PAGE == 0:
                self._questions.ask()
            try:
                names.repository(info.full_name)
            except PayloadError as error:
                _log.debug("repository left out", forge=self.forge, error=str(error))
            else:
                yield info

    def _missing(self, name: str) -> None:
        """A repository that the list does not have any more: gone, renamed, or no longer ours to read."""
        was = self._known[name]
        if was.standing == Standing.OUT or (was.standing == Standing.ABSENT and self.now - was.tried > _ABSENT_KEPT):
            self._drop(name)
        elif was.standing in _WATCHED and not self.may_ask:
            self._unresolved = True
        elif was.standing in _WATCHED:
            try:
                info = self.ask(name)
            except (ForgeRefusedError, ForgeReachError, ForgeFaultError) as error:
                _log.info("not listed, and not to be asked for", forge=self.forge, repo=name, error=str(error))
                self._unresolved |= self.now - was.looked < _RENAME_AWAITED
            else:
                self._infos |= {info.full_name: info} if info else {}

    def ask(self, name: str) -> RepositoryInfo | None:
        """A repository by its name, or by the one it had; None: it is not there, or not for us.

        Raises:
            CallError: any other trouble.
        """
        self._questions.ask()
        try:
            info = self._client.repository(name)
        except ForgeNotFoundError:
            if name in self._known or name in self._enrolment.repositories:
                self._set(name, Watched(Standing.ABSENT, looked=self._looked(name), tried=self.now))
            return None
        if info.full_name != name and name in self._known:
            self._renamed(name, info.full_name)
        return info

    def _renamed(self, old: str, new: str) -> None:
        if new in self._known:  # it moved to a name that another one had: what is known of that name stands
            self._set(old, Watched(Standing.ABSENT, tried=self.now))
            return
        _log.info("repository renamed", forge=self.forge, was=old, repo=new)
        self._memory.rename(self.forge, old, new)
        self._known[new] = self._known.pop(old)

    def settle(self, info: RepositoryInfo) -> Standing | None:
        """A repository's standing, remembered; None: nothing of it is built."""
        was = self._known.get(info.full_name)
        before = Standing(was.standing) if was else None
        standing = standing_of(info, before, self._enrolment, others_are_known=self._all_were_known)
        if standing is not before and (was or self._lists or standing is not Standing.OUT):
            self._set(info.full_name, msgspec.structs.replace(was or Watched(""), standing=str(standing)))
        return standing if standing in _WATCHED else None

    def why_not(self, name: str, info: RepositoryInfo | None) -> str:
        """Why a repository is not looked at."""
        if info is None:
            return f"{self.forge} has no {name}"
        if info.archived:
            return f"{info.full_name} is archived"
        return f"{info.full_name} is {'a mirror that is ' if info.mirror else ''}not in the enrolment file"

    def in_turn(self, fresh: float) -> list[str]:
        """The repositories to look at, the one that was longest not tried first; without those looked at just now."""
        named = set() if self._lists else set(self._enrolment.repositories)
        watched = {name for name, one in self._known.items() if one.standing in _WATCHED} | named
        due = [name for name in watched if self.now - self._looked(name) >= fresh]
        return list(in_turn({name: self._tries(name) for name in due}, due))

    def info(self, name: str) -> RepositoryInfo | None:
        """A repository as the list has it; one that no list told is asked for."""
        return self._infos.get(name) or (None if self.complete else self.ask(name))

    def trying(self, name: str) -> None:
        """Its turn has come, and the next one is everybody else's first, whatever comes of it."""
        if was := self._known.get(name):
            self._tried[name] = self._known[name] = msgspec.structs.replace(was, tried=self.now)

    def looked(self, name: str) -> None:
        """A look went well; the looker has remembered it."""
        self._tried.pop(name, None)
        self._known[name] = Watched(Standing.IN, looked=self.now, tried=self.now)

    def refused(self, name: str) -> None:
        """It is not for us to read: there is no use in counting how long that has been so."""
        if was := self._known.get(name):
            self._tried[name] = self._known[name] = msgspec.structs.replace(was, looked=self.now)

    def note_tries(self) -> None:
        """Remember the turns that came to nothing."""
        self._memory.watch(self.forge, {name: one for name, one in self._tried.items() if self._known.get(name) == one})

    def _drop(self, name: str) -> None:
        self._memory.drop(self.forge, name)
        del self._known[name]

    def _set(self, name: str, seen: Watched) -> None:
        self._known[name] = seen
        self._memory.watch(self.forge, {name: seen})

    def _looked(self, name: str) -> float:
        return self._known[name].looked if name in self._known else 0.0

    def _tries(self, name: str) -> float:
        return self._known[name].tried if name in self._known else 0.0
