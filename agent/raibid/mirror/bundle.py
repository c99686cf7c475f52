"""A mirror as it is now, kept as one file: what a forced push at its source is about to throw away.

    git clone anvil-20261121T201500Z.bundle      # brings every branch and tag back

Owns: what is in a bundle, its name, its checksum.
Leaves to others: when one is kept (`force_push.py`), where (`raibid.store`). Bundles are never removed by the pool;
a store's own lifecycle rule may.
"""

from __future__ import annotations

import hashlib
import io
import tempfile
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from raibid.mirror.errors import GitError, SourceGoneError
from raibid.mirror.git import Git
from raibid.store import Store

_BLOCK: Final = 1024 * 1024


@dataclass(frozen=True)
class Kept:
    """A bundle in the store."""

    key: str
    size: int
    sha256: str


class Scratch:
    """A bare repository for one sync: the mirror's branches and tags, and beside them the source's commits."""

    def __init__(self, directory: Path, mirror: Git, source: Git) -> None:
        """`mirror`, `source`: how to ask each of them."""
        self._at = directory / "scratch.git"
        self._mirror = mirror
        self._source = source
        mirror.run("init", "--quiet", "--bare", "--", str(self._at))

    def fetch_mirror(self, url: str) -> None:
        """Bring what the mirror has. Raises GitError."""
        refs = ("+refs/heads/*:refs/heads/*", "+refs/tags/*:refs/tags/*")
        try:
            self._mirror.run("fetch", "--quiet", "--no-tags", "--", url, *refs, at=self._at)
        except SourceGoneError as error:  # Gitea it is that has none, or does not let us in
            raise GitError(str(error)) from error

    def fetch_source(self, url: str) -> None:
        """Bring what the source has beyond it, under names of their own. Raises GitError."""
        self._source.run("fetch", "--quiet", "--no-tags", "--", url, "+refs/heads/*:refs/source/*", at=self._at)

    def descends(self, old: str, new: str) -> bool:
        """Whether `new` has `old` in its history. Raises GitError: one of them was not brought."""
        return not self._mirror.run("rev-list", "--max-count=1", old, f"^{new}", at=self._at).strip()

    def keep(self, name: str, store: Store, *, now: datetime | None = None) -> Kept:
        """Put the mirror's branches and tags into the store as one bundle. `name`: owner/name.

        Raises:
            GitError: an empty mirror among others. StoreError: it is not kept.
        """
        stamp = f"{now or datetime.now(UTC):%Y%m%dT%H%M%SZ}"
        branches = self._mirror.run("for-each-ref", "--format=%(refname)", "refs/heads", at=self._at).splitlines()
        # A clone checks out what HEAD names.
        head = next((ref for ref in branches if ref in ("refs/heads/main", "refs/heads/master")), *branches[:1] or [""])
        if head:
            self._mirror.run("symbolic-ref", "HEAD", head, at=self._at)
        with tempfile.TemporaryDirectory(dir=self._at.parent) as room:
            file = Path(room) / "bundle"
            refs = (*("HEAD",) * bool(head), "--branches", "--tags")
            self._mirror.run("bundle", "create", "--quiet", str(file), *refs, at=self._at)
            digest, size = _digest(file)
            key = f"mirrors/{name}/{stamp}-{digest[:12]}.bundle"
            with file.open("rb") as content:
                store.put(key, content)
            store.put(f"{key}.sha256", io.BytesIO(f"{digest}  {Path(key).name}\n".encode()))
        return Kept(key, size, digest)


def _digest(file: Path) -> tuple[str, int]:
    digest = hashlib.sha256()
    with file.open("rb") as content:
        while block := content.read(_BLOCK):
            digest.update(block)
    return digest.hexdigest(), file.stat().st_size
