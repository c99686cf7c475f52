"""The rules for all objects of a cluster together.

Owns: what can only be seen across objects.
Leaves to others: single objects (`rules`), references between Flux objects (tests/contract).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from policies.manifest import Manifest, group, name, namespace, section
from policies.rule import SetRule

_APPLIERS: Final = ("HelmRelease", "Kustomization")


def _once(manifests: Sequence[Manifest]) -> Iterator[tuple[Manifest, str]]:
    seen: set[tuple[str, str, str, str]] = set()
    for manifest in manifests:
        key = (group(manifest), str(manifest.get("kind")), namespace(manifest), name(manifest))
        if key in seen:
            yield manifest, "applied twice"
        seen.add(key)


def alerted(manifests: Sequence[Manifest]) -> set[tuple[str, str]]:
    """(namespace, kind) whose every object raises an alert; an absent namespace means the Alert's own."""
    return {
        (source.get("namespace") or namespace(alert), source["kind"])
        for alert in manifests
        if alert.get("kind") == "Alert" and group(alert) == "notification.toolkit.fluxcd.io"
        for source in section(alert, "spec").get("eventSources") or ()
        if source.get("name") == "*"
    }


def _covered(manifests: Sequence[Manifest]) -> Iterator[tuple[Manifest, str]]:
    covered = alerted(manifests)
    if not covered:
        return  # a stack without notifications
    for manifest in manifests:
        applier = manifest.get("kind") in _APPLIERS and group(manifest).endswith(".toolkit.fluxcd.io")
        if applier and (namespace(manifest), str(manifest["kind"])) not in covered:
            yield manifest, f"no Alert covers {manifest['kind']}s of namespace {namespace(manifest)}"


SET_RULES: Final[tuple[SetRule, ...]] = (
    SetRule(
        id="object-once",
        demand="an object is applied from one place",
        why="two owners undo each other's fields at every reconciliation, and one prunes what the other applies",
        remedy="remove one of the two files",
        check=_once,
    ),
    SetRule(
        id="alert-coverage",
        demand="every namespace with a HelmRelease or a Kustomization has an Alert",
        why="Alerts have no namespace wildcard, and a rolled-back HelmRelease looks green to its Kustomization",
        remedy="add the namespace to components/notifications.py",
        check=_covered,
    ),
)
