"""The kubelet, with the configuration that the stack emits for its nodes.

Owns: what a test adds to the emitted drop-in (ports, directories, the container runtime), its command line.
Leaves to others: the drop-in itself (`components.host.config`), where it runs (`machine.py`).
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from raibid.local.redis_server import free_port

from components.budget import KubeletReservation
from components.host.config import kubelet_configuration
from components.manifest_tree import to_yaml
from tests.cluster.node.machine import Inhabitant, Machine
from tests.cluster.parts.process import answers
from tests.cluster.tools.toolchain import tool


class Kubelet(Inhabitant):
    """One kubelet; pods outlive it."""

    def __init__(
        self,
        directory: Path,
        machine: Machine,
        *,
        name: str,
        address: str,
        kubeconfig: Path,
        authority: Path,
        runtime: Path,
        reservation: KubeletReservation,
    ) -> None:
        directory.mkdir(parents=True)
        health = free_port()
        config = directory / "config.yaml"
        additions = _additions(directory, machine, address=address, health=health, authority=authority, runtime=runtime)
        self.configuration: Final[Mapping[str, Any]] = {**kubelet_configuration(reservation), **additions}
        config.write_bytes(to_yaml(self.configuration))
        super().__init__(
            "kubelet",
            machine,
            directory,
            [
                tool("kubelet"),
                f"--config={config}",
                f"--kubeconfig={kubeconfig}",
                f"--root-dir={directory / 'root'}",
                f"--cert-dir={directory / 'pki'}",
                f"--hostname-override={name}",
                f"--node-ip={address}",
            ],
            ready=answers(f"http://127.0.0.1:{health}/healthz"),
        )


def _additions(
    directory: Path, machine: Machine, *, address: str, health: int, authority: Path, runtime: Path
) -> Mapping[str, Any]:
    """What is this machine's and not the pool's; none of it is in the emitted drop-in."""
    return {
        "address": address,
        "port": free_port(),
        "healthzBindAddress": "127.0.0.1",
        "healthzPort": health,
        # Only the API server asks (logs, exec), with a certificate of the cluster's authority.
        "authentication": {
            "anonymous": {"enabled": False},
            "webhook": {"enabled": False},
            "x509": {"clientCAFile": str(authority)},
        },
        "authorization": {"mode": "AlwaysAllow"},
        "containerRuntimeEndpoint": f"unix://{runtime}",
        "podLogsDir": str(directory / "pod-logs"),
        "volumePluginDir": str(directory / "volume-plugins"),
        "cgroupDriver": "cgroupfs",
        "cgroupRoot": f"/{machine.cgroup}",
        "failCgroupV1": False,
        "failSwapOn": False,
        # No firewall rules: nothing here is a Service.
        "makeIPTablesUtilChains": False,
        # Nobody answers there: names are not known, which a pod is told at once instead of after a timeout.
        "clusterDNS": [address],
        "clusterDomain": "cluster.local",
        "resolvConf": "",
        # The disk is not the pool's alone: others on it must not make the kubelet forget the images of a test.
        "imageGCHighThresholdPercent": 100,
        # A real node takes 5 minutes to forget pressure, and a test waits for it.
        "evictionPressureTransitionPeriod": "5s",
        # The same for how full a volume is: looked at every minute on a real node.
        "volumeStatsAggPeriod": "2s",
    }
