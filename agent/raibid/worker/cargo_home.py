"""A CARGO_HOME of a build's own, which knows what the shared one has fetched and can change nothing of it.

Owns: what of the shared registries and settings is seen, and how.
Leaves to others: that the shared one cannot be written (`fence.py`).

Crates are links, one by one: cargo reads those that are there and puts new ones beside them. Neither a CARGO_HOME that
can only be read will do, nor a link to its `registry`: with one crate more than it holds, cargo 1.95 ends with "failed
to open …/fnv-1.0.7.crate: Permission denied" (2026-11-21). The index is copied, because cargo writes to it at every
look; that of a sparse registry holds what was asked for, 1.5 MB after three tools with all their dependencies. Not
shared: `git`, where a fetch changes what is there, credentials, and registries that are not for everybody: the sources
of an own one are as secret as the repository they come from.
"""

from __future__ import annotations

import fcntl
import json
import os
import re
import shutil
import time
import tomllib
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from raibid.worker.stop import Stop

_LOCK: Final = ".package-cache"
"""cargo holds it alone while it fetches; a crate that is there without the lock may be half there."""
_PATIENCE: Final = 60.0
_LOOK_SECONDS: Final = 0.1
_Keys = tuple[str, ...]
KINDS: Final = ("cache", "index", "src")
"""What cargo keeps of registries, below `registry`: a folder for each registry in each."""
_PUBLIC: Final = re.compile(r"index\.crates\.io-[0-9a-f]{16}|github\.com-1ecc6299db9ec823")
"""cargo names a registry's folder after its host and a hash of its URL. The second is the public index in git: many are
at that host, so there the hash counts."""
_FOLDER: Final = re.compile(r"(?P<host>.+)-[0-9a-f]{16}")
_SETTINGS: Final = (
    "source.*.directory", "source.*.local-registry", "source.*.registry", "source.*.replace-with",
    "registries.*.index", "registry.default",
    "http.cainfo", "http.check-revoke", "http.low-speed-limit", "http.multiplexing", "http.ssl-version", "http.timeout",
    "net.git-fetch-with-cli", "net.offline", "net.retry",
    "build.incremental", "build.jobs", "build.rustc-wrapper", "build.rustflags", "build.target",
    "target.*.linker", "target.*.runner", "target.*.rustflags",
)  # fmt: skip
"""What is taken over of cargo's settings. A list of what is harmless: `env`, for one, holds what somebody put there."""


def shown_registries(kept: Path, hosts: Collection[str]) -> list[Path]:
    """The folders of those registries in `kept` that a fork may see: the public one's and those of `hosts`."""
    return [
        folder
        for folder in _folders(kept)
        if _PUBLIC.fullmatch(folder.name) or ((name := _FOLDER.fullmatch(folder.name)) and name["host"] in hosts)
    ]


def own_cargo_home(
    shared: Path | None, own: Path, stop: Stop, *, registries: Collection[str] = (), patience: float = _PATIENCE
) -> list[str]:
    """Make `own`; what the log should say about it.

    Args:
        shared: the agent's CARGO_HOME; None or not there: nothing is shared.
        own: a directory that is not there yet.
        stop: ends the wait for a cargo that is fetching.
        registries: hosts of those that are shown besides the public one.
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
            for registry in shown_registries(shared / "registry" / kind, registries):
                _link_each(registry, own / "registry" / kind / registry.name, whole)
        for index in shown_registries(shared / "registry" / "index", registries):
            if not (index / ".git").exists():  # that of a registry in git is hundreds of MB
                shutil.copytree(index, own / "registry" / "index" / index.name, symlinks=True)
    return notes


def _link_each(shared: Path, own: Path, whole: str | None) -> None:
    """Link a registry's entries; of folders those that are `whole`, as cargo marks them once they are."""
    own.mkdir(parents=True)
    for entry in shared.iterdir():
        if whole is None or (entry / whole).is_file():
            (own / entry.name).symlink_to(entry.resolve())


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
    """The operator's cargo settings that are in `_SETTINGS`; a note names the others."""
    file = shared / "config.toml"
    if not file.is_file():
        return []
    try:
        settings = tomllib.loads(file.read_text(encoding="utf-8", errors="replace"))
    except tomllib.TOMLDecodeError:
        return ["cargo's shared config.toml is left out: it cannot be read"]
    leaves = list(_leaves(settings, ()))
    taken = {keys: value for keys, value in leaves if _harmless(keys, value)}
    if any(keys[0] == "source" and keys not in taken for keys, _ in leaves):
        # With a source replaced by one that is not told cargo ends; with none it fetches from the public registry.
        taken = {keys: value for keys, value in taken.items() if keys[0] != "source"}
    lines = (f"{'.'.join(map(_toml, keys))} = {_toml(value)}\n" for keys, value in taken.items())
    (own / "config.toml").write_text("".join(lines), encoding="utf-8")
    left = sorted(".".join(keys) for keys, _ in leaves if keys not in taken)
    return [f"of cargo's shared config.toml is left out: {', '.join(left)}"] if left else []


def _leaves(table: Mapping[str, object], path: _Keys) -> Iterator[tuple[_Keys, object]]:
    for key, value in table.items():
        if isinstance(value, Mapping):
            yield from _leaves(value, (*path, key))
        else:
            yield (*path, key), value


def _harmless(keys: _Keys, value: object) -> bool:
    """Known by name, of a kind that `_toml` writes, and no URL with a user or a password."""
    known = any(
        len(keys) == len(names) and all(name in ("*", key) for name, key in zip(names, keys, strict=True))
        for names in (setting.split(".") for setting in _SETTINGS)
    )
    values = value if isinstance(value, list) else [value]
    return (
        known
        and all(key.isprintable() for key in keys)
        and all(
            isinstance(each, bool | int) or (isinstance(each, str) and each.isprintable() and not _with_login(each))
            for each in values
        )
    )


def _with_login(text: str) -> bool:
    return "@" in text.partition("://")[2].partition("/")[0]


def _toml(value: object) -> str:
    """Text, numbers and lists of them: JSON's form of these is TOML's as well."""
    return json.dumps(value, ensure_ascii=False)
