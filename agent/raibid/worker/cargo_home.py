"""A CARGO_HOME of a build's own, which knows what the shared one has fetched and can change nothing of it.

Owns: what of the shared registry is seen, and how.
Leaves to others: that the shared one cannot be written (`fence.py`).

Crates are links, one by one: cargo reads those that are there and puts new ones beside them. Neither a CARGO_HOME that
can only be read will do, nor a link to its `registry`: with one crate more than it holds, cargo 1.95 ends with "failed
to open …/fnv-1.0.7.crate: Permission denied" (2026-11-21). The index is copied, because cargo writes to it at every
look; that of a sparse registry holds what was asked for, 1.5 MB after three tools with all their dependencies. Not
shared: `git`, where a fetch changes what is there, and credentials.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import time
import tomllib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from raibid.worker.stop import Stop

_LOCK: Final = ".package-cache"
"""cargo holds it alone while it fetches; a crate that is there without the lock may be half there."""
_PATIENCE: Final = 60.0
_LOOK_SECONDS: Final = 0.1
_SECRET_KEYS: Final = frozenset({"token", "secret-key", "secret-key-subject", "credential-provider", "proxy"})


def own_cargo_home(shared: Path | None, own: Path, stop: Stop, *, patience: float = _PATIENCE) -> list[str]:
    """Make `own`; what the log should say about it.

    Args:
        shared: the agent's CARGO_HOME; None or not there: nothing is shared.
        own: a directory that is not there yet.
        stop: ends the wait for a cargo that is fetching.
        patience: seconds of that wait. Then nothing is shared and all is fetched anew.

    Raises:
        OSError: of the disk. InterruptedBuildError: stopped.
    """
    own.mkdir(parents=True)
    if shared is None or not shared.is_dir():
        return []
    notes = _copy_settings(shared, own)
    with _unchanging(shared, stop, patience) as quiet:
        if not quiet:
            return [*notes, "the shared cargo registry is being written to: crates are fetched anew"]
        for kind, whole in (("cache", None), ("src", ".cargo-ok")):
            _link_each(shared / "registry" / kind, own / "registry" / kind, whole)
        for index in _folders(shared / "registry" / "index"):
            if not (index / ".git").exists():  # that of a registry in git is hundreds of MB
                shutil.copytree(index, own / "registry" / "index" / index.name, symlinks=True)
    return notes


def _link_each(shared: Path, own: Path, whole: str | None) -> None:
    """Link the entries of every registry; of folders those that are `whole`, as cargo marks them once they are."""
    for registry in _folders(shared):
        (own / registry.name).mkdir(parents=True)
        for entry in registry.iterdir():
            if whole is None or (entry / whole).is_file():
                (own / registry.name / entry.name).symlink_to(entry.resolve())


def _folders(path: Path) -> list[Path]:
    return [entry for entry in path.iterdir() if entry.is_dir()] if path.is_dir() else []


@contextmanager
def _unchanging(shared: Path, stop: Stop, patience: float) -> Iterator[bool]:
    """No cargo fetches into the shared home meanwhile; False: one does, and is not done in time."""
    try:
        lock = os.open(shared / _LOCK, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        yield True  # no cargo ever fetched anything into it
        return
    try:
        yield _taken(lock, stop, time.monotonic() + patience)
    finally:
        os.close(lock)


def _taken(lock: int, stop: Stop, deadline: float) -> bool:
    while True:
        try:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() >= deadline:
                return False
            stop.wait(_LOOK_SECONDS)
            stop.check()
        else:
            return True


def _copy_settings(shared: Path, own: Path) -> list[str]:
    """The operator's cargo settings (mirrors, registries), unless they hold a secret."""
    file = shared / "config.toml"
    if not file.is_file():
        return []
    text = file.read_text(encoding="utf-8", errors="replace")
    try:
        secret = _has_secret(tomllib.loads(text))
    except tomllib.TOMLDecodeError:
        secret = True  # who knows
    if secret:
        return ["cargo's shared config.toml is left out: it may hold a credential"]
    (own / "config.toml").write_text(text, encoding="utf-8")
    return []


def _has_secret(settings: Mapping[str, object]) -> bool:
    return any(
        key in _SECRET_KEYS
        or (isinstance(value, Mapping) and _has_secret(value))
        or (isinstance(value, str) and "@" in value.partition("://")[2].partition("/")[0])
        for key, value in settings.items()
    )
