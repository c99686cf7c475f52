"""containerd with runc and the distribution's CNI plugins: what a kubelet starts containers with.

Owns: its configuration, its private root, state and socket, images from archives.
Leaves to others: where it runs (`machine.py`), the network (`network.py`), making images (`image_archive.py`).
"""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Final

from tests.cluster.errors import ClusterError
from tests.cluster.node.image_archive import PAUSE
from tests.cluster.node.machine import Inhabitant, Machine
from tests.cluster.node.network import CNI_PLUGINS, Network
from tests.cluster.tools.toolchain import ToolMissingError, system_program

_BUDGET: Final = 300.0
_CONFIG: Final = """\
version = 2
root = "{root}"
state = "{state}"
# What would reach beyond these two directories, or asks for devices.
disabled_plugins = [
  "io.containerd.internal.v1.opt",
  "io.containerd.snapshotter.v1.aufs",
  "io.containerd.snapshotter.v1.btrfs",
  "io.containerd.snapshotter.v1.devmapper",
  "io.containerd.snapshotter.v1.zfs",
]

[grpc]
  address = "{socket}"

[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "{pause}"
  # Without CAP_SYS_RESOURCE runc otherwise dies with "can't get final child's PID from pipe: EOF".
  restrict_oom_score_adj = true
  netns_mounts_under_state_dir = true

[plugins."io.containerd.grpc.v1.cri".cni]
  bin_dir = "{plugins}"
  conf_dir = "{cni}"

[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
  runtime_type = "io.containerd.runc.v2"

[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
  SystemdCgroup = false
"""


class CtrError(ClusterError):
    """containerd refused; the message is that of `ctr`."""


class Containerd(Inhabitant):
    """One containerd. Killed and started again it finds its containers, which run on meanwhile."""

    def __init__(self, directory: Path, machine: Machine, network: Network) -> None:
        if not (CNI_PLUGINS / "bridge").exists():
            raise ToolMissingError(f"{CNI_PLUGINS}/bridge: apt-get install containernetworking-plugins")
        system_program("runc", "runc")
        self.socket: Final = directory / "containerd.sock"
        self.root: Final = directory / "root"
        """Images and containers; `imported.provide_images` may fill it before the first start."""
        cni = directory / "cni"
        cni.mkdir(parents=True)
        (cni / "10-bridge.conflist").write_text(network.cni(directory / "addresses"))
        config = directory / "config.toml"
        config.write_text(
            _CONFIG.format(
                root=self.root,
                state=directory / "state",
                socket=self.socket,
                pause=PAUSE,
                plugins=CNI_PLUGINS,
                cni=cni,
            )
        )
        program = system_program("containerd", "containerd")
        super().__init__(
            "containerd", machine, directory, [program, "--config", config], ready=lambda: listens(self.socket)
        )

    def load(self, *archives: Path) -> None:
        """Images that pods may name from now on. Raises CtrError."""
        for archive in archives:
            ctr(self.socket, "images", "import", str(archive))

    def forget(self, reference: str) -> None:
        """Remove an image, as the kubelet's garbage collection would."""
        ctr(self.socket, "images", "remove", "--sync", reference)


def listens(socket: Path) -> bool:
    """Whether a containerd answers there."""
    if not socket.exists():
        return False
    try:
        ctr(socket, "version")
    except CtrError:
        return False
    return True


def ctr(socket: Path, *arguments: str) -> str:
    """What `ctr` prints. Raises CtrError."""
    command: list[str | Path] = [system_program("ctr", "containerd"), "--address", socket, "--namespace", "k8s.io"]
    done = subprocess.run([*command, *arguments], capture_output=True, text=True, check=False, timeout=_BUDGET)
    if done.returncode:
        raise CtrError(f"ctr {' '.join(arguments)}: {done.stderr.strip()}")
    return done.stdout
