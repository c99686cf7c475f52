"""What an Application sets over the files that it reads: an edit of the same in the files changes nothing.

Owns: `spec.source.kustomize` and `helm`, in words for people, and in those of a Flux Kustomization.
Leaves to others: the sources (`argo_sources.py`), what an edit does with them (`raibid.gitops.files`).
"""

from __future__ import annotations

from typing import Any

from raibid.gitops.objects import Manifest, mapping

_AS_IN_FLUX = {
    "namespace": "targetNamespace",
    "namePrefix": "namePrefix",
    "nameSuffix": "nameSuffix",
    "components": "components",
    "patches": "patches",
    "replicas": "replicas",
}
"""Argo CD writes each of them into the directory's kustomization, as Flux does (util/kustomize: Build)."""


def in_words(source: Manifest) -> str:
    """What it overrides, for a note; empty: nothing."""
    notes = []
    kustomize = sorted(key for key, value in mapping(source.get("kustomize")).items() if value and key != "version")
    if kustomize:
        notes.append(f"the Application overrides {', '.join(kustomize)} (spec.source.kustomize)")
    helm = mapping(source.get("helm"))
    inline = sorted(key for key in ("parameters", "values", "valuesObject", "fileParameters") if helm.get(key))
    if inline:
        notes.append(f"the Application overrides values of the chart ({', '.join(inline)} in spec.source.helm)")
    if mapping(source.get("plugin")):
        notes.append("a config management plugin renders the files")
    return "; ".join(notes)


def as_flux_spec(source: Manifest) -> dict[str, Any]:
    """The same as the `spec` of a Flux Kustomization, which is what edits of files know."""
    kustomize = mapping(source.get("kustomize"))
    found = {theirs: kustomize[ours] for ours, theirs in _AS_IN_FLUX.items() if kustomize.get(ours)}
    images = kustomize.get("images")
    named = [_image(item) for item in images if isinstance(item, str)] if isinstance(images, list) else []
    return {**found, **({"images": named} if named else {})}


def _image(value: str) -> dict[str, str]:
    """`[<name>=]<new name>[:<tag>|@<digest>]`, as kustomize's command line takes it."""
    name, separator, new = value.partition("=")
    new = new if separator else name
    new, _, digest = new.partition("@")
    # A colon before the last slash is that of a registry's port.
    repository, colon, tag = new.rpartition(":")
    if not colon or "/" in tag:
        repository, tag = new, ""
    found = {"name": name if separator else repository, "newName": repository, "newTag": tag, "digest": digest}
    return {key: item for key, item in found.items() if item}
