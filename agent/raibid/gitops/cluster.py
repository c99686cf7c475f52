"""What GitOps operations ask of Kubernetes: one protocol; tests have a cluster in memory.

Owns: the questions, the shapes of answers that are no objects.
Leaves to others: how the API server is asked (`kube_cluster.py`).

Every method raises KubeError (`raibid.kube.errors`): KubeNotFoundError for an object, or a kind, that is not there,
KubeRefusedError for what we may not see.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from raibid.gitops.objects import Manifest, Ref


@dataclass(frozen=True)
class Kind:
    """A kind that the cluster serves, in its preferred version."""

    group: str
    version: str
    kind: str
    plural: str
    namespaced: bool
    short: tuple[str, ...] = ()
    singular: str = ""
    verbs: frozenset[str] = field(default=frozenset(), compare=False)

    @property
    def api_version(self) -> str:
        """As a manifest says it."""
        return f"{self.group}/{self.version}" if self.group else self.version


@dataclass(frozen=True)
class Happening:
    """An event about an object."""

    type: str
    """Normal or Warning."""
    reason: str
    message: str
    at: str
    """RFC 3339."""
    source: str = ""


@dataclass(frozen=True)
class Applied:
    """What the API server made of a manifest."""

    manifest: Manifest
    warnings: tuple[str, ...] = ()


class Cluster(Protocol):
    """One cluster as one user. Safe for several threads at once."""

    def kinds(self) -> Sequence[Kind]:
        """All that it serves, each in its preferred version; asked once."""

    def kind(self, group: str, kind: str) -> Kind:
        """One of them. Raises KubeNotFoundError."""

    def get(self, ref: Ref) -> Manifest:
        """An object as it is now."""

    def objects(self, group: str, kind: str, namespace: str = "") -> Sequence[Manifest]:
        """All objects of a kind, of one namespace or of all. Each has its apiVersion and kind."""

    def watch(self, group: str, kind: str, namespace: str = "", *, seconds: float) -> Iterator[Manifest]:
        """Objects of a kind as they change from now on, the first ones as they are; ends after `seconds`.

        One that is deleted comes a last time, with a deletionTimestamp.
        """

    def happenings(self, ref: Ref) -> Sequence[Happening]:
        """Events about an object, oldest first."""

    def annotate(self, ref: Ref, **annotations: str) -> None:
        """Set annotations; names with dots and slashes by `**{...}`."""

    def apply(self, manifest: Manifest, *, manager: str, dry_run: bool = False, force: bool = False) -> Applied:
        """Server-side apply; fields that the kind does not know are an error (KubeInvalidError).

        Raises:
            KubeConflictError: another manager owns a field of it.
        """

    def replace(self, manifest: Manifest, *, manager: str, dry_run: bool = False) -> Applied:
        """Put an object in the place of the one whose resourceVersion it has; strict, and no other manager is asked.

        Raises:
            KubeConflictError: the object has changed since it was read.
        """

    def create(self, manifest: Manifest) -> Manifest:
        """Create an object, for example an Event."""
