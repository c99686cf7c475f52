"""Whom a patch is for: its target, or the name it carries, as kustomize matches them.

Owns: targets, label selectors, the names that an object has had.
Leaves to others: what the patch does (`merging.py`).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

from raibid.gitops.errors import NotEditableError
from raibid.gitops.files.layers import Stage, is_cluster_scoped
from raibid.gitops.files.patterns import fits
from raibid.gitops.objects import annotations_of, group_of, labels_of, metadata_of

_TERM: Final = re.compile(
    r"\s*(?:(?P<key>[\w./-]+)\s*(?:(?P<op>==|=|!=)\s*(?P<value>[\w.-]*)|\s(?P<set>in|notin)\s*\((?P<values>[^)]*)\))?"
    r"|!\s*(?P<absent>[\w./-]+))\s*(?:,|\Z)"
)
_LONGEST: Final = 4096
"""Characters of a selector: blanks are tried in two ways, a million of them for hours."""


def selected(target: Mapping[str, Any], manifest: Mapping[str, Any], stage: Stage) -> bool:
    """Whether a `target` selects an object (api/types/selector.go: its first and its current name count).

    Raises:
        NotEditableError: a pattern or a selector that cannot be read here.
    """
    group, _, version = str(manifest.get("apiVersion", "")).rpartition("/")
    kind = str(manifest.get("kind", ""))
    ids = (stage.before[0], stage.before[-1])
    return (
        _fits(target.get("group"), group)
        and _fits(target.get("version"), version)
        and _fits(target.get("kind"), kind)
        and any(_fits(target.get("name"), name) for _, name in ids)
        and any(_fits(target.get("namespace"), _effective(kind, namespace)) for namespace, _ in ids)
        and labelled(target.get("labelSelector"), labels_of(manifest))
        and labelled(target.get("annotationSelector"), annotations_of(manifest))
    )


def carries(patch: Mapping[str, Any], manifest: Mapping[str, Any], stage: Stage) -> bool:
    """Whether a strategic merge patch without a target names an object, by any name that it has had."""
    kind = str(manifest.get("kind", ""))
    if patch.get("kind") != kind or str(patch.get("apiVersion", "")) != str(manifest.get("apiVersion", "")):
        return False
    metadata = metadata_of(patch)
    wanted = (_effective(kind, str(metadata.get("namespace") or "")), str(metadata.get("name") or ""))
    return wanted in [(_effective(kind, namespace), name) for namespace, name in stage.before]


def labelled(selector: object, labels: Mapping[str, str]) -> bool:
    """Whether labels fulfil a selector as `a=b,c in (d, e),!f`; what is none selects nothing."""
    if not selector:
        return True
    place, text = 0, str(selector)
    if len(text) > _LONGEST:
        raise NotEditableError(f"a selector of {len(text)} characters is not read")
    while place < len(text):
        match = _TERM.match(text, place)
        if match is None or not _holds(match, labels):
            return False
        place = match.end()
    return True


def is_builtin(api_version: str) -> bool:
    """Whether a kind is Kubernetes' own: kustomize knows the keys of its lists."""
    group = group_of(api_version)
    return "." not in group or group.endswith(".k8s.io")


def _holds(match: re.Match[str], labels: Mapping[str, str]) -> bool:
    found = match.groupdict()
    if found["absent"] is not None:
        return found["absent"] not in labels
    value = labels.get(found["key"])
    if found["set"]:
        among = value in [item.strip() for item in found["values"].split(",")]
        return among == (found["set"] == "in")
    if found["op"] is None:
        return value is not None
    return (value == found["value"]) == (found["op"] != "!=")


def _fits(pattern: object, text: str) -> bool:
    return not pattern or fits(str(pattern), text)


def _effective(kind: str, namespace: str) -> str:
    return "" if is_cluster_scoped(kind) else namespace or "default"
