"""The appliers of a cluster, each kind listed once for as long as one question takes.

Owns: remembering; kinds that are not installed, and those that we may not see, as answers.
Leaves to others: what appliers say (`flux.py`, `argo.py`).
"""

from __future__ import annotations

from dataclasses import dataclass, field

from raibid.gitops.cluster import Cluster
from raibid.gitops.objects import Manifest, Ref, ref_of
from raibid.kube.errors import KubeNotFoundError, KubeRefusedError


@dataclass
class World:
    """What one question has seen so far."""

    cluster: Cluster
    refused: list[str] = field(default_factory=list)
    """What we may not see, in the API server's words."""
    notes: list[str] = field(default_factory=list)
    """What was looked at and does not count (a copied label, an Application for another cluster), and why."""
    _hidden: set[tuple[str, str]] = field(default_factory=set)
    _lists: dict[tuple[str, str], dict[Ref, Manifest]] = field(default_factory=dict)
    _single: dict[Ref, Manifest | None] = field(default_factory=dict)

    def all(self, group: str, kind: str) -> dict[Ref, Manifest]:
        """Every object of a kind, in all namespaces; none of a kind that the cluster does not serve."""
        if (group, kind) not in self._lists:
            try:
                found = self.cluster.objects(group, kind)
            except KubeNotFoundError:
                found = []
            except KubeRefusedError as error:
                self._refuse(error, group, kind)
                found = []
            self._lists[group, kind] = {ref_of(item): item for item in found}
        return self._lists[group, kind]

    def get(self, ref: Ref) -> Manifest | None:
        """One object; None: it is not there, or we may not see it (`refused` then says so)."""
        listed = self._lists.get((ref.group, ref.kind))
        if listed is not None and ref in listed:
            return listed[ref]
        if ref not in self._single:
            try:
                self._single[ref] = self.cluster.get(ref)
            except KubeNotFoundError:
                self._single[ref] = None
            except KubeRefusedError as error:
                self._refuse(error, ref.group, ref.kind)
                self._single[ref] = None
        return self._single[ref]

    def hidden(self, group: str, kind: str) -> bool:
        """Whether an object of that kind, or the list of them, was refused: what is not found may be there."""
        return (group, kind) in self._hidden

    def note(self, text: str) -> None:
        """Say once what does not count."""
        if text not in self.notes:
            self.notes.append(text)

    def _refuse(self, error: KubeRefusedError, group: str, kind: str) -> None:
        self._hidden.add((group, kind))
        if str(error) not in self.refused:
            self.refused.append(str(error))
