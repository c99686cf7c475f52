"""A plan, done: one call after the other, each of which may fail or be the last.

Owns: the calls of each action and their order, so that after any of them another run goes on; what a lost answer
means; that one repository's trouble is not the others'.
Leaves to others: the decision (`plan.py`), the calls (`raibid.forge.gitea.mirrors`), progress bars (`raibid.cli`).

One at a time: Gitea clones inside the request (`POST /repos/migrate`), and its disk, not we, is what is waited for.

Gitea 1.26 makes the repository first, clones, and only then makes it a mirror. When the clone fails, or Gitea dies,
an empty repository stays: it says `mirror`, has no interval, and a second migration gets 409. `_Creation` tells one
that is under way from one that is dead, and removes dead ones: nobody ever put anything there.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final, Literal

from raibid.forge.errors import (
    CallError,
    ForgeFaultError,
    ForgeInvalidError,
    ForgeLoginError,
    ForgeNotFoundError,
    ForgeRefusedError,
    ForgeUnavailableError,
)
from raibid.forge.gitea.mirrors import GiteaMirrors, Held, Migration
from raibid.mirror.actions import Action, Kind, Plan, interval_text
from raibid.mirror.config import ARCHIVED_MARK, MARK
from raibid.mirror.desired import Wanted, source_key
from raibid.mirror.errors import MirrorError, StillCloningError, TakenError
from raibid.mirror.guard import Guard
from raibid.mirror.tokens import Tokens

_AWAY_IN_A_ROW: Final = 3
"""Gitea is not asked for the rest after so many actions in a row got no answer."""
CLONE_LASTS: Final = 3600.0
"""Seconds after which an unfinished creation is dead: six times Gitea's `[git.timeout] MIGRATE`."""
_BEGINS: Final = 60.0
"""Seconds in which a creation may have no git repository yet."""

State = Literal["begins", "done", "failed", "skipped"]


@dataclass(frozen=True, kw_only=True)
class Step:
    """One action's progress."""

    state: State
    action: Action
    number: int  #: from 1
    of: int
    message: str = ""
    seconds: float = 0.0


Tell = Callable[[Step], None]


@dataclass(frozen=True, kw_only=True)
class Summary:
    """What came of a plan."""

    done: int = 0
    failed: tuple[tuple[str, str], ...] = ()  #: target, and why
    skipped: int = 0
    stopped: str = ""  #: why the rest was not tried


@dataclass(frozen=True, kw_only=True)
class Applier:
    """What an action needs. `stop`: set, nothing new begins."""

    gitea: GiteaMirrors
    tokens: Tokens
    guard: Guard
    tell: Tell
    stop: threading.Event = field(default_factory=threading.Event)
    patience: float = 600.0  #: seconds to wait for a clone whose answer was lost, or that an earlier run began
    clone_lasts: float = CLONE_LASTS
    look: float = 2.0  #: seconds between two looks at it

    def apply(self, plan: Plan) -> Summary:
        """Do all of it that can be done. Raises nothing of a forge's: it is in the summary."""
        actions = plan.to_do
        failed: list[tuple[str, str]] = []
        done, away, stopped = 0, 0, ""
        for number, action in enumerate(actions, 1):
            if self.stop.is_set():
                stopped = stopped or "interrupted"
            if stopped:
                self.tell(Step(state="skipped", action=action, number=number, of=len(actions), message=stopped))
                continue
            began = time.monotonic()
            self.tell(Step(state="begins", action=action, number=number, of=len(actions)))
            try:
                self._do(action)
            except (CallError, MirrorError) as error:
                failed.append((action.target, str(error)))
                state: State = "failed"
                message = str(error)
                away = away + 1 if isinstance(error, ForgeUnavailableError) else 0
                if isinstance(error, ForgeLoginError):
                    stopped = "Gitea does not let us in"
                elif away >= _AWAY_IN_A_ROW:
                    stopped = "Gitea does not answer"
            else:
                done, away, state, message = done + 1, 0, "done", ""
            seconds = time.monotonic() - began
            self.tell(
                Step(state=state, action=action, number=number, of=len(actions), message=message, seconds=seconds)
            )
        skipped = len(actions) - done - len(failed)
        return Summary(done=done, failed=tuple(failed), skipped=skipped, stopped=stopped)

    def _do(self, action: Action) -> None:
        match action.kind:
            case Kind.OWNER:
                self._make_owner(action.target)
            case Kind.CREATE:
                _Creation(self, _wanted(action)).run()
            case Kind.ADOPT:
                # Marked last: what is marked and still differs is an update, what is not marked is adopted again.
                self._change(action)
                self.gitea.mark(action.target, MARK)
            case Kind.UPDATE | Kind.ARCHIVE:
                self._change(action)
            case Kind.DELETE:
                self._delete(_held(action))
            case Kind.ORPHAN | Kind.CONFLICT:  # pragma: no cover - `Plan.to_do` has none
                raise AssertionError(action.kind)

    def _make_owner(self, name: str) -> None:
        try:
            self.gitea.make_owner(name)
        except ForgeRefusedError:
            if self.gitea.repositories(name) is None:  # else: an earlier run's lost answer
                raise

    def _change(self, action: Action) -> None:
        held = _held(action)
        changes = {change.field: change.new for change in action.changes}
        archived = changes.pop("archived", None)
        if changes:
            self.gitea.change(held.full_name, changes)
        name = f"{held.full_name.partition('/')[0]}/{changes['name']}" if "name" in changes else held.full_name
        # Last, so that an archive or its undoing that was killed is begun again.
        if archived is True:
            self.gitea.mark(name, ARCHIVED_MARK)
        elif archived is False:
            self.gitea.unmark(name, ARCHIVED_MARK)

    def _delete(self, held: Held) -> None:
        try:
            now = self.gitea.get(held.full_name)
            if now.id != held.id:
                raise TakenError(f"{held.full_name} is another repository now")
            self.gitea.remove(held.full_name)
        except ForgeNotFoundError:
            return  # an earlier run's lost answer


@dataclass(frozen=True)
class _Creation:
    """One mirror's making, over whatever an earlier run left of it."""

    by: Applier
    wanted: Wanted

    def run(self) -> None:
        """Make it, and mark it.

        Raises:
            CallError, MirrorError: it is not made, or not marked; another run goes on.
        """
        wanted, gitea = self.wanted, self.by.gitea
        self.by.guard.check(wanted.source)
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
            auth_token=self.by.tokens.value(wanted.token),
        )

    def _settle(self, error: CallError | TakenError) -> None:
        """After a creation without a good answer: return once it is done all the same, else raise."""
        ended = isinstance(error, ForgeInvalidError | ForgeFaultError)
        until = time.monotonic() + self.by.patience
        while True:
            there = self._there()
            if there is None:
                raise error
            if not there.shell:
                return
            if ended or self._dead(there):
                if there.empty:
                    self.by.gitea.remove(self.wanted.target)
                raise error
            if time.monotonic() > until or self.by.stop.wait(self.by.look):
                raise StillCloningError(f"{self.wanted.target}: Gitea is still cloning it; run it again later")

    def _there(self) -> Held | None:
        """The repository of our name.

        Raises:
            TakenError: it is something else.
        """
        try:
            held = self.by.gitea.get(self.wanted.target)
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
        return age > self.by.clone_lasts or (age > _BEGINS and not self.by.gitea.has_git(self.wanted.target))


def _wanted(action: Action) -> Wanted:
    if action.wanted is None:
        raise AssertionError(f"{action.kind} {action.target} wants nothing")
    return action.wanted


def _held(action: Action) -> Held:
    if action.held is None:
        raise AssertionError(f"{action.kind} {action.target} is about nothing")
    return action.held
