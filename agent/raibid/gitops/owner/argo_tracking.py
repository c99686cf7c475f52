"""Argo CD's marks: the tracking id, and what an Application's status says that it manages.

Owns: reading and writing tracking ids, whether one describes the object that carries it, an Application's inventory.
Leaves to others: which Application it is (`argo.py`), where it reads from (`argo_sources.py`).

Argo CD 3 tracks by annotation, Argo CD 2 by the label `app.kubernetes.io/instance`, which Helm charts set as well. So
a label proves nothing here: `status.resources` does, in both.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, Self

from raibid.gitops.objects import Manifest, Ref, annotations_of, mappings, status_of, text

APPLICATION: Final = "Application"
APPLICATION_SET: Final = "ApplicationSet"

TRACKING_ID: Final = "argocd.argoproj.io/tracking-id"
INSTALLATION_ID: Final = "argocd.argoproj.io/installation-id"
INSTANCE_LABEL: Final = "app.kubernetes.io/instance"
_UNKNOWN: Final = "Unknown"
LABEL_LENGTH: Final = 63
"""Argo CD cuts a longer Application's name to this, where the label is only for information."""


@dataclass(frozen=True, kw_only=True)
class TrackingId:
    """`<application>:<group>/<kind>:<namespace>/<name>`."""

    application: str
    """Its name, or `<namespace>_<name>` if it is not in Argo CD's own namespace."""
    about: Ref
    """For an object that belongs to no namespace, Argo CD writes the Application's destination namespace."""

    @classmethod
    def parse(cls, value: str) -> Self | None:
        """As Argo CD reads it (ParseAppInstanceValue); None: it is not one."""
        parts = value.split(":", 2)
        if len(parts) != 3 or parts[1].count("/") != 1 or parts[2].count("/") != 1:
            return None
        group, _, kind = parts[1].partition("/")
        namespace, _, name = parts[2].partition("/")
        if not (parts[0] and kind and name):
            return None
        return cls(application=parts[0], about=Ref(group, kind, namespace, name))

    @classmethod
    def of(cls, manifest: Manifest) -> Self | None:
        """The one that an object carries."""
        return cls.parse(text(annotations_of(manifest).get(TRACKING_ID)))

    def __str__(self) -> str:
        about = self.about
        return f"{self.application}:{about.group}/{about.kind}:{about.namespace}/{about.name}"

    def names(self, application: Ref, *, argocd: str) -> bool:
        """Whether it is this Application's; `argocd`: the namespace of the Argo CD that runs it, empty if unknown."""
        if self.application == f"{application.namespace}_{application.name}":
            return True
        return self.application == application.name and argocd in ("", application.namespace)


def is_about(said: Ref, ref: Ref) -> bool:
    """Whether what Argo CD says is about this object: kind and group, too; no namespace where the object has none."""
    return (said.group, said.kind, said.name) == (ref.group, ref.kind, ref.name) and ref.namespace in (
        "",
        said.namespace,
    )


@dataclass(frozen=True, kw_only=True)
class Entry:
    """An object of an Application's inventory."""

    about: Ref
    status: str
    """Synced, OutOfSync or Unknown; empty for a hook."""
    pruned: bool
    """It is no longer in Git; Argo CD removes it with the next sync that may prune."""


def inventory(application: Manifest) -> Iterator[Entry]:
    """What it manages, as `status.resources` has it.

    An entry without a status that is no hook is an object with a copied tracking id, or one that Git tells Argo CD to
    skip (CompareAppState): Argo CD shows it, and leaves it alone.
    """
    for item in mappings(status_of(application).get("resources")):
        status, hook = text(item.get("status")), item.get("hook") is True
        if status or hook:
            about = Ref(*(text(item.get(key)) for key in ("group", "kind", "namespace", "name")))
            # Without manifests Argo CD calls everything Unknown, and to be pruned: then that says nothing of Git.
            pruned = item.get("requiresPruning") is True and status == "OutOfSync"
            yield Entry(about=about, status=status, pruned=pruned)


def entry(application: Manifest, ref: Ref, *, copied: bool = False) -> Entry | None:
    """What it says about one object; `copied`: whose tracking id is this Application's, and about another object.

    While manifests cannot be made, such a copy is listed as Unknown like everything else, and counts as little as it
    does without a status at other times.
    """
    found = next((item for item in inventory(application) if is_about(item.about, ref)), None)
    return None if found and copied and found.status == _UNKNOWN else found
