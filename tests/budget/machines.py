"""A machine and systems with round numbers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from components.budget import Footprint, Workload
from components.settings import Settings, parse
from components.units import GI

SPARK = {"name": "spark", "cpu": 20, "memory": "120Gi", "disk": "3600Gi"}
CLASSES = [{"kind": "performance", "cpus": "5-9,15-19"}, {"kind": "efficiency", "cpus": "0-4,10-14"}]


def stack(*nodes: Mapping[str, Any], **sections: Any) -> Settings:
    """Settings with these nodes (or one like a DGX Spark), each on a host of its own."""
    listed = [{"host": node["name"], **node} for node in nodes or (SPARK,)]
    image = {"repository": "registry.example/image"}
    return parse(
        {
            "cluster": {"kind": "k3s"},
            "nodes": listed,
            "images": {"agent": image, "api": image, "platforms": ["linux/arm64", "linux/amd64"]},
            **sections,
        },
        "test",
    )


def forge(cpu: int = 4000, memory: int = 8 * GI, disk: int = 120 * GI) -> Footprint:
    """A system on the first node."""
    return Footprint("forge", (Workload(name="forge", namespace="infrastructure", cpu=cpu, memory=memory, disk=disk),))


def watcher(cpu: int = 250, memory: int = GI) -> Footprint:
    """A system with a DaemonSet, and something in the agents' namespace."""
    return Footprint(
        "watcher",
        (
            Workload(name="exporter", namespace="monitoring", cpu=cpu, memory=memory, every_node=True),
            Workload(name="api", namespace="ci", cpu=cpu, memory=memory, replicas=1, disk=2 * GI),
        ),
    )


MISSION = [forge(), watcher()]
"""4.5 cores on one node: the mission's anchor (20 − 8 reserved − 4.5 = 7.5)."""
