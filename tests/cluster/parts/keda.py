"""KEDA's operator, in the version that is deployed: CRDs, namespace, certificates, and what it says at each poll.

Owns: its command line, the reading of its log (`polls`).
Leaves to others: what it scales (`pool.py`), what it should decide (`raibid.scaler.arithmetic`).
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import yaml
from raibid.local.redis_server import free_port

from components.manifest_tree import Manifest
from tests.cluster.parts.control_plane import ControlPlane
from tests.cluster.parts.namespace import namespace
from tests.cluster.parts.process import Part, answers
from tests.cluster.tools.toolchain import tool
from tests.contract.schemas import CRDS
from tests.waiting import until

NAMESPACE: Final = "keda"
_EVENTING: Final = {"CloudEventSource": "Namespaced", "ClusterCloudEventSource": "Cluster"}
"""Kinds that nobody here uses; but without their CRDs the operator ends after two minutes (cache sync timeout)."""


@dataclass(frozen=True)
class Poll:
    """What KEDA saw and did at one look at its ScaledJob, in its own words."""

    at: float
    """Unix seconds of its decision."""
    metric: int | None
    """The trigger's value; None: the scaler had an error."""
    running: int
    pending: int = 0
    created: int = 0


class Keda(Part):
    """The operator of one namespace, as the emitted release sets `watchNamespace`."""

    def __init__(self, plane: ControlPlane, watches: str) -> None:
        directory = plane.directory / "keda"
        health = free_port()
        self.plane: Final = plane
        super().__init__(
            "keda",
            directory,
            [
                tool("keda"),
                "--enable-cert-rotation=false",
                f"--cert-dir={_certificates(plane, directory)}",
                f"--health-probe-bind-address=127.0.0.1:{health}",
                f"--metrics-bind-address=127.0.0.1:{free_port()}",
                f"--metrics-service-bind-address=127.0.0.1:{free_port()}",
                # Its counts, one JSON object per line: what `polls` reads.
                "--zap-log-level=debug",
                "--zap-encoder=json",
                "--zap-time-encoding=rfc3339nano",
            ],
            ready=answers(f"http://127.0.0.1:{health}/readyz"),
            env={
                "KUBECONFIG": str(plane.kubeconfig()),
                "WATCH_NAMESPACE": watches,
                "KEDA_CLUSTER_OBJECT_NAMESPACE": NAMESPACE,
                "POD_NAMESPACE": NAMESPACE,
                "POD_NAME": "keda-operator",
            },
        )

    def install(self) -> None:
        """Its namespace and its CRDs, as its chart brings them."""
        definitions = [
            crd for file in sorted((CRDS / "keda").glob("*.yaml")) for crd in yaml.safe_load_all(file.read_text())
        ]
        definitions += [_empty_crd(kind, scope) for kind, scope in _EVENTING.items()]
        self.plane.apply(namespace(NAMESPACE), *definitions)
        until(lambda: all(self._served(crd["metadata"]["name"]) for crd in definitions), "KEDA's CRDs are served")

    def _served(self, name: str) -> bool:
        crd = json.loads(self.plane.kubectl("get", "crd", name, "--output=json"))
        conditions = crd.get("status", {}).get("conditions") or []
        return any((c["type"], c["status"]) == ("Established", "True") for c in conditions)

    def polls(self, *, after: float = 0.0) -> list[Poll]:
        """Its polls since a moment (Unix seconds); of the newest it may not have said everything yet."""
        with self.log.open(errors="replace") as lines:
            return [poll for poll in read_polls(lines) if poll.at >= after]

    def await_polls(self, count: int, *, after: float) -> list[Poll]:
        """Return when it has finished so many polls after a moment."""
        enough = until(lambda: len(polls := self.polls(after=after)) > count and polls, f"{count} polls of KEDA", 120.0)
        assert enough
        return enough[:count]


def read_polls(lines: Iterable[str]) -> Iterator[Poll]:
    """The polls of a log of KEDA's (2.21: pkg/scaling/scale_handler.go, executor/scale_jobs.go) with one ScaledJob."""
    metric: int | None = None
    poll: Poll | None = None
    for entry in _entries(lines):
        match entry:
            case {"msg": "Scaler Metric value"}:
                metric = _metric(entry)
            case {"msg": "Scaling Jobs", "ts": str(at), "Number of running Jobs": int(running)}:
                if poll:
                    yield poll
                poll, metric = Poll(datetime.fromisoformat(at).timestamp(), metric, running), None
            case {"msg": "Scaling Jobs", "Number of pending Jobs": int(pending)} if poll:
                poll = replace(poll, pending=pending)
            case {"msg": "Created jobs", "Number of jobs": int(created)} if poll:
                poll = replace(poll, created=created)
    if poll:
        yield poll


def _empty_crd(kind: str, scope: str) -> Manifest:
    group, plural = "eventing.keda.sh", f"{kind.lower()}s"
    schema = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    version = {"name": "v1alpha1", "served": True, "storage": True, "schema": {"openAPIV3Schema": schema}}
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{plural}.{group}"},
        "spec": {"group": group, "scope": scope, "names": {"kind": kind, "plural": plural}, "versions": [version]},
    }


def _entries(lines: Iterable[str]) -> Iterator[Mapping[str, Any]]:
    for line in lines:
        if line.startswith("{") and line.endswith("}\n"):  # beside it: klog's lines, and one that is being written
            yield json.loads(line)


def _metric(entry: Mapping[str, Any]) -> int:
    (value,) = [value for name, value in entry.items() if name.startswith("s0-redis-streams")]
    return round(float(value))


def _certificates(plane: ControlPlane, directory: Path) -> Path:
    """`tls.crt`, `tls.key` and `ca.crt`, as the operator's gRPC server wants them."""
    place = directory / "certificates"
    place.mkdir(parents=True, exist_ok=True, mode=0o700)
    pair = plane.authority.issue("keda-operator", ["localhost", "127.0.0.1"])
    for name, file in (("tls.crt", pair.certificate), ("tls.key", pair.key), ("ca.crt", plane.authority.certificate)):
        link = place / name
        link.unlink(missing_ok=True)
        link.symlink_to(file)
    return place
