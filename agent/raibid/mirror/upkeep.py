"""One mirror, looked at and brought up to its source: verified by comparing heads, never by being told so.

Gitea answers to "sync" before it fetches, and says nothing when fetching fails. So the source's heads are asked for
first, then Gitea's, and a mirror is verified when they are the same.

Owns: the order of things, what each failure means for the record.
Leaves to others: who may be asked (`guard.py`), what a sync would lose (`force_push.py`), bundles (`bundle.py`), when
a mirror is looked at and where its record is kept (`raibid.api.mirror_keeper`).
"""

from __future__ import annotations

import tempfile
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Final

import msgspec

from raibid.forge.errors import CallError
from raibid.forge.gitea import GiteaClient
from raibid.forge.gitea.mirrors import GiteaMirrors
from raibid.mirror.bundle import Scratch
from raibid.mirror.errors import MirrorError, RefusedSourceError, SourceGoneError
from raibid.mirror.force_push import Heads, Step, decide
from raibid.mirror.git import Git
from raibid.mirror.guard import Guard
from raibid.mirror.kept import Kept
from raibid.mirror.tokens import Tokens
from raibid.model.mirror import MirrorRecord, MirrorState
from raibid.store import Store, StoreError

_FIRST_PAUSE: Final = 0.2
_LONGEST_PAUSE: Final = 2.0
_SHOWN: Final = 5


@dataclass(frozen=True)
class Look:
    """What one look made of a mirror."""

    record: MirrorRecord
    moved: bool = False
    """Whether it has other heads than before: somebody may want to build them."""


@dataclass(frozen=True, kw_only=True)
class Upkeep:
    """How mirrors are looked at. `gitea` is not for several threads at once."""

    gitea: GiteaMirrors
    gitea_url: str
    """Where git reaches it."""
    gitea_git: Git
    guard: Guard
    tokens: Tokens
    store: Store
    patience: float = 30.0
    """Seconds for Gitea to bring what it was told to fetch."""
    closing: threading.Event = field(default_factory=threading.Event)
    clock: Callable[[], float] = time.time

    def look(self, mirror: Kept, before: MirrorRecord | None, *, only_compare: bool = False) -> Look:
        """Compare a mirror with its source, and bring it up to it unless `only_compare`.

        Never raises for what can happen to a mirror: it is in the record.
        """
        last = before or MirrorRecord(source=mirror.source)
        last = msgspec.structs.replace(last, source=mirror.source, checked=self.clock())
        try:
            source = self.guard.check(mirror.source)
            origin = _Origin(mirror.source, Git(source.git_settings, token=self.tokens.file(mirror.token)))
            wanted, had = origin.heads(), self._heads(mirror.name)
            if wanted == had:
                return Look(_verified(last, last.checked, len(had)))
            if only_compare:
                return Look(_not(last, MirrorState.BEHIND, _difference(wanted, had)))
            return self._bring(mirror, last, origin, wanted, had)
        except RefusedSourceError as error:
            return Look(_not(last, MirrorState.REFUSED, str(error)))
        except SourceGoneError as error:
            return Look(_not(last, MirrorState.GONE, str(error)))
        except (MirrorError, CallError, StoreError) as error:
            return Look(_not(last, MirrorState.UNREACHABLE, str(error)))

    def _bring(self, mirror: Kept, last: MirrorRecord, origin: _Origin, wanted: Heads, had: Heads) -> Look:
        with tempfile.TemporaryDirectory(prefix="raibid-mirror-") as room:
            both = _Both(self, mirror.name, origin, Path(room))
            decision = decide(mirror.policy, wanted, had, lambda old, new: both.scratch.descends(old, new))
            if decision.step is Step.REFUSE:
                return Look(_not(last, MirrorState.BLOCKED, decision.reason))
            if decision.step is Step.BUNDLE and had:
                last = msgspec.structs.replace(last, bundle=both.scratch.keep(mirror.name, self.store).key)
        self.gitea.sync(mirror.name)
        now, equal = self._await(mirror.name, origin, wanted, had)
        if equal:
            record = _verified(last, self.clock(), len(now))
            return Look(msgspec.structs.replace(record, seconds=record.checked - last.checked), moved=True)
        late = f"Gitea did not bring it within {self.patience:g} s: {_difference(origin.heads(), now)}"
        return Look(_not(last, MirrorState.BEHIND, late), moved=now != had)

    def _await(self, name: str, origin: _Origin, wanted: Heads, had: Heads) -> tuple[Heads, bool]:
        """Gitea's heads, and whether they are the source's by now."""
        deadline, pause = time.monotonic() + self.patience, _FIRST_PAUSE
        while True:
            now = self._heads(name)
            if now == wanted or (now != had and now == origin.heads()):  # which may have gone on meanwhile
                return now, True
            if time.monotonic() > deadline or self.closing.wait(pause):
                return now, False
            pause = min(_LONGEST_PAUSE, pause * 1.5)

    def _heads(self, name: str) -> Heads:
        return {head.branch: head.sha for head in GiteaClient(self.gitea.session).heads(name)}


@dataclass(frozen=True)
class _Origin:
    """The source, as it may be asked."""

    url: str
    git: Git

    def heads(self) -> Heads:
        return self.git.heads(self.url)


@dataclass
class _Both:
    """Both sides' commits in one place, brought when somebody asks for them: most syncs need none."""

    upkeep: Upkeep
    name: str
    origin: _Origin
    room: Path

    @cached_property
    def scratch(self) -> Scratch:
        scratch = Scratch(self.room, self.upkeep.gitea_git, self.origin.git)
        scratch.fetch_mirror(f"{self.upkeep.gitea_url.rstrip('/')}/{self.name}.git")
        scratch.fetch_source(self.origin.url)
        return scratch


def _verified(last: MirrorRecord, now: float, branches: int) -> MirrorRecord:
    return msgspec.structs.replace(
        last, state=MirrorState.VERIFIED, checked=now, verified=now, behind=0.0, errors=0, reason="", branches=branches
    )


def _not(last: MirrorRecord, state: MirrorState, reason: str) -> MirrorRecord:
    return msgspec.structs.replace(
        last, state=state, behind=last.behind or last.checked, errors=last.errors + 1, reason=reason
    )


def _difference(source: Heads, mirror: Heads) -> str:
    """Which branches are not the same, for people."""
    names = sorted({name for name in (*source, *mirror) if source.get(name) != mirror.get(name)})
    shown = ", ".join(names[:_SHOWN])
    return f"{len(names)} of {len(source)} branches differ: {shown}{', …' if len(names) > _SHOWN else ''}"
