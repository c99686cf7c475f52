"""A mirror as it is now, kept as one file: what a forced push at its source is about to throw away.

    git clone anvil-20261121T201500Z.bundle      # brings every branch and tag back; LFS objects are in no bundle

Owns: what is in a bundle, its name, its checksum.
Leaves to others: when one is kept (`force_push.py`), where (`raibid.store`). Bundles are never removed by the pool;
a store's own lifecycle rule may.
"""

from __future__ import annotations

import hashlib
import io
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from raibid.git.rooms import Room
from raibid.mirror.sides import Side
from raibid.store import Store

_REFS: Final = ("+refs/heads/*:refs/heads/*", "+refs/tags/*:refs/tags/*")
_BLOCK: Final = 1024 * 1024


@dataclass(frozen=True)
class Bundle:
    """A bundle in the store."""

    key: str
    size: int
    sha256: str


def keep(mirror: Side, room: Room, name: str, store: Store, *, now: datetime | None = None) -> Bundle:
    """Put the mirror's branches and tags into the store as one bundle. `name`: owner/name; `room` is empty.

    Raises:
        GitError: an empty mirror among others. TooLargeError: for the room. StoreError: it is not kept.
    """
    stamp = f"{now or datetime.now(UTC):%Y%m%dT%H%M%SZ}"
    at, file, git = room.at / "mirror.git", room.at / "bundle", mirror.git
    git.run("init", "--quiet", "--bare", "--", str(at))
    mirror.ask("fetch", "--quiet", "--no-tags", "--", mirror.url, *_REFS, at=at, room=room)
    branches = git.run("for-each-ref", "--format=%(refname)", "refs/heads", at=at).splitlines()
    # A clone checks out what HEAD names.
    head = next((ref for ref in branches if ref in ("refs/heads/main", "refs/heads/master")), *branches[:1] or [""])
    if head:
        git.run("symbolic-ref", "HEAD", head, at=at)
    refs = (*("HEAD",) * bool(head), "--branches", "--tags")
    git.run("bundle", "create", "--quiet", str(file), *refs, at=at, room=room)
    digest, size = _digest(file)
    key = f"mirrors/{name}/{stamp}-{digest[:12]}.bundle"
    with file.open("rb") as content:
        store.put(key, content)
    store.put(f"{key}.sha256", io.BytesIO(f"{digest}  {Path(key).name}\n".encode()))
    return Bundle(key, size, digest)


def _digest(file: Path) -> tuple[str, int]:
    digest = hashlib.sha256()
    with file.open("rb") as content:
        while block := content.read(_BLOCK):
            digest.update(block)
    return digest.hexdigest(), file.stat().st_size
