"""Reverts that somebody must look at first: what they touch cannot be brought back by another commit.

Owns: encryption keys, and the kinds whose removal takes data with it.
Leaves to others: that a pull request is made of them (`decide.py`, `controller.py`).
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any, Final

from raibid.gitops.objects import mapping, metadata_of
from raibid.gitops.rollback.tree import Tree, documents

_RULES: Final = ".sops.yaml"
_PRECIOUS: Final = {
    "CustomResourceDefinition": "every object of that kind goes with it",
    "PersistentVolumeClaim": "its data goes with it",
    "PersistentVolume": "its data goes with it",
    "Namespace": "everything in it goes with it",
}
_BREAK: Final = re.compile(r"^---", re.MULTILINE)
_KIND: Final = re.compile(r"^kind:\s*[\"']?(\w+)", re.MULTILINE)
_FIELD: Final = re.compile(r"^ +(namespace|name):\s*[\"']?([\w.-]+)", re.MULTILINE)
_RECIPIENT: Final = re.compile(r"\bage1[0-9a-z]{50,}")


def exclusions(good: Tree, now: Tree, paths: Iterable[str], touched: Iterable[str]) -> tuple[str, ...]:
    """Why the way back from `now` to `good` is not for a program alone.

    `paths`: what would be taken back; `touched`: everything that the commits in question changed.
    """
    found = [f"{path}: the encryption's rules were changed" for path in touched if path.split("/")[-1] == _RULES]
    for path in sorted(paths):
        if good.files.get(path) == now.files.get(path):
            continue
        before, after = good.text(path), now.text(path)
        if before and after and _recipients(before) != _recipients(after):
            found.append(f"{path}: the encryption's recipients were changed")
    # By name over all files: an object that only moved to another file stays.
    before_all = _precious(good.text(path) for path in good.only(paths))
    after_all = _precious(now.text(path) for path in now.only(paths))
    for kind, name in sorted(before_all - after_all):
        found.append(f"{kind} {name} was deleted by what would be taken back: {_PRECIOUS[kind]}")
    for kind, name in sorted(after_all - before_all):
        found.append(f"{kind} {name} would be deleted again: {_PRECIOUS[kind]}")
    return tuple(dict.fromkeys(found))


def _recipients(text: str) -> frozenset[str]:
    return frozenset(_RECIPIENT.findall(text)) if "sops" in text else frozenset()


def _precious(texts: Iterable[str]) -> set[tuple[str, str]]:
    """Kind and name of the objects that matter."""
    found: set[tuple[str, str]] = set()
    for text in texts:
        if not any(kind in text for kind in _PRECIOUS):
            continue
        read = documents(text)
        if read is None:  # the syntax may be the very thing that is taken back: then nothing is lost by it
            found |= {key for chunk in _BREAK.split(text) for key in _guessed(chunk)}
        else:
            found |= {key for document in read for key in _named(document)}
    return found


def _guessed(chunk: str) -> set[tuple[str, str]]:
    kind, fields = _KIND.search(chunk), {match[1]: match[2] for match in _FIELD.finditer(chunk)}
    return _key(kind[1], fields.get("namespace"), fields.get("name")) if kind else set()


def _named(document: Any) -> set[tuple[str, str]]:
    manifest = mapping(document)
    items = manifest.get("items")
    if isinstance(items, list):
        return {key for item in items if "items" not in mapping(item) for key in _named(item)}
    metadata = metadata_of(manifest)
    return _key(manifest.get("kind"), metadata.get("namespace"), metadata.get("name"))


def _key(kind: object, namespace: object, name: object) -> set[tuple[str, str]]:
    if not isinstance(kind, str) or kind not in _PRECIOUS:
        return set()
    return {(kind, f"{namespace}/{name}" if namespace else str(name))}
