"""A machine in a scratch directory: the real scripts, fake systemd and k3s on PATH, a real HTTP server for releases."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from components.budget import KubeletReservation
from components.host.bundle import RECEIVE, install_bundle
from components.settings import Settings, load_stack
from components.units import GI
from components.versions import K3S

FAKES = Path(__file__).parent / "fakes"
TOKEN = "s3ntinel-token"
RESERVATION = KubeletReservation(
    system_cpu=6000,
    system_memory=12 * GI,
    system_disk=100 * GI,
    kube_cpu=2000,
    kube_memory=4 * GI,
    eviction_memory=2 * GI,
    eviction_disk_percent=10,
)


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: Any) -> None:
        pass


@dataclass
class Releases:
    """A release server whose files a test may change."""

    directory: Path
    url: str

    def publish(self, version: str, asset: str = "k3s-arm64", *, stated: str = "") -> str:
        """A release with one binary; returns its SHA-256. `stated`: what the checksum file says instead."""
        home = self.directory / version
        home.mkdir(exist_ok=True)
        binary = (FAKES / "k3s").read_bytes().replace(b"@VERSION@", version.encode())
        digest = hashlib.sha256(binary).hexdigest()
        (home / asset).write_bytes(binary)
        (home / "sha256sum-arm64.txt").write_text(f"{'0' * 64}  k3s-airgap.tar\n{stated or digest}  {asset}\n")
        return digest


@dataclass
class Machine:
    """A host: its root directory, and what was called on it."""

    root: Path
    environment: dict[str, str] = field(default_factory=dict)

    def run(self, bundle: str, **environment: str) -> subprocess.CompletedProcess[str]:
        """A bundle as Pulumi sends it: the receiving script as the command, the bundle on stdin."""
        path = f"{FAKES}:{os.environ['PATH']}"
        return subprocess.run(
            ["sh", "-c", RECEIVE],
            input=bundle,
            env={"PATH": path, "RAIBID_ROOT": str(self.root), "NO_PROXY": "*", **environment},
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )

    def be_a_spark(self) -> None:
        """Its cores, by the kernel's own figures, and unified cgroups."""
        for number in range(20):
            self.set_capacity(number, 718 if number % 10 < 5 else 1024)
        (self.root / "sys/fs/cgroup").mkdir(parents=True)
        (self.root / "sys/fs/cgroup/cgroup.controllers").write_text("cpu memory\n")

    def set_capacity(self, cpu: int, capacity: int) -> None:
        """What the kernel says of one core."""
        directory = self.root / f"sys/devices/system/cpu/cpu{cpu}"
        directory.mkdir(parents=True, exist_ok=True)
        (directory / "cpu_capacity").write_text(f"{capacity}\n")

    def set_memory(self, gibibytes: int) -> None:
        """What /proc/meminfo says."""
        (self.root / "proc/meminfo").write_text(f"MemTotal:       {gibibytes * 1024**2} kB\nMemFree: 1 kB\n")

    def calls(self) -> list[str]:
        log = self.root / "calls"
        return log.read_text().splitlines() if log.exists() else []

    def files(self) -> Mapping[str, tuple[str, bytes]]:
        """Path → (mode, content) of every file but the log of calls."""
        return {
            str(path.relative_to(self.root)): (oct(path.stat().st_mode & 0o777), path.read_bytes())
            for path in sorted(self.root.rglob("*"))
            if path.is_file() and path.name != "calls"
        }


NEEDED = ("sh", "awk", "base64", "cmp", "curl", "sha256sum", "tar", "timeout")


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    missing = [tool for tool in NEEDED if shutil.which(tool) is None]
    if missing:
        pytest.skip(f"the host's scripts need {', '.join(missing)} on PATH")
    root = tmp_path / "root"
    for directory in ("etc", "var/lib", "proc/self", "usr/local/bin"):
        (root / directory).mkdir(parents=True)
    (root / "etc/hosts").write_text("127.0.0.1 localhost\n10.0.0.9 printer\n")
    (root / "etc/os-release").write_text('ID=ubuntu\nVERSION_ID="24.04"\n')
    (root / "proc/self/mounts").write_text("")
    machine = Machine(root)
    machine.set_memory(120)
    return machine


@pytest.fixture
def releases(tmp_path: Path) -> Iterator[Releases]:
    directory = tmp_path / "releases"
    directory.mkdir()
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(directory))) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        found = Releases(directory, f"http://127.0.0.1:{server.server_port}")
        found.publish(K3S.version)
        yield found
        server.shutdown()
        thread.join()


@pytest.fixture(scope="session")
def settings() -> Settings:
    return load_stack("dgx-spark")


@pytest.fixture
def bundle(settings: Settings, releases: Releases) -> str:
    """What the one node of the stack is sent."""
    return install_bundle(
        settings, settings.nodes[0], RESERVATION, token=TOKEN, address="192.0.2.7", releases=releases.url
    )
