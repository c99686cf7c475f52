"""Which of a mirror's commits the source still has in its history, told without fetching any file.

First with the newest commits alone: the mirror's tips as a shallow history, and what the source has beyond them. That
proves a push that only adds, at the cost of what it added. Where it proves nothing (a forced push; a branch removed
long after it was merged), all commits are fetched, still without files.

A history without its older commits has fewer ancestors, never more: what it proves holds.

Owns: the scratch repositories, the order of these two.
Leaves to others: what a loss means (`force_push.py`), room and turns (`raibid.git`).
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from contextlib import suppress
from typing import Final

from raibid.git.cli import Git
from raibid.git.errors import TooLargeError
from raibid.git.rooms import Room, Rooms
from raibid.mirror.force_push import Heads
from raibid.mirror.sides import Side

_HEADS: Final = "refs/heads/*"
_ALL: Final = (_HEADS, "refs/tags/*")
_SOURCE: Final = "refs/source"


def kept(commits: Collection[str], mirror: Side, source: Side, had: Heads, wanted: Heads, rooms: Rooms) -> set[str]:
    """Those of the mirror's commits that some ref of the source has in its history.

    `had`, `wanted`: the refs of the mirror, of the source.

    Raises:
        GitError: one of them does not answer. TooLargeError: all commits are. StoppedError.
    """
    found: set[str] = set()
    with rooms.small() as room:
        newest = History(room, mirror, source)
        # Many new commits at once: they are among all of them.
        with suppress(TooLargeError):
            newest.fetch_newest(wanted, had)
            found = set(newest.kept(commits))
    if rest := set(commits) - found:
        with rooms.large() as room:
            whole = History(room, mirror, source)
            whole.fetch_all()
            found |= set(whole.kept(rest))
    return found


class History:
    """Commits of both sides, in a bare repository of its own."""

    def __init__(self, room: Room, mirror: Side, source: Side) -> None:
        """In an empty room."""
        self._room = room
        self._at = room.at / "history.git"
        self._sides = {"mirror": mirror, "source": source}
        # Objects that were left out stay out: git would fetch them by itself, from whom it thinks has them.
        self._local = Git({"protocol.allow": "never"}, stop=mirror.git.stop)
        self._local.run("init", "--quiet", "--bare", "--", str(self._at))
        for name, side in self._sides.items():
            self._local.run("config", f"remote.{name}.url", side.url, at=self._at)

    def fetch_newest(self, source: Heads, mirror: Heads) -> None:
        """The mirror's tips, and what the source's changed refs have beyond them. Raises GitError, TooLargeError."""
        lost = (ref for ref, old in mirror.items() if source.get(ref) != old and ref.startswith("refs/tags/"))
        self._fetch("mirror", [_HEADS, *lost], "refs", "--depth=1")
        self._fetch("source", [ref for ref, new in source.items() if mirror.get(ref) != new], _SOURCE)

    def fetch_all(self) -> None:
        """Every commit of both. Raises GitError, TooLargeError."""
        self._fetch("mirror", _ALL, "refs")
        self._fetch("source", _ALL, _SOURCE)

    def kept(self, commits: Iterable[str]) -> Iterator[str]:
        """Those that the source's refs have in their history, as far as it was fetched. Raises GitError."""
        for commit in commits:
            beyond = self._local.run(
                "rev-list", "--max-count=1", commit, "--not", f"--glob={_SOURCE}/*", at=self._at, room=self._room
            )
            if not beyond.strip():
                yield commit

    def _fetch(self, name: str, refs: Collection[str], place: str, *how: str) -> None:
        if not refs:
            return
        lines = "".join(f"+{ref}:{place}/{ref.removeprefix('refs/')}\n" for ref in refs)
        options = ("--quiet", "--no-tags", "--filter=tree:0", *how, "--stdin", name)
        self._sides[name].ask("fetch", *options, at=self._at, lines=lines, room=self._room)
