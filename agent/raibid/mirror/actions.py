"""What a plan is made of, and the state it is made from: frozen values, no decisions.

Owns: the kinds of actions and their order, how Gitea writes intervals, how an archived mirror is called.
Leaves to others: which action a repository gets (`plan.py`, `leftovers.py`).
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from raibid.forge.gitea.mirrors import Held
from raibid.mirror.config import ARCHIVED_MARK
from raibid.mirror.desired import Wanted

ARCHIVED: Final = "archived-"
"""What the names of archived mirrors begin with: Gitea answers 422 to archiving a mirror. Others may be called so too,
therefore a topic says which are."""


class Kind(StrEnum):
    """What is done, in this order."""

    OWNER = "owner"
    CREATE = "create"
    ADOPT = "adopt"
    UPDATE = "update"
    ARCHIVE = "archive"
    DELETE = "delete"
    ORPHAN = "orphan"
    CONFLICT = "conflict"


REPORTED: Final = (Kind.ORPHAN, Kind.CONFLICT)
"""Kinds that are only told: a person decides."""


@dataclass(frozen=True)
class Change:
    """A field of a repository: as Gitea's API names it, what it is, what it should be.

    `archived` is ours: a topic."""

    field: str
    old: object
    new: object


@dataclass(frozen=True, kw_only=True)
class Action:
    """What is done with one repository (or owner), and why."""

    kind: Kind
    target: str
    why: str = ""
    changes: tuple[Change, ...] = ()
    wanted: Wanted | None = None
    held: Held | None = None  #: what was there when the plan was made


@dataclass(frozen=True, kw_only=True)
class Plan:
    """All actions, in order, and what else a person should know."""

    actions: tuple[Action, ...] = ()
    notes: tuple[str, ...] = ()
    troubles: tuple[str, ...] = ()  #: why this is not the whole of it
    unchanged: int = 0

    @property
    def to_do(self) -> tuple[Action, ...]:
        """What `apply` does."""
        return tuple(action for action in self.actions if action.kind not in REPORTED)

    @property
    def conflicts(self) -> tuple[Action, ...]:
        """What the file asks for and nobody does."""
        return tuple(action for action in self.actions if action.kind is Kind.CONFLICT)


@dataclass(frozen=True, kw_only=True)
class Actual:
    """What Gitea has."""

    owners: Mapping[str, Sequence[Held] | None] = field(default_factory=dict)  #: lower case; None: no such owner
    marked: Sequence[Held] = ()  #: everything of ours, whoever owns it

    @property
    def by_name(self) -> dict[str, Held]:
        """Every repository that is known, by its full name in lower case."""
        every = [*self.marked, *(one for some in self.owners.values() for one in some or ())]
        return {one.full_name.lower(): one for one in every}


def interval_of(text: str) -> int:
    """Seconds of Gitea's `8h0m0s`."""
    found = re.fullmatch(r"(?:(\d+)h)?(?:(\d+)m)?(?:(\d+)(?:\.\d+)?s)?", text, re.ASCII)
    hours, minutes, seconds = (int(part or 0) for part in found.groups()) if found else (0, 0, 0)
    return hours * 3600 + minutes * 60 + seconds


def interval_text(seconds: int) -> str:
    """`8h0m0s`, as Gitea itself writes it; `0s` for never."""
    hours, minutes = divmod(seconds // 60, 60)
    if hours:
        return f"{hours}h{minutes}m0s"
    return f"{minutes}m0s" if minutes else "0s"


def is_archived(held: Held) -> bool:
    """Whether it was archived to the end."""
    return ARCHIVED_MARK in held.topics
