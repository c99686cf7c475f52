"""A real node: containerd and kubelet in namespaces of their own, joined to a control plane.

Owns: what a node is made of, in which order, and that nothing of it outlives the session.
Leaves to others: each part (a file per part), what runs on it.

Needs Linux, root, and Debian's containerd, runc, containernetworking-plugins, iproute2.
"""

from __future__ import annotations

import os
import platform
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from lightkube.models.core_v1 import NodeStatus
from lightkube.resources.core_v1 import Node as NodeObject

from components.budget import KubeletReservation
from components.units import GI, MI
from tests.cluster.node.containerd import Containerd
from tests.cluster.node.image_archive import pause_archive
from tests.cluster.node.imported import provide_images
from tests.cluster.node.kubelet import Kubelet
from tests.cluster.node.leftovers import session
from tests.cluster.node.machine import Machine
from tests.cluster.node.network import Network
from tests.cluster.parts.composite import Composite
from tests.cluster.parts.control_plane import ControlPlane
from tests.waiting import until

NAME: Final = "node"
USER: Final = f"system:node:{NAME}"
USERS: Final = {USER: "system:nodes"}
"""For `ControlPlane(users=…)`: the kubelet's own, with a kubelet's rights."""
SMALL: Final = KubeletReservation(
    system_cpu=100,
    system_memory=GI,
    system_disk=2 * GI,
    kube_cpu=100,
    kube_memory=512 * MI,
    eviction_memory=256 * MI,
    eviction_disk_percent=2,
)
"""For two cores that also run the control plane: most of the machine is the pods'."""


class Node(Composite):
    """One node; entered, it is Ready."""

    def __init__(
        self,
        control_plane: ControlPlane,
        directory: Path,
        network: Network,
        *,
        reservation: KubeletReservation = SMALL,
        images: Sequence[Path] = (),
    ) -> None:
        """`images`: archives of what pods may name, beside the pause image."""
        self.directory: Final = directory
        self.machine: Final = Machine(directory / "machine", network.name)
        self.containerd: Final = Containerd(directory / "containerd", self.machine, network)
        self._images = images
        self.kubelet: Final = Kubelet(
            directory / "kubelet",
            self.machine,
            name=NAME,
            address=network.address,
            kubeconfig=control_plane.kubeconfig(USER),
            authority=control_plane.authority.certificate,
            runtime=self.containerd.socket,
            reservation=reservation,
        )
        self._control_plane = control_plane

    def allocatable(self) -> Mapping[str, str]:
        """What the scheduler may give away, as the node's status says."""
        return dict(self._status().allocatable or {})

    def capacity(self) -> Mapping[str, str]:
        """What the kubelet sees of the machine."""
        return dict(self._status().capacity or {})

    def _status(self) -> NodeStatus:
        """Empty until the kubelet has registered."""
        found = [node for node in self._control_plane.client().list(NodeObject) if node.metadata]
        return next((node.status for node in found if node.status), NodeStatus())

    def _ready(self) -> bool:
        return any((each.type, each.status) == ("Ready", "True") for each in self._status().conditions or ())

    def _start(self, stack: ExitStack) -> None:
        provide_images(self.containerd.root, [pause_archive(), *self._images])
        stack.enter_context(self.machine)
        stack.enter_context(self.containerd)
        stack.enter_context(self.kubelet)
        until(self._ready, "the node is Ready", budget=60)


@dataclass(frozen=True)
class Joined:
    """A cluster of one node."""

    network: Network
    control_plane: ControlPlane
    node: Node


@contextmanager
def cluster_with_node(
    directory: Path, *, reservation: KubeletReservation = SMALL, images: Sequence[Path] = ()
) -> Iterator[Joined]:
    """Bridge, control plane with scheduler, node: the API server listens where kubelet and pods reach it."""
    with (
        session(directory / "node") as name,
        Network(name) as network,
        ControlPlane(
            directory / "control-plane", address=network.address, users=USERS, scheduler=True
        ) as control_plane,
        Node(control_plane, directory / "node", network, reservation=reservation, images=images) as node,
    ):
        yield Joined(network, control_plane, node)


def why_not() -> str:
    """Why no node can run on such a machine; empty: it can. A package that is missing is an error of its part."""
    if platform.system() != "Linux":
        return "a node needs Linux"
    return "" if os.geteuid() == 0 else "a node needs root (namespaces, bridges, control groups)"
