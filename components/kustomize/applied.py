"""What a cluster would have: every object that Flux applies from a rendered tree, stage by stage.

Owns: following the Flux Kustomizations of `clusters/<environment>` to the objects behind them.
Leaves to others: building one directory and `${…}` (`build`), writing the tree (`systems`), rules (`policies`).
"""

from __future__ import annotations

import posixpath
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from components.kustomize.build import Built, KustomizeError, build, substitute
from components.manifest_tree import Manifest

ROOT: Final = "flux-system"
"""The stage of what lies in `clusters/<environment>` itself."""


@dataclass(frozen=True)
class Applied:
    """One object of a cluster."""

    stage: str
    """The Flux Kustomization that applies it."""
    path: str
    manifest: Manifest


def read_tree(directory: Path) -> dict[str, bytes]:
    """The YAML files of a directory, by path within it.

    Raises:
        KustomizeError: it cannot be read.
    """
    try:
        return {
            file.relative_to(directory).as_posix(): file.read_bytes()
            for file in sorted(directory.rglob("*"))
            if file.suffix in (".yaml", ".yml") and file.is_file() and ".git" not in file.parts
        }
    except OSError as error:
        raise KustomizeError(f"{directory}: {error.strerror}") from error


def environments(files: Mapping[str, bytes]) -> list[str]:
    """Names under `clusters/`."""
    parts = (path.split("/") for path in files)
    return sorted({part[1] for part in parts if part[0] == "clusters" and len(part) > 2})


def applied(files: Mapping[str, bytes], environment: str) -> list[Applied]:
    """Every object of a cluster, in the order of its stages' files.

    Raises:
        KustomizeError: a directory cannot be built, or a `${…}` has no value.
    """
    root = build(files, f"clusters/{environment}")
    known = [item.manifest for item in root]
    result = [Applied(ROOT, item.path, item.manifest) for item in root]
    for manifest in known:
        if is_stage(manifest):
            result += _stage(files, manifest, known)
    return result


def is_stage(manifest: Manifest) -> bool:
    """Whether it is a Flux Kustomization (kustomize's own files share the kind)."""
    return manifest["kind"] == "Kustomization" and str(manifest["apiVersion"]).startswith(
        "kustomize.toolkit.fluxcd.io/"
    )


def _stage(files: Mapping[str, bytes], stage: Manifest, known: Sequence[Manifest]) -> list[Applied]:
    name, spec = stage["metadata"]["name"], stage["spec"]
    values = variables(stage, known)
    return [
        Applied(name, item.path, _named(item, values, name))
        for item in build(files, posixpath.normpath(str(spec["path"])))
    ]


def _named(item: Built, values: Mapping[str, str] | None, stage: str) -> Manifest:
    if values is None:
        return item.manifest
    try:
        return substitute(item.manifest, values)
    except KustomizeError as error:
        raise KustomizeError(f"{item.path} (applied by {stage}): {error}") from error


def variables(stage: Manifest, known: Sequence[Manifest]) -> dict[str, str] | None:
    """The values that a stage substitutes; None when it substitutes nothing.

    Raises:
        KustomizeError: it names a ConfigMap that is not in the tree.
    """
    post: Mapping[str, Any] = stage["spec"].get("postBuild") or {}
    if not post:
        return None
    values: dict[str, str] = {}
    for source in post.get("substituteFrom") or ():
        if source["kind"] != "ConfigMap":
            continue  # Secrets are encrypted: what they would put in is not for these eyes
        found = [m for m in known if m["kind"] == "ConfigMap" and m["metadata"]["name"] == source["name"]]
        if not found and source.get("optional"):
            continue
        if not found:
            raise KustomizeError(f"{stage['metadata']['name']}: ConfigMap {source['name']} is not in the tree")
        values.update(found[0].get("data") or {})
    return {**values, **(post.get("substitute") or {})}
