"""Images that were imported once: a session's containerd begins with them instead of unpacking a gigabyte again.

Owns: a prepared containerd root per set of archives in the per-user cache, a session's copy of it by hard links.
Leaves to others: the archives (`image_archive.py`, `agent_image.py`), the session's containerd (`containerd.py`).

Importing 350 MB took 30 s on a loaded machine of two cores; linking takes a second or two. A link may be shared: blobs
and the files of images are never written again, overlayfs copies what a container changes. The two databases are.
"""

from __future__ import annotations

import fcntl
import hashlib
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from tests.cluster.node.containerd import ctr, listens
from tests.cluster.node.image_archive import cache
from tests.cluster.parts.process import Part
from tests.cluster.tools.toolchain import system_program

_KEPT: Final = 3
"""Sets of images in the cache: the newest."""
_CONFIG: Final = """\
version = 2
root = "{directory}/root"
state = "{directory}/state"
disabled_plugins = ["io.containerd.grpc.v1.cri", "io.containerd.internal.v1.opt"]

[grpc]
  address = "{directory}/containerd.sock"
"""


def provide_images(root: Path, archives: Sequence[Path]) -> None:
    """Fill the root of a containerd that was never started with the images of these archives."""
    with _alone():
        prepared = _prepared(archives)
        root.parent.mkdir(parents=True, exist_ok=True)
        done = subprocess.run(["cp", "--archive", "--link", prepared, root], capture_output=True, check=False)
        if done.returncode:  # another file system
            shutil.rmtree(root, ignore_errors=True)
            subprocess.run(["cp", "--archive", prepared, root], capture_output=True, check=True)
    for database in root.glob("*/*.db"):
        own = database.with_suffix(".own")
        shutil.copy(database, own)
        own.replace(database)


def _prepared(archives: Sequence[Path]) -> Path:
    """A root with these images, made if the cache has none. An archive's name says what is in it."""
    names = "\n".join(sorted(f"{archive.name} {archive.stat().st_size}" for archive in archives))
    place = cache("imported") / hashlib.sha256(names.encode()).hexdigest()[:16]
    if place.exists():
        place.touch()
        return place / "root"
    with tempfile.TemporaryDirectory(prefix="importing-", dir=cache("imported")) as scratch:
        directory = Path(scratch)
        with _importer(directory):
            for archive in archives:
                ctr(directory / "containerd.sock", "images", "import", str(archive))
        finished = directory / "finished"
        finished.mkdir()
        (directory / "root").rename(finished / "root")
        finished.rename(place)
    _forget()
    return place / "root"


def _importer(directory: Path) -> Part:
    """A containerd without Kubernetes' side."""
    (directory / "config.toml").write_text(_CONFIG.format(directory=directory))
    command = [str(system_program("containerd", "containerd")), "--config", str(directory / "config.toml")]
    return Part("importer", directory, command, ready=lambda: listens(directory / "containerd.sock"))


def _forget() -> None:
    newest = sorted(cache("imported").glob("????????????????"), key=lambda place: place.stat().st_mtime, reverse=True)
    for old in newest[_KEPT:]:
        shutil.rmtree(old)


@contextmanager
def _alone() -> Iterator[None]:
    """One session imports, the others wait for it; none forgets what another one copies."""
    with (cache("imported") / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
