"""Container images without a registry: files in, a docker-archive out.

Owns: the archive's format, the pause image, the per-user cache of archives.
Leaves to others: the agent's image (`agent_image.py`), importing (`containerd.py`).
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import platform
import subprocess
import tarfile
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from tests.cluster.tools.toolchain import system_program

PAUSE: Final = "raibid.test/pause:1"
"""What holds a pod's namespaces."""
_PAUSE_C: Final = """\
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>
static void end(int signal) { (void)signal; _exit(0); }
static void reap(int signal) { (void)signal; while (waitpid(-1, 0, WNOHANG) > 0) {} }
int main(void) {
    signal(SIGINT, end); signal(SIGTERM, end); signal(SIGCHLD, reap);
    for (;;) pause();
}
"""
_ARCHITECTURES: Final[Mapping[str, str]] = {"x86_64": "amd64", "aarch64": "arm64"}


def cache(name: str) -> Path:
    """A directory of the per-user cache."""
    root = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    directory = root / "raibid" / name
    directory.mkdir(parents=True, exist_ok=True, mode=0o700)
    return directory


def pause_archive() -> Path:
    """The archive of the pause image: one static program, compiled once."""
    source = hashlib.sha256(_PAUSE_C.encode()).hexdigest()[:16]
    archive = cache("images") / f"pause-{source}.tar"
    if not archive.exists():
        with tempfile.TemporaryDirectory() as scratch:
            program = Path(scratch) / "pause"
            compiler: list[str | Path] = [
                system_program("gcc", "gcc"),
                "-static",
                "-Os",
                "-s",
                "-x",
                "c",
                "-",
                "-o",
                program,
            ]
            subprocess.run(compiler, input=_PAUSE_C.encode(), check=True, timeout=60)
            replace(archive, docker_archive(PAUSE, {"pause": program.read_bytes()}, ["/pause"]))
    return archive


def docker_archive(reference: str, programs: Mapping[str, bytes], entrypoint: Sequence[str]) -> bytes:
    """An image of one layer: these files, executable, owned by root."""
    layer = _tar(programs, mode=0o755)
    config = {
        "architecture": _ARCHITECTURES.get(platform.machine(), platform.machine()),
        "os": "linux",
        "config": {"Entrypoint": list(entrypoint), "User": "65535:65535"},
        "rootfs": {"type": "layers", "diff_ids": [f"sha256:{hashlib.sha256(layer).hexdigest()}"]},
    }
    manifest = [{"Config": "config.json", "RepoTags": [reference], "Layers": ["layer.tar"]}]
    members = {"manifest.json": _json(manifest), "config.json": _json(config), "layer.tar": layer}
    return _tar(members, mode=0o644)


def replace(file: Path, data: bytes) -> None:
    """Write a file whole or not at all: another session may look for it."""
    draft = file.with_suffix(f".{os.getpid()}")
    draft.write_bytes(data)
    draft.replace(file)


def _json(value: object) -> bytes:
    return json.dumps(value).encode()


def _tar(files: Mapping[str, bytes], *, mode: int) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for name, data in files.items():
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode = len(data), mode
            archive.addfile(entry, io.BytesIO(data))
    return buffer.getvalue()
