"""Reverts that somebody must look at first: what they touch cannot be brought back by another commit.

Owns: encryption keys, and the kinds whose removal takes data with it, by itself or by what is deleted with it.
Leaves to others: that a pull request is made of them (`decide.py`, `controller.py`).
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any, Final

from raibid.gitops.groups import ARGOCD, HELM, KUSTOMIZE, OPERATOR
from raibid.gitops.objects import group_of, mapping, metadata_of
from raibid.gitops.rollback.tree import Tree, documents

_RULES: Final = ".sops.yaml"
_PRECIOUS: Final = {
    "CustomResourceDefinition": "every object of that kind goes with it",
    "PersistentVolumeClaim": "its data goes with it",
    "PersistentVolume": "its data goes with it",
    "Namespace": "everything in it goes with it",
}
_PRUNES: Final = "all that it applied goes with it"
_APPLIERS: Final = {
    (KUSTOMIZE, "Kustomization"): _PRUNES,
    (HELM, "HelmRelease"): _PRUNES,
    (OPERATOR, "ResourceSet"): _PRUNES,
    (OPERATOR, "FluxInstance"): _PRUNES,
    (ARGOCD, "Application"): _PRUNES,
    (ARGOCD, "ApplicationSet"): _PRUNES,
}
"""By their groups, too: kustomize's own Kustomization is no object."""
_KINDS: Final = frozenset(_PRECIOUS) | {kind for _, kind in _APPLIERS}
_WORDS: Final = (*sorted(_KINDS), "age1")
_MOST: Final = 2000
"""Files that are looked into: each takes two processes, 4 ms each."""
_Key = tuple[str, str, str]
"""Kind, name, and why it matters."""
_BREAK: Final = re.compile(r"^---", re.MULTILINE)
_VERSION: Final = re.compile(r"^apiVersion:\s*[\"']?([\w./-]+)", re.MULTILINE)
_KIND: Final = re.compile(r"^kind:\s*[\"']?(\w+)", re.MULTILINE)
_FIELD: Final = re.compile(r"^ +(namespace|name):\s*[\"']?([\w.-]+)", re.MULTILINE)
_RECIPIENT: Final = re.compile(r"\bage1[0-9a-z]{50,}")


def exclusions(good: Tree, now: Tree, paths: Iterable[str], touched: Iterable[str]) -> tuple[str, ...]:
    """Why the way back from `now` to `good` is not for a program alone.

    `paths`: what would be taken back; `touched`: everything that the commits in question changed.
    """
    found = [f"{path}: the encryption's rules were changed" for path in touched if path.split("/")[-1] == _RULES]
    different = good.differs(now, paths)
    large = (path for path in sorted(different) if good.is_large(path) or now.is_large(path))
    found += [f"{path}: too large to be looked into" for path in large]
    looked_into = sorted(different & (good.holding(_WORDS) | now.holding(_WORDS)))
    if len(looked_into) > _MOST:
        return (*dict.fromkeys(found), f"{len(looked_into)} files: too many to be looked into")
    before, after = ({path: tree.text(path) for path in looked_into} for tree in (good, now))
    sealed = (path for path in looked_into if before[path] and after[path])
    changed = (path for path in sealed if _recipients(before[path]) != _recipients(after[path]))
    found += [f"{path}: the encryption's recipients were changed" for path in changed]
    # By name over all files: an object that only moved to another file stays.
    before_all, after_all = _precious(before.values()), _precious(after.values())
    for kind, name, why in sorted(before_all - after_all):
        found.append(f"{kind} {name} was deleted by what would be taken back: {why}")
    for kind, name, why in sorted(after_all - before_all):
        found.append(f"{kind} {name} would be deleted again: {why}")
    return tuple(dict.fromkeys(found))


def _recipients(text: str) -> frozenset[str]:
    return frozenset(_RECIPIENT.findall(text)) if "sops" in text else frozenset()


def _precious(texts: Iterable[str]) -> set[_Key]:
    """The objects that matter."""
    found: set[_Key] = set()
    for text in texts:
        if not any(kind in text for kind in _KINDS):
            continue
        read = documents(text)
        if read is None:  # the syntax may be the very thing that is taken back: then nothing is lost by it
            found |= {key for chunk in _BREAK.split(text) for key in _guessed(chunk)}
        else:
            found |= {key for document in read for key in _named(document)}
    return found


def _guessed(chunk: str) -> set[_Key]:
    version, kind = _VERSION.search(chunk), _KIND.search(chunk)
    fields = {match[1]: match[2] for match in _FIELD.finditer(chunk)}
    group = group_of(version[1]) if version else ""
    return _key(group, kind[1], fields.get("namespace"), fields.get("name")) if kind else set()


def _named(document: Any) -> set[_Key]:
    manifest = mapping(document)
    items = manifest.get("items")
    if isinstance(items, list):
        return {key for item in items if "items" not in mapping(item) for key in _named(item)}
    metadata, kind = metadata_of(manifest), manifest.get("kind")
    group = group_of(str(manifest.get("apiVersion", "")))
    return _key(group, kind, metadata.get("namespace"), metadata.get("name")) if isinstance(kind, str) else set()


def _key(group: str, kind: str, namespace: object, name: object) -> set[_Key]:
    why = _PRECIOUS.get(kind) or _APPLIERS.get((group, kind))
    return {(kind, f"{namespace}/{name}" if namespace else str(name), why)} if why else set()
