"""A mirror's two sides, source and Gitea, as git asks them; whether both have the same branches and tags.

Owns: with which settings and credentials each is asked, comparing.
Leaves to others: who may be asked (`guard.py`), what follows from a difference (`upkeep.py`).
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import msgspec

from raibid.forge.errors import CallError
from raibid.git.cli import Git
from raibid.git.errors import GitError, SourceGoneError, StoppedError, TooLargeError
from raibid.git.rooms import Room
from raibid.mirror.errors import MirrorError, RefusedSourceError
from raibid.mirror.force_push import Heads, shown
from raibid.mirror.guard import Guard
from raibid.mirror.kept import Kept
from raibid.mirror.tokens import Tokens
from raibid.model.mirror import MirrorRecord, MirrorState
from raibid.store import StoreError

TROUBLE: Final = (MirrorError, GitError, CallError, StoreError, OSError)
"""What can happen to a mirror, and is written down."""
_SHOWN: Final = 5
_STATES: Final = (
    (RefusedSourceError, MirrorState.REFUSED),
    (SourceGoneError, MirrorState.GONE),
    (TooLargeError, MirrorState.TOO_LARGE),
)


@dataclass(frozen=True)
class Side:
    """One of the two."""

    url: str
    git: Git
    ours: bool = False
    """Gitea's: having no such repository, or not letting us in, is Gitea's trouble and not the source's."""

    def ask(self, *arguments: str, at: Path | None = None, lines: str = "", room: Room | None = None) -> str:
        """`Git.run`. Raises as it does."""
        try:
            return self.git.run(*arguments, at=at, lines=lines, room=room)
        except SourceGoneError as error:
            if self.ours:
                raise GitError(f"Gitea: {error}") from error
            raise

    def refs(self) -> Heads:
        """Its branches and tags; nothing is fetched. Raises GitError."""
        lines = self.ask("ls-remote", "--heads", "--tags", "--refs", "--", self.url).splitlines()
        found = (line.split("\t", 1) for line in lines if "\t" in line)
        return {ref: sha for sha, ref in found}


@dataclass(frozen=True, kw_only=True)
class Sides:
    """How both are asked."""

    gitea_url: str
    """Where git reaches it."""
    credentials: Path
    """Gitea's, as git-credential-store has them."""
    guard: Guard
    tokens: Tokens
    closing: threading.Event = field(default_factory=threading.Event)
    clock: Callable[[], float] = time.time

    def source(self, mirror: Kept) -> Side:
        """Raises RefusedSourceError: it may not be asked. MirrorTokenError."""
        source, token = self.guard.check(mirror.source), self.tokens.file(mirror.token)
        return Side(mirror.source, Git(source.git_settings, token=token, stop=self.closing))

    def ours(self, mirror: Kept) -> Side:
        """The mirror itself."""
        url = f"{self.gitea_url.rstrip('/')}/{mirror.name}.git"
        return Side(url, Git(credentials=self.credentials, stop=self.closing), ours=True)

    def compare(self, mirror: Kept, before: MirrorRecord | None) -> MirrorRecord:
        """Compare both; nothing is brought.

        Never raises for what can happen to a mirror: it is in the record. Raises StoppedError.
        """
        last = begun(mirror, before, self.clock())
        try:
            wanted, had = self.source(mirror).refs(), self.ours(mirror).refs()
        except StoppedError:
            raise
        except TROUBLE as error:
            return troubled(last, error)
        if wanted == had:
            return verified(last, last.checked, had)
        return differing(last, MirrorState.BEHIND, difference(wanted, had))


def begun(mirror: Kept, before: MirrorRecord | None, now: float) -> MirrorRecord:
    """What is known of a mirror when a look at it begins."""
    last = before or MirrorRecord(source=mirror.source)
    return msgspec.structs.replace(last, source=mirror.source, checked=now)


def verified(last: MirrorRecord, now: float, refs: Heads) -> MirrorRecord:
    """Both sides had these refs."""
    branches = sum(ref.startswith("refs/heads/") for ref in refs)
    return msgspec.structs.replace(
        last, state=MirrorState.VERIFIED, checked=now, verified=now, behind=0.0, errors=0, reason="", branches=branches
    )


def differing(last: MirrorRecord, state: MirrorState, reason: str) -> MirrorRecord:
    """They had not, or nobody knows."""
    return msgspec.structs.replace(
        last, state=state, behind=last.behind or last.checked, errors=last.errors + 1, reason=reason
    )


def troubled(last: MirrorRecord, error: Exception) -> MirrorRecord:
    """What an error means for a mirror."""
    state = next((state for kind, state in _STATES if isinstance(error, kind)), MirrorState.UNREACHABLE)
    words = (error.strerror or type(error).__name__) if isinstance(error, OSError) else str(error)
    return differing(last, state, words)


def difference(source: Heads, mirror: Heads) -> str:
    """Which refs are not the same, for people."""
    names = sorted({name for name in (*source, *mirror) if source.get(name) != mirror.get(name)})
    listed = ", ".join(map(shown, names[:_SHOWN]))
    return f"{len(names)} of {len(source)} refs differ: {listed}{', …' if len(names) > _SHOWN else ''}"
