"""A plan, done: one call after the other, each of which may fail or be the last.

Owns: the calls of each action and their order, so that after any of them another run goes on; that one repository's
trouble is not the others'.
Leaves to others: the decision (`plan.py`), making a mirror over whatever is left of an earlier attempt
(`creation.py`), the calls (`raibid.forge.gitea.mirrors`), progress bars (`raibid.cli`).

One at a time: Gitea clones inside the request (`POST /repos/migrate`), and its disk, not we, is what is waited for.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Final, Literal

from raibid.forge.errors import (
    CallError,
    ForgeLoginError,
    ForgeNotFoundError,
    ForgeRefusedError,
    ForgeUnavailableError,
)
from raibid.forge.gitea.mirrors import GiteaMirrors, Held
from raibid.mirror.actions import Action, Kind, Plan
from raibid.mirror.config import ARCHIVED_MARK, MARK
from raibid.mirror.creation import CLONE_LASTS, Creation
from raibid.mirror.desired import Wanted
from raibid.mirror.errors import MirrorError, TakenError
from raibid.mirror.guard import Guard
from raibid.mirror.tokens import Tokens

_AWAY_IN_A_ROW: Final = 3
"""Gitea is not asked for the rest after so many actions in a row got no answer."""
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
Trouble = CallError | MirrorError


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
        ends: list[Trouble | None] = []
        stopped = ""
        for number, action in enumerate(actions, 1):
            step = Step(state="begins", action=action, number=number, of=len(actions))
            stopped = stopped or _why_stop(ends) or ("interrupted" if self.stop.is_set() else "")
            if stopped:
                self.tell(replace(step, state="skipped", message=stopped))
                continue
            began = time.monotonic()
            self.tell(step)
            trouble = self._attempt(action)
            ends.append(trouble)
            state: State = "failed" if trouble else "done"
            self.tell(replace(step, state=state, message=str(trouble or ""), seconds=time.monotonic() - began))
        failed = [(action.target, str(end)) for action, end in zip(actions, ends, strict=False) if end]
        return Summary(
            done=len(ends) - len(failed), failed=tuple(failed), skipped=len(actions) - len(ends), stopped=stopped
        )

    def _attempt(self, action: Action) -> Trouble | None:
        try:
            self._do(action)
        except (CallError, MirrorError) as trouble:
            return trouble
        return None

    def _do(self, action: Action) -> None:
        match action.kind:
            case Kind.OWNER:
                self._make_owner(action.target)
            case Kind.CREATE:
                self._creation(_wanted(action)).run()
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

    def _creation(self, wanted: Wanted) -> Creation:
        return Creation(
            wanted=wanted, gitea=self.gitea, tokens=self.tokens, guard=self.guard, stop=self.stop,
            patience=self.patience, clone_lasts=self.clone_lasts, look=self.look,
        )  # fmt: skip

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


def _why_stop(ends: Sequence[Trouble | None]) -> str:
    """Why nothing more should be tried after these; empty: go on."""
    if ends and isinstance(ends[-1], ForgeLoginError):
        return "Gitea does not let us in"
    last = ends[-_AWAY_IN_A_ROW:]
    away = len(last) == _AWAY_IN_A_ROW and all(isinstance(end, ForgeUnavailableError) for end in last)
    return "Gitea does not answer" if away else ""


def _wanted(action: Action) -> Wanted:
    if action.wanted is None:
        raise AssertionError(f"{action.kind} {action.target} wants nothing")
    return action.wanted


def _held(action: Action) -> Held:
    if action.held is None:
        raise AssertionError(f"{action.kind} {action.target} is about nothing")
    return action.held
