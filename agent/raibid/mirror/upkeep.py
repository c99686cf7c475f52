"""One mirror, looked at and brought up to its source: verified by comparing refs, never by being told so.

Gitea answers to "sync" before it fetches, and says nothing when fetching fails. So the source's branches and tags are
asked for first, then Gitea's, and a mirror is verified when they are the same.

Owns: the order of things, from a difference to equal sides.
Leaves to others: comparing and what each failure means (`sides.py`), what a sync would lose (`ancestry.py`,
`force_push.py`), bundles (`bundle.py`), when a mirror is looked at and where its record is kept
(`raibid.api.mirror_keeper`).
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Final

import msgspec

from raibid.forge.gitea.mirrors import GiteaMirrors
from raibid.git.errors import StoppedError
from raibid.git.rooms import Rooms
from raibid.mirror import ancestry, bundle
from raibid.mirror.force_push import Heads, Step, decide
from raibid.mirror.kept import Kept
from raibid.mirror.sides import TROUBLE, Side, Sides, begun, difference, differing, troubled, verified
from raibid.model.mirror import MirrorRecord, MirrorState
from raibid.store import Store

_FIRST_PAUSE: Final = 0.2
_LONGEST_PAUSE: Final = 2.0


@dataclass(frozen=True)
class Look:
    """What one look made of a mirror."""

    record: MirrorRecord
    moved: bool = False
    """Whether it has other refs than before: somebody may want to build them."""
    source: Heads | None = None
    """The source's refs; None: it did not answer."""


@dataclass(frozen=True, kw_only=True)
class Upkeep:
    """How mirrors are looked at. `gitea` is not for several threads at once."""

    sides: Sides
    gitea: GiteaMirrors
    store: Store
    rooms: Rooms
    patience: float = 30.0
    """Seconds for Gitea to bring what it was told to fetch."""

    def look(self, mirror: Kept, before: MirrorRecord | None, *, since: float | None = None) -> Look:
        """Compare a mirror with its source, and bring it up to it. `since`: when somebody asked for that.

        Never raises for what can happen to a mirror: it is in the record. Raises StoppedError: nothing came of it.
        """
        last, wanted = begun(mirror, before, self.sides.clock()), None
        try:
            source, ours = self.sides.source(mirror), self.sides.ours(mirror)
            wanted = source.refs()
            had = ours.refs()
            if wanted == had:
                return Look(verified(last, last.checked, had), source=wanted)
            if not mirror.synced:
                reason = f"no entry of the file asks for it, so it is not synced: {difference(wanted, had)}"
                return Look(differing(last, MirrorState.BEHIND, reason), source=wanted)
            return self._bring(_Both(mirror, source, ours, wanted, had), last, since)
        except StoppedError:
            raise
        except TROUBLE as error:
            return Look(troubled(last, error), source=wanted)

    def _bring(self, both: _Both, last: MirrorRecord, since: float | None) -> Look:
        name, wanted, had = both.mirror.name, both.wanted, both.had
        decision = decide(
            both.mirror.policy,
            wanted,
            had,
            lambda commits: ancestry.kept(commits, both.ours, both.source, had, wanted, self.rooms),
        )
        if decision.step is Step.REFUSE:
            return Look(differing(last, MirrorState.BLOCKED, decision.reason), source=wanted)
        if decision.step is Step.BUNDLE and had:
            with self.rooms.large() as room:
                kept = bundle.keep(both.ours, room, name, self.store)
            last = msgspec.structs.replace(last, bundle=kept.key)
        try:
            return self._sync(both, last, since)
        except StoppedError:
            raise
        except TROUBLE as error:  # the bundle is there all the same
            return Look(troubled(last, error), source=wanted)

    def _sync(self, both: _Both, last: MirrorRecord, since: float | None) -> Look:
        self.gitea.sync(both.mirror.name)
        now, equal = self._await(both)
        if equal:
            record = verified(last, self.sides.clock(), now)
            begun_at = min(since or last.checked, last.behind or last.checked)
            return Look(msgspec.structs.replace(record, seconds=record.checked - begun_at), moved=True, source=now)
        late = f"Gitea did not bring it within {self.patience:g} s: {difference(both.source.refs(), now)}"
        return Look(differing(last, MirrorState.BEHIND, late), moved=now != both.had, source=both.wanted)

    def _await(self, both: _Both) -> tuple[Heads, bool]:
        """Gitea's refs, and whether they are the source's by now. Raises GitError, StoppedError."""
        deadline, pause = time.monotonic() + self.patience, _FIRST_PAUSE
        while True:
            now = both.ours.refs()
            if now == both.wanted or (
                now != both.had and now == both.source.refs()
            ):  # which may have gone on meanwhile
                return now, True
            if time.monotonic() > deadline:
                return now, False
            if self.sides.closing.wait(pause):
                raise StoppedError("Gitea was waited for")
            pause = min(_LONGEST_PAUSE, pause * 1.5)


@dataclass(frozen=True)
class _Both:
    """A mirror, its two sides, and the refs of each before it is brought up to its source."""

    mirror: Kept
    source: Side
    ours: Side
    wanted: Heads
    had: Heads
