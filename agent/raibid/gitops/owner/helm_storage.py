"""Helm's own record of a release: a Secret with the manifest it rendered, gzipped JSON in base64.

Owns: which Secret that is, reading it within bounds, whether an object is in it.
Leaves to others: when it is asked: for HelmReleases without an inventory, that is of Flux before 2.8 (`flux.py`).
"""

from __future__ import annotations

import base64
import binascii
import json
import re
import zlib
from dataclasses import replace
from typing import Any, Final

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from raibid.gitops.errors import GitopsError
from raibid.gitops.objects import Manifest, Ref, annotations_of, mapping, mappings, ref_of, spec_of, status_of, text

_MOST_ENCODED: Final = 2 * 1024 * 1024
"""Of a Secret's data the API server takes 1 MiB; base64 twice makes it 1.8."""
_MOST_DECODED: Final = 32 * 1024 * 1024
"""As flux-operator bounds it: a gzip of 1 MiB may hold a gigabyte."""
_DOCUMENT: Final = re.compile(r"^---", re.MULTILINE)
_GZIPPED: Final = zlib.MAX_WBITS | 16


class HelmStorageError(GitopsError):
    """A release's Secret is not what Helm writes."""


def secret_of(release: Manifest) -> Ref | None:
    """The Secret with the current release of a HelmRelease; None: there is none yet."""
    name, version = _snapshot(release)
    namespace = status_of(release).get("storageNamespace") or spec_of(release).get("storageNamespace")
    if not name or not version:
        return None
    return Ref("", "Secret", str(namespace or ref_of(release).namespace), f"sh.helm.release.v1.{name}.v{version}")


def rendered(secret: Manifest) -> str:
    """The manifest in such a Secret, hooks left out.

    Raises:
        HelmStorageError: it is no release.
    """
    data = mapping(secret.get("data")).get("release")
    if not isinstance(data, str) or len(data) > _MOST_ENCODED:
        raise HelmStorageError("no release in it, or one that is too large")
    try:
        packed = base64.b64decode(base64.b64decode(data))
        release = json.loads(_unpacked(packed))
    except (binascii.Error, zlib.error, ValueError, RecursionError) as error:
        raise HelmStorageError(f"no release in it: {type(error).__name__}") from None
    return str(mapping(release).get("manifest", ""))


def renders(manifest: str, ref: Ref, namespace: str) -> bool:
    """Whether a release's manifest has an object; `namespace`: where it goes if it does not say.

    Only documents in which the name occurs are parsed: a chart of 3 MB would take half a minute.
    """
    return any(
        _is(found, ref, namespace) and not _hook(found)
        for document in _DOCUMENT.split(manifest)
        if ref.name in document and ref.kind in document
        for found in _objects(document)
    )


def _is(manifest: Manifest, ref: Ref, namespace: str) -> bool:
    """Charts write namespaces into what belongs to none, too; the API server ignores them."""
    found = ref_of(manifest, namespace=namespace)
    return found == ref or (not ref.namespace and replace(found, namespace="") == ref)


def namespace_of(release: Manifest) -> str:
    """Where a HelmRelease's objects go by default."""
    return str(spec_of(release).get("targetNamespace") or ref_of(release).namespace)


def name_of(release: Manifest) -> str:
    """The name of its release in Helm, which Helm also writes into every object."""
    target = spec_of(release).get("targetNamespace")
    name = ref_of(release).name
    return str(spec_of(release).get("releaseName") or (f"{target}-{name}" if target else name))


def _snapshot(release: Manifest) -> tuple[str, str]:
    history = mappings(status_of(release).get("history"))
    if history:
        latest = history[0]
        return str(latest.get("name", "")), str(latest.get("version", ""))
    # helm.toolkit.fluxcd.io/v2beta1
    return name_of(release), str(status_of(release).get("lastReleaseRevision") or "")


def _unpacked(packed: bytes) -> bytes:
    if not packed.startswith(b"\x1f\x8b\x08"):
        return packed
    unpacking = zlib.decompressobj(_GZIPPED)
    found = unpacking.decompress(packed, _MOST_DECODED)
    if unpacking.unconsumed_tail:
        raise ValueError("too large")
    return found


def _objects(document: str) -> list[Manifest]:
    try:
        found: Any = YAML(typ="safe").load(document)
    except (YAMLError, ValueError, RecursionError):
        return []
    one = mapping(found)
    return mappings(one.get("items")) if text(one.get("kind")).endswith("List") else [one]


def _hook(manifest: Manifest) -> bool:
    """Hooks are run and not kept: Helm does not look after them."""
    return "helm.sh/hook" in annotations_of(manifest)
