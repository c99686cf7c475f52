"""Kubernetes objects as every part of the room reads them: plain manifests, and which object one is.

Owns: the identity without a version, reading of metadata, conditions and references.
Leaves to others: where they come from (`cluster.py`), what they mean.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

Manifest = Mapping[str, Any]


@dataclass(frozen=True, order=True)
class Ref:
    """Which object. Its version is left out: all versions of a kind are the same object."""

    group: str
    """Empty for the core group."""
    kind: str
    namespace: str
    """Empty for what belongs to none."""
    name: str

    def __str__(self) -> str:
        return f"{self.kind}/{self.namespace}/{self.name}" if self.namespace else f"{self.kind}/{self.name}"


@dataclass(frozen=True)
class Condition:
    """A condition of a status."""

    type: str
    status: str
    """True, False or Unknown."""
    reason: str = ""
    message: str = ""


def ref_of(manifest: Manifest, *, namespace: str = "") -> Ref:
    """Which object a manifest is; `namespace`: where it goes if it does not say."""
    metadata = metadata_of(manifest)
    return Ref(
        group_of(str(manifest.get("apiVersion", ""))),
        str(manifest.get("kind", "")),
        str(metadata.get("namespace", "") or namespace),
        str(metadata.get("name", "")),
    )


def group_of(api_version: str) -> str:
    """`apps` of `apps/v1`; empty for `v1`."""
    return api_version.rpartition("/")[0]


def metadata_of(manifest: Manifest) -> Mapping[str, Any]:
    """Its metadata; empty if it has none."""
    return mapping(manifest.get("metadata"))


def labels_of(manifest: Manifest) -> Mapping[str, str]:
    """Its labels."""
    return mapping(metadata_of(manifest).get("labels"))


def annotations_of(manifest: Manifest) -> Mapping[str, str]:
    """Its annotations."""
    return mapping(metadata_of(manifest).get("annotations"))


def spec_of(manifest: Manifest) -> Mapping[str, Any]:
    """Its spec; empty if it has none."""
    return mapping(manifest.get("spec"))


def status_of(manifest: Manifest) -> Mapping[str, Any]:
    """Its status; empty if it has none."""
    return mapping(manifest.get("status"))


def conditions_of(manifest: Manifest) -> dict[str, Condition]:
    """Its conditions by type."""
    found = status_of(manifest).get("conditions")
    return {
        str(item.get("type", "")): Condition(
            str(item.get("type", "")),
            str(item.get("status", "Unknown")),
            str(item.get("reason", "")),
            str(item.get("message", "")),
        )
        for item in (found if isinstance(found, list) else ())
        if isinstance(item, Mapping)
    }


def owners_of(manifest: Manifest) -> list[Ref]:
    """What its ownerReferences name: objects of its own namespace, or of none. The controlling one comes first."""
    references = metadata_of(manifest).get("ownerReferences")
    found = [item for item in (references if isinstance(references, list) else ()) if isinstance(item, Mapping)]
    found.sort(key=lambda item: not item.get("controller", False))
    namespace = str(metadata_of(manifest).get("namespace", ""))
    return [
        Ref(group_of(str(item.get("apiVersion", ""))), str(item.get("kind", "")), namespace, str(item.get("name", "")))
        for item in found
    ]


def mapping(value: object) -> Mapping[str, Any]:
    """The value if it is a mapping, else an empty one: live objects are what strangers wrote."""
    return value if isinstance(value, Mapping) else {}


def mappings(value: object) -> list[Mapping[str, Any]]:
    """The mappings of a list; none if it is no list."""
    return [item for item in value if isinstance(item, Mapping)] if isinstance(value, list) else []


def text(value: object) -> str:
    """The value if it is a string, else an empty one."""
    return value if isinstance(value, str) else ""


def moment(value: object) -> datetime | None:
    """An RFC 3339 time, as Kubernetes writes it, with a zone; None: it is none."""
    try:
        found = datetime.fromisoformat(text(value))
    except ValueError:
        return None
    return found if found.tzinfo else None
