"""One mirror, made: over whatever an earlier attempt left, and whatever became of the answer.

Owns: what a lost answer, a taken name and an unfinished repository mean, and what is done about each.
Leaves to others: when (`apply.py`), the calls (`raibid.forge.gitea.mirrors`).

Gitea 1.26 makes the repository first, clones, and only then makes it a mirror. When the clone fails, or Gitea dies,
an empty repository stays: it says `mirror`, has no interval, and a second migration gets 409. `Creation` tells one
that is under way from one that is dead, and removes dead ones: nobody ever put anything there.
"""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from raibid.forge.errors import CallError, ForgeFaultError, ForgeInvalidError, ForgeNotFoundError
from raibid.forge.gitea.mirrors import GiteaMirrors, Held, Migration
from raibid.mirror.actions import interval_text
from raibid.mirror.config import MARK
from raibid.mirror.desired import Wanted, source_key
from raibid.mirror.errors import StillCloningError, TakenError
from raibid.mirror.guard import Guard
from raibid.mirror.tokens import Tokens

CLONE_LASTS: Final = 3600.0
"""Seconds after which an unfinished creation is dead: six times Gitea's `[git.timeout] MIGRATE`."""
_BEGINS: Final = 60.0
"""Seconds in which a creation may have no git repository yet."""


@dataclass(frozen=True, kw_only=True)
class Creation:
    """One mirror's making, over whatever an earlier run left of it."""

    wanted: Wanted
    gitea: GiteaMirrors
    tokens: Tokens
    guard: Guard
    stop: threading.Event  #: set: waited for nothing any more
    patience: float  #: seconds to wait for a clone that Gitea is still at
    clone_lasts: float = CLONE_LASTS
    look: float = 2.0  #: seconds between two looks at it

    def run(self) -> None:
        """Make it, and mark it.

        Raises:
            CallError, MirrorError: it is not made, or not marked; another run goes on.
        """
        wanted, gitea = self.wanted, self.gitea
        self.guard.check(wanted.source)
        there = self._there()
        if there and (there.shell and self._dead(there)):
            gitea.remove(wanted.target)
            there = None
        if there is None:
            try:
                gitea.migrate(self._migration())
            except CallError as error:
                self._settle(error)
        else:
            self._settle(TakenError(f"{wanted.target} is there already"))
        gitea.mark(wanted.target, MARK)

    def _migration(self) -> Migration:
        wanted = self.wanted
        return Migration(
            clone_addr=wanted.source,
            repo_owner=wanted.owner,
            repo_name=wanted.name,
            private=wanted.private,
            mirror_interval=interval_text(wanted.gitea_interval),
            description=wanted.description or "",
            lfs=wanted.lfs,
            wiki=wanted.wiki,
            auth_token=self.tokens.value(wanted.token),
        )

    def _settle(self, error: CallError | TakenError) -> None:
        """After a creation without a good answer: return once it is done all the same, else raise."""
        ended = isinstance(error, ForgeInvalidError | ForgeFaultError)
        until = time.monotonic() + self.patience
        while True:
            there = self._there()
            if there is None:
                raise error
            if not there.shell:
                return
            if ended or self._dead(there):
                if there.empty:
                    self.gitea.remove(self.wanted.target)
                raise error
            if time.monotonic() > until or self.stop.wait(self.look):
                raise StillCloningError(f"{self.wanted.target}: Gitea is still cloning it; run it again later")

    def _there(self) -> Held | None:
        """The repository of our name.

        Raises:
            TakenError: it is something else.
        """
        try:
            held = self.gitea.get(self.wanted.target)
        except ForgeNotFoundError:
            return None
        if not held.mirror or source_key(held.original_url) != source_key(self.wanted.source):
            raise TakenError(f"{held.full_name}: something else is there now")
        return held

    def _dead(self, shell: Held) -> bool:
        """Whether nothing will come of an unfinished creation any more."""
        if not shell.empty:
            return False
        age = (datetime.now(UTC) - datetime.fromisoformat(shell.created_at)).total_seconds()
        return age > self.clone_lasts or (age > _BEGINS and not self.gitea.has_git(self.wanted.target))
