"""What `raibid gitops owner` takes, as a process, of a cluster of 5,000 objects and 50 Kustomizations over HTTP."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from raibid.gitops.objects import ref_of
from raibid.gitops.owner.inventory import entry

from tests.bench.figure import Figure, median
from tests.gitops.api_server import ApiServer
from tests.gitops.memory_cluster import MemoryCluster

KUSTOMIZATIONS, OBJECTS = 50, 5_000
ROUNDS = 7
COMMAND = ("-m", "raibid.cli", "gitops", "owner", "pod/app-7-0-abc", "-n", "team-7", "--no-file", "--json")
EVERYTHING = """
from raibid.gitops.kube_cluster import KubeCluster
with KubeCluster.connect() as cluster:
    found = [item for kind in cluster.kinds() for item in cluster.objects(kind.group, kind.kind)]
"""
"""The twin: what looks at all objects, by the same client."""

LAUNCHER = """
import resource, subprocess, sys, time
begin = time.perf_counter()
code = subprocess.run(sys.argv[1:], stdout=subprocess.DEVNULL).returncode
seconds = time.perf_counter() - begin
print(seconds, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss, file=sys.stderr)
sys.exit(code)
"""
"""A small process between: Linux counts what a process had before its exec, that is this one's 5,000 objects."""


def objects(count: int = OBJECTS) -> Iterator[dict[str, Any]]:
    """Deployments with ReplicaSet and Pod, in 50 Kustomizations of as many namespaces; each as large as real ones."""
    yield {
        "apiVersion": "source.toolkit.fluxcd.io/v1",
        "kind": "GitRepository",
        "metadata": {"name": "fleet", "namespace": "flux-system"},
        "spec": {"url": "https://gitea.dgx.local/raibid/fleet.git", "ref": {"branch": "main"}},
    }
    each = (count - KUSTOMIZATIONS - 1) // (3 * KUSTOMIZATIONS)
    for team in range(KUSTOMIZATIONS):
        applied = [item for number in range(each) for item in workload(f"team-{team}", f"app-{team}-{number}")]
        yield from applied
        ids = [entry(ref_of(item)) for item in applied[::3]]
        yield {
            "apiVersion": "kustomize.toolkit.fluxcd.io/v1",
            "kind": "Kustomization",
            "metadata": {"name": f"team-{team}", "namespace": "flux-system"},
            "spec": {"path": f"./apps/team-{team}", "sourceRef": {"kind": "GitRepository", "name": "fleet"}},
            "status": {"inventory": {"entries": [{"id": found, "v": "v1"} for found in ids]}},
        }


def workload(namespace: str, name: str) -> list[dict[str, Any]]:
    environment = [{"name": f"VARIABLE_{number}", "value": "x" * 40} for number in range(30)]
    spec = {"containers": [{"name": "app", "image": f"registry.local/{name}:1.0", "env": environment}]}
    made: list[dict[str, Any]] = []
    for kind, suffix in (("Deployment", ""), ("ReplicaSet", "-abc"), ("Pod", "-abc")):
        metadata: dict[str, Any] = {"name": name + suffix, "namespace": namespace, "uid": f"{kind}-{name}"}
        if made:
            above = made[-1]
            owner = {"apiVersion": "apps/v1", "kind": above["kind"], "controller": True}
            named = {"name": above["metadata"]["name"], "uid": above["metadata"]["uid"]}
            metadata["ownerReferences"] = [owner | named]
        made.append({"apiVersion": "v1" if kind == "Pod" else "apps/v1", "kind": kind, "metadata": metadata})
        made[-1]["spec"] = spec if kind == "Pod" else {"template": {"spec": spec}}
    return made


def run(arguments: Sequence[str], kubeconfig: Path) -> tuple[float, float]:
    """Seconds and peak resident MB of a process, which must succeed."""
    environment = {**os.environ, "KUBECONFIG": str(kubeconfig)}
    command = [sys.executable, "-c", LAUNCHER, sys.executable, *arguments]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(done.stderr)
    seconds, kilobytes = done.stderr.split()[-2:]
    return float(seconds), int(kilobytes) / 1024


def measure() -> list[Figure]:
    cluster = MemoryCluster.of(*objects())
    with tempfile.TemporaryDirectory() as directory, ApiServer(cluster) as server:
        kubeconfig = server.kubeconfig(Path(directory))
        everything = ("-c", EVERYTHING)
        run(everything, kubeconfig)  # bytecode, file cache and the server's pages are warm for both
        rounds = [(run(COMMAND, kubeconfig), run(everything, kubeconfig)) for _ in range(ROUNDS)]
    seconds, twin = (median(pair[side][0] for pair in rounds) for side in (0, 1))
    memory, twin_memory = (max(pair[side][1] for pair in rounds) for side in (0, 1))
    scope = f"gitops owner of a Pod, {OBJECTS:,} objects, {KUSTOMIZATIONS} Kustomizations"
    name = "listing every object"
    return [
        Figure(
            what=scope, value=seconds, unit="s", twin_name=name, twin=twin, goal="< 1 s", met=seconds < 1,
        ),
        Figure(
            what="the same: peak resident", value=memory, unit="MB", twin_name=name, twin=twin_memory,
            goal="< 150 MB", met=memory < 150,
        ),
    ]  # fmt: skip
