"""Every file that a Flux Kustomization reads from its repository: its path, and where its kustomizations lead.

Owns: following bases, components, patches and generators through one commit's tree.
Leaves to others: what is built from them (kustomize-controller), editing them (`raibid.gitops.files`).

File by file and not by directory: `clusters/<env>` holds the directories of other Kustomizations, too.
"""

from __future__ import annotations

import posixpath
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from raibid.gitops.files.layers import NAMES
from raibid.gitops.objects import mapping
from raibid.gitops.rollback.tree import Tree, documents

_MANIFESTS: Final = (".yaml", ".yml")
_FIELDS: Final = (
    *("resources", "bases", "components", "patches", "patchesStrategicMerge", "patchesJson6902", "replacements"),
    *("configMapGenerator", "secretGenerator", "generators", "transformers", "validators", "configurations", "crds"),
    "openapi",
)
_PATHS: Final = ("path", "files", "envs", "env")
"""Keys below these fields that hold a path."""


def closure(tree: Tree, entries: Sequence[str]) -> frozenset[str]:
    """The files below these paths that count, and those that they refer to. An entry may be a file."""
    found: set[str] = set()
    seen: set[str] = set()
    waiting = [clean(entry) for entry in entries]
    while waiting:
        where = waiting.pop()
        if where in seen:
            continue
        seen.add(where)
        if where in tree.files:
            found.add(where)
        elif own := _kustomization(tree, where):
            found.add(own)
            waiting += _referred(tree, where, tree.text(own))
        elif tree.is_directory(where):
            # As Flux's generator: every manifest below, and a directory with a kustomization is one of its own.
            owners = {path: _nearest(tree, path, where) for path in tree.below(where)}
            waiting += [inner or path for path, inner in owners.items() if inner or path.endswith(_MANIFESTS)]
    return frozenset(found)


def clean(path: str) -> str:
    """A `spec.path` as git spells it: `./apps/` → `apps`, the root is empty."""
    normal = posixpath.normpath(f"/{path}").lstrip("/")
    return "" if normal == "." else normal


def _kustomization(tree: Tree, directory: str) -> str:
    return next((path for name in NAMES if (path := posixpath.join(directory, name)) in tree.files), "")


def _nearest(tree: Tree, path: str, top: str) -> str:
    """The outermost directory between `top` and a file that has a kustomization; empty: none has."""
    parts = path.removeprefix(f"{top}/" if top else "").split("/")[:-1]
    for depth in range(1, len(parts) + 1):
        directory = posixpath.join(top, *parts[:depth])
        if _kustomization(tree, directory):
            return directory
    return ""


def _referred(tree: Tree, directory: str, text: str) -> list[str]:
    """Paths of the repository that a kustomization names."""
    found = []
    for document in documents(text) or ():
        for name in _FIELDS:
            for value in _strings(mapping(document).get(name)):
                found += _resolved(tree, directory, value)
    return found


def _strings(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, list):
        for item in value:
            yield from _strings(item)
    elif isinstance(value, Mapping):
        for key in _PATHS:
            yield from _strings(value.get(key))


def _resolved(tree: Tree, directory: str, value: str) -> list[str]:
    """What is there of it: `name=path` in a generator, a URL or an inline patch is nothing of ours."""
    if "\n" in value or len(value) > 1000:
        return []
    for spelled in (value, value.partition("=")[2]):
        path = posixpath.normpath(posixpath.join(directory, spelled)) if spelled else "/"
        path = "" if path == "." else path
        if path in tree.files or tree.is_directory(path):
            return [path]
    return []
