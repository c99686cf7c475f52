"""A cluster in memory: the protocol of `raibid.gitops.cluster` over a dictionary.

Owns: objects, which a test may change while somebody watches; what was written, in order; kinds that are refused.

    cluster = MemoryCluster.of(*documents(FLUX / "kustomization.yaml"))
    cluster.put({**manifest, "status": {...}})     # watchers see it
    assert cluster.written == [Written("annotate", ref, ...)]
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from raibid.gitops.cluster import Applied, Happening, Kind
from raibid.gitops.objects import Manifest, Ref, group_of, mapping, metadata_of, ref_of
from raibid.kube.errors import KubeConflictError, KubeNotFoundError, KubeRefusedError
from ruamel.yaml import YAML

BUILT_IN = tuple(
    Kind(group, version, kind, plural, namespaced, short, kind.lower())
    for group, version, kind, plural, namespaced, short in (
        ("", "v1", "Pod", "pods", True, ("po",)),
        ("", "v1", "ConfigMap", "configmaps", True, ("cm",)),
        ("", "v1", "Secret", "secrets", True, ()),
        ("", "v1", "Service", "services", True, ("svc",)),
        ("", "v1", "ServiceAccount", "serviceaccounts", True, ("sa",)),
        ("", "v1", "PersistentVolumeClaim", "persistentvolumeclaims", True, ("pvc",)),
        ("", "v1", "Namespace", "namespaces", False, ("ns",)),
        ("apps", "v1", "Deployment", "deployments", True, ("deploy",)),
        ("apps", "v1", "ReplicaSet", "replicasets", True, ("rs",)),
        ("apps", "v1", "StatefulSet", "statefulsets", True, ("sts",)),
        ("apps", "v1", "DaemonSet", "daemonsets", True, ("ds",)),
        ("batch", "v1", "Job", "jobs", True, ()),
        ("batch", "v1", "CronJob", "cronjobs", True, ("cj",)),
        ("rbac.authorization.k8s.io", "v1", "ClusterRole", "clusterroles", False, ()),
        ("rbac.authorization.k8s.io", "v1", "ClusterRoleBinding", "clusterrolebindings", False, ()),
        ("apiextensions.k8s.io", "v1", "CustomResourceDefinition", "customresourcedefinitions", False, ("crd",)),
    )
)


@dataclass(frozen=True)
class Written:
    """One write, in the order they came."""

    verb: str
    """annotate, apply, replace or create."""
    ref: Ref
    body: Mapping[str, Any] = field(compare=False)
    """The annotations, or the manifest."""
    dry_run: bool = False
    force: bool = False
    manager: str = ""


@dataclass
class MemoryCluster:
    """Starts empty; every manifest that is put makes its kind one that the cluster serves."""

    refuse: frozenset[str] = frozenset()
    """Kinds that may not be read, as a Role without the right does: `Secret`."""
    refuse_lists: frozenset[str] = frozenset()
    """Kinds of which single objects may be read, and no lists."""
    admit: Callable[[Manifest], None] = lambda _manifest: None
    """Asked before an apply or a create; raises what the API server would say (KubeInvalidError)."""
    warn: tuple[str, ...] = ()
    """Warnings of every apply."""
    react: Callable[[Written], None] = lambda _written: None
    """Told of every write after it happened: what controllers do then, by `put`."""
    written: list[Written] = field(default_factory=list)
    asked: list[tuple[str, str]] = field(default_factory=list)
    """Every read: `("list", "Kustomization")`, `("get", "Pod/ci/agent-1")`."""
    _objects: dict[Ref, Manifest] = field(default_factory=dict)
    _kinds: dict[tuple[str, str], Kind] = field(default_factory=dict)
    _events: dict[Ref, list[Happening]] = field(default_factory=dict)
    _log: list[Manifest] = field(default_factory=list)
    _changed: threading.Condition = field(default_factory=threading.Condition)

    def __post_init__(self) -> None:
        self._kinds.update({(kind.group, kind.kind): kind for kind in BUILT_IN})

    @classmethod
    def of(cls, *manifests: Manifest, **how: Any) -> MemoryCluster:
        """A cluster with these objects."""
        cluster = cls(**how)
        for manifest in manifests:
            cluster.put(manifest)
        return cluster

    # --- what a test does ------------------------------------------------------------------------------------

    def put(self, manifest: Manifest) -> None:
        """Create an object, or put another in its place; who watches sees it."""
        ref, item = ref_of(manifest), deepcopy(dict(manifest))
        with self._changed:
            version = str(len(self._log) + 1)
            item["metadata"] = {**metadata_of(item), "resourceVersion": version}
            self.serve(str(item.get("apiVersion", "")), ref.kind, namespaced=bool(ref.namespace))
            self._objects[ref] = item
            self._log.append(item)
            self._changed.notify_all()

    def serve(self, api_version: str, kind: str, *, namespaced: bool = True) -> None:
        """Make a kind one that the cluster knows; one that it knows stays as it is."""
        group = group_of(api_version)
        version = api_version.rpartition("/")[2]
        made = Kind(group, version, kind, f"{kind.lower()}s", namespaced, (), kind.lower())
        self._kinds.setdefault((group, kind), made)

    def remove(self, ref: Ref) -> None:
        """Delete an object; who watches sees it a last time, with a deletionTimestamp."""
        with self._changed:
            item = self._objects.pop(ref)
            version = str(len(self._log) + 1)
            gone = {**metadata_of(item), "deletionTimestamp": "2026-11-21T12:00:00Z", "resourceVersion": version}
            self._log.append({**item, "metadata": gone})
            self._changed.notify_all()

    def tell(self, ref: Ref, happening: Happening) -> None:
        """An event about an object."""
        self._events.setdefault(ref, []).append(happening)

    def __contains__(self, ref: Ref) -> bool:
        return ref in self._objects

    # --- the protocol ----------------------------------------------------------------------------------------

    def kinds(self) -> Sequence[Kind]:
        return tuple(self._kinds.values())

    def kind(self, group: str, kind: str) -> Kind:
        found = self._kinds.get((group, kind))
        if found is None:
            raise KubeNotFoundError(f"the cluster serves no {kind}{f'.{group}' if group else ''}")
        return found

    def get(self, ref: Ref) -> Manifest:
        self.asked.append(("get", str(ref)))
        self.kind(ref.group, ref.kind)
        self._allowed(str(ref), ref.kind)
        with self._changed:
            found = self._objects.get(ref)
        if found is None:
            raise KubeNotFoundError(f"{ref}: not found (404)")
        return deepcopy(found)

    def objects(self, group: str, kind: str, namespace: str = "") -> Sequence[Manifest]:
        self.asked.append(("list", kind))
        self.kind(group, kind)
        self._allowed(f"list of {kind}", kind, self.refuse_lists)
        with self._changed:
            return [deepcopy(item) for ref, item in self._objects.items() if _is(ref, group, kind, namespace)]

    def watch(self, group: str, kind: str, namespace: str = "", *, seconds: float) -> Iterator[Manifest]:
        deadline = time.monotonic() + seconds
        with self._changed:
            seen = len(self._log)
        yield from self.objects(group, kind, namespace)
        while True:
            with self._changed:
                left = deadline - time.monotonic()
                if not self._changed.wait_for(lambda: len(self._log) > seen, timeout=max(0.0, left)):  # noqa: B023
                    return
                news, seen = self._log[seen:], len(self._log)
            yield from (deepcopy(item) for item in news if _is(ref_of(item), group, kind, namespace))

    def happenings(self, ref: Ref) -> Sequence[Happening]:
        self._allowed(f"events of {ref}", "Event")
        return sorted(self._events.get(ref, ()), key=lambda happening: happening.at)

    def annotate(self, ref: Ref, **annotations: str) -> None:
        item = dict(self.get(ref))
        metadata = metadata_of(item)
        item["metadata"] = {**metadata, "annotations": {**mapping(metadata.get("annotations")), **annotations}}
        self.put(item)
        self._wrote(Written("annotate", ref, annotations))

    def apply(self, manifest: Manifest, *, manager: str, dry_run: bool = False, force: bool = False) -> Applied:
        ref = ref_of(manifest)
        self.kind(ref.group, ref.kind)
        self._allowed(str(ref), ref.kind)
        self.admit(manifest)
        merged = _merged(self._objects.get(ref, {}), manifest)
        if not dry_run:
            self.put(merged)
        self._wrote(Written("apply", ref, manifest, dry_run, force, manager))
        return Applied(merged, self.warn)

    def replace(self, manifest: Manifest, *, manager: str, dry_run: bool = False) -> Applied:
        ref = ref_of(manifest)
        self._allowed(str(ref), ref.kind)
        self.admit(manifest)
        if metadata_of(manifest).get("resourceVersion") != metadata_of(self.get(ref))["resourceVersion"]:
            raise KubeConflictError(f"{ref}: the object has been modified (409)")
        if not dry_run:
            self.put(manifest)
        self._wrote(Written("replace", ref, manifest, dry_run, False, manager))
        return Applied(manifest, self.warn)

    def create(self, manifest: Manifest) -> Manifest:
        metadata = metadata_of(manifest)
        name = metadata.get("name") or f"{metadata.get('generateName', '')}{len(self._log)}"
        made = {**manifest, "metadata": {**metadata, "name": name}}
        ref = ref_of(made)
        self._allowed(str(ref), ref.kind)
        self.admit(made)
        if ref in self._objects:
            raise KubeConflictError(f"{ref}: already exists (409)")
        self.put(made)
        self._wrote(Written("create", ref, made))
        return self._objects[ref]

    def _wrote(self, written: Written) -> None:
        self.written.append(written)
        self.react(written)

    def _allowed(self, what: str, kind: str, also: frozenset[str] = frozenset()) -> None:
        if kind in self.refuse | also:
            raise KubeRefusedError(f'{kind} is forbidden: User "developer" cannot read {what} (403)')


def documents(*files: Path) -> list[dict[str, Any]]:
    """Every YAML document of the files."""
    return [item for file in files for item in YAML(typ="safe").load_all(file.read_bytes()) if item]


def _is(ref: Ref, group: str, kind: str, namespace: str) -> bool:
    return (ref.group, ref.kind) == (group, kind) and namespace in ("", ref.namespace)


def _merged(old: Manifest, new: Manifest) -> dict[str, Any]:
    """As a merge patch does; enough for tests, lists are put in place of lists."""
    both = {**old, **new}
    for name, value in new.items():
        if isinstance(value, Mapping) and isinstance(old.get(name), Mapping):
            both[name] = _merged(old[name], value)
    return both
