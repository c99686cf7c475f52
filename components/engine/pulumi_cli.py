"""The Pulumi CLI for a machine that has none: one pinned release, verified, in the user's cache.

Owns: which archive, its published checksum, unpacking it whole or not at all.
Leaves to others: running it (`engine`), the version (`versions`), what happens without it (`commands.preview`).
"""

from __future__ import annotations

import hashlib
import os
import platform
import tarfile
import tempfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Final

import requests

from components.versions import PULUMI

_MACHINES: Final = {"x86_64": "x64", "aarch64": "arm64", "arm64": "arm64"}
_PROGRAM: Final = "pulumi/pulumi"
_PIECE: Final = 1024 * 1024
_PATIENCE: Final = (5, 60)
"""Seconds to connect, and between two pieces."""

Progress = Callable[[int, int], None]
"""Bytes so far, bytes in all (0: not said)."""


class DownloadError(Exception):
    """The CLI could not be had. `hint` says what to do."""

    def __init__(self, message: str, hint: str = "install the Pulumi CLI yourself, then again") -> None:
        super().__init__(message)
        self.hint = hint


class ChecksumError(DownloadError):
    """What came is not what was published; nothing of it is kept."""


def cache(env: Mapping[str, str] = os.environ) -> Path:
    """`$XDG_CACHE_HOME/raibid/pulumi-<version>`, else the same below ~/.cache."""
    base = env.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "raibid" / f"pulumi-{PULUMI.version}"


def cached(env: Mapping[str, str] = os.environ) -> str | None:
    """The CLI that was fetched before."""
    program = cache(env) / _PROGRAM
    return str(program) if program.exists() else None


def archive_name(machine: str = platform.machine()) -> str:
    """The release's file for this machine.

    Raises:
        DownloadError: there is none.
    """
    if machine not in _MACHINES:
        raise DownloadError(f"no Pulumi release for a {machine} machine")
    return f"pulumi-{PULUMI.version}-linux-{_MACHINES[machine]}.tar.gz"


def install(directory: Path, progress: Progress, source: str = PULUMI.where) -> Path:
    """Fetch and verify the pinned release; the path of its `pulumi`. Does nothing when it is there.

    Raises:
        DownloadError: no network, no such file, or it cannot be unpacked.
        ChecksumError: the archive is not the published one.
    """
    program = directory / _PROGRAM
    if program.exists():
        return program
    base, name = f"{source}/{PULUMI.version}", archive_name()
    try:
        directory.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".pulumi-", dir=directory.parent) as scratch:
            archive, unpacked = Path(scratch) / name, Path(scratch) / "unpacked"
            wanted = published_checksum(_text(f"{base}/SHA512SUMS"), name)
            found = _fetch(f"{base}/{name}", archive, progress)
            if found != wanted:
                raise ChecksumError(
                    f"{name}: its SHA-512 is {found[:16]}…, published is {wanted[:16]}…; nothing was kept",
                    "try again; if it stays so, somebody between you and the publisher changes what you download",
                )
            with tarfile.open(archive) as content:
                content.extractall(unpacked, filter="data")
            unpacked.rename(directory)
    except (OSError, tarfile.TarError) as error:
        raise DownloadError(f"{name}: {error}") from error
    return program


def published_checksum(sums: str, name: str) -> str:
    """The digest of `name` in a `SHA512SUMS` file.

    Raises:
        DownloadError: it is not listed.
    """
    for line in sums.splitlines():
        digest, _, file = line.strip().partition(" ")
        if file.strip().lstrip("*").rpartition("/")[2] == name:
            return digest.lower()
    raise DownloadError(f"{name} is not in the release's SHA512SUMS")


def _text(url: str) -> str:
    return b"".join(piece for piece, _ in _pieces(url)).decode("ascii", errors="replace")


def _fetch(url: str, file: Path, progress: Progress) -> str:
    """Download into `file`; its SHA-512."""
    digest, done = hashlib.sha512(), 0
    with file.open("wb") as out:
        for piece, total in _pieces(url):
            out.write(piece)
            digest.update(piece)
            done += len(piece)
            progress(done, total)
    return digest.hexdigest()


def _pieces(url: str) -> Iterator[tuple[bytes, int]]:
    try:
        with requests.get(url, stream=True, timeout=_PATIENCE) as response:
            if not response.ok:
                raise DownloadError(f"{url}: HTTP {response.status_code}")
            total = int(response.headers.get("Content-Length", 0))
            for piece in response.iter_content(_PIECE):
                yield piece, total
    except requests.RequestException as error:
        raise DownloadError(f"{url}: cannot be reached ({type(error).__name__})") from error
