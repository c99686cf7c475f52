"""The rules for all objects of a cluster together.

Owns: what can only be seen across objects.
Leaves to others: single objects (`rules`), references between Flux objects (tests/contract).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from policies.manifest import Manifest, group, name, namespace, section
from policies.rule import SetRule

_APPLIERS: Final = ("HelmRelease", "Kustomization")
_NOTIFICATION: Final = "notification.toolkit.fluxcd.io"
_COMMIT_STATUS: Final = frozenset({"gitea", "github", "gitlab", "bitbucket", "bitbucketserver", "azuredevops"})
"""Provider types that report to a commit (notification-controller 1.9, provider_commit_status.go). A Kustomization's
revision is one; a HelmRelease's is its chart's version, which they fail to find."""

_HOOKS: Final = frozenset({"generic", "generic-hmac"})
"""Provider types that wake a program: what it does about a failure is its own business, and nobody is told by it."""


def _once(manifests: Sequence[Manifest]) -> Iterator[tuple[Manifest, str]]:
    seen: set[tuple[str, str, str, str]] = set()
    for manifest in manifests:
        key = (group(manifest), str(manifest.get("kind")), namespace(manifest), name(manifest))
        if key in seen:
            yield manifest, "applied twice"
        seen.add(key)


def alerted(manifests: Sequence[Manifest]) -> set[tuple[str, str]]:
    """(namespace, kind) whose every failure somebody is told of: an Alert names it, whose Provider can deliver it."""
    providers = _providers(manifests)
    return {
        (space, kind)
        for alert in _of_kind(manifests, "Alert")
        for space, kind in _sources(alert)
        if kind in _delivered(_provider_of(alert, providers))
    }


def _providers(manifests: Sequence[Manifest]) -> dict[tuple[str, str], str]:
    return {
        (namespace(item), name(item)): str(section(item, "spec").get("type"))
        for item in _of_kind(manifests, "Provider")
    }


def _of_kind(manifests: Sequence[Manifest], kind: str) -> list[Manifest]:
    """The notification controller's objects of a kind, without those that are suspended."""
    return [
        item
        for item in manifests
        if item.get("kind") == kind and group(item) == _NOTIFICATION and not section(item, "spec").get("suspend")
    ]


def _sources(alert: Manifest) -> Iterator[tuple[str, str]]:
    """(namespace, kind) that an Alert names as a whole; an absent namespace means the Alert's own."""
    for source in section(alert, "spec").get("eventSources") or ():
        if source.get("name") == "*":
            yield source.get("namespace") or namespace(alert), source["kind"]


def _provider_of(alert: Manifest, providers: Mapping[tuple[str, str], str]) -> str:
    return providers.get((namespace(alert), str(section(alert, "spec", "providerRef").get("name"))), "")


def _delivered(provider: str) -> Sequence[str]:
    """Of which appliers a Provider of this type tells anybody."""
    if provider in _COMMIT_STATUS:
        return ("Kustomization",)
    if provider in _HOOKS:
        return ()
    # A comment needs an object that names its change request; nothing here does.
    return _APPLIERS if provider and not provider.endswith("requestcomment") else ()


def _covered(manifests: Sequence[Manifest]) -> Iterator[tuple[Manifest, str]]:
    providers = _providers(manifests)
    for alert in _of_kind(manifests, "Alert"):
        provider = _provider_of(alert, providers)
        told = _delivered(provider)
        for space, kind in _sources(alert):
            if kind in _APPLIERS and kind not in told and provider not in _HOOKS:
                yield alert, f"its Provider delivers nothing of {kind}s of namespace {space}"
    covered, demanded = alerted(manifests), {_duty(kind) for kind in providers.values() if kind not in _HOOKS}
    for manifest in manifests:
        applier = manifest.get("kind") in demanded and group(manifest).endswith(".toolkit.fluxcd.io")
        if applier and (namespace(manifest), str(manifest["kind"])) not in covered:
            yield manifest, f"no Alert covers {manifest['kind']}s of namespace {namespace(manifest)}"


def _duty(provider: str) -> str:
    """What a stack that has such a Provider wants to be told of by it: without one, nobody expects to be told."""
    return "Kustomization" if provider in _COMMIT_STATUS else "HelmRelease"


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
        demand="an Alert covers every HelmRelease and Kustomization, through a Provider that can deliver it",
        why="Alerts have no namespace wildcard, and a commit status about a chart's version reaches nobody",
        remedy="HelmReleases: components/monitoring/release_alerts.py, Kustomizations: components/notifications.py",
        check=_covered,
    ),
)
