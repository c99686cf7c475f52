"""Where an Application reads from: one source, several, a chart, or a branch that Argo CD hydrates itself.

Owns: an Application's sources as places in Git, what to know before one edits there.
Leaves to others: whether the Application owns the object (`argo.py`), the files (`raibid.gitops.files`).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from raibid.gitops.objects import Manifest, mapping, mappings, spec_of, status_of, text
from raibid.gitops.owner.argo_overrides import as_flux_spec, in_words
from raibid.gitops.owner.ownership import Place
from raibid.gitops.owner.urls import without_password

HEAD: Final = "HEAD"
"""Argo CD's default revision: the newest commit of the repository's default branch, whichever that is."""

_COMMIT: Final = re.compile(r"[0-9a-f]{7,40}|[0-9a-f]{64}")
_VERSION: Final = re.compile(r"v?\d+\.\d+\.\d+(?:[-+].*)?")
_RANGE: Final = re.compile(r"[*<>=~^|,\s]|^v?\d+(?:\.\d+)*\.x")
_PINS: Final = ("refs/tags/", "refs/pull/")


@dataclass(frozen=True, kw_only=True)
class Sources:
    """Where the manifests are."""

    places: tuple[Place, ...] = ()
    """Every one that may have the object's file, the most likely first."""
    chart: str = ""
    """The chart, with its version and registry, that renders the object if no file of `places` describes it."""
    values: tuple[Place, ...] = ()
    """Files in Git with the chart's values; the first one wins over the others."""
    notes: tuple[str, ...] = ()


def specs(application: Manifest) -> list[Any]:
    """Its sources as Argo CD reads them: the hydrated branch, else `sources`, else `source`; no URL has credentials."""
    return [{**source, "repoURL": repository_of(source)} for source in _specs(spec_of(application))]


def repository_of(source: Manifest) -> str:
    """Its clone URL, without credentials."""
    return without_password(text(source.get("repoURL")))[0]


def _specs(spec: Manifest) -> list[Manifest]:
    hydrator = mapping(spec.get("sourceHydrator"))
    if hydrator:
        dry, synced = mapping(hydrator.get("drySource")), mapping(hydrator.get("syncSource"))
        return [
            {
                "repoURL": text(synced.get("repoURL")) or text(dry.get("repoURL")),
                "path": text(synced.get("path")),
                "targetRevision": text(synced.get("targetBranch")),
            }
        ]
    single = mapping(spec.get("source"))
    return mappings(spec.get("sources")) or ([single] if single else [])


def revisions(status: Manifest, count: int) -> list[str]:
    """`revisions`, parallel to the sources, or the one `revision`, of status.sync or of a syncResult."""
    several = status.get("revisions")
    found = (
        [text(item) for item in several] if isinstance(several, list) and several else [text(status.get("revision"))]
    )
    return (found + [""] * count)[:count]


def branch(revision: str) -> str:
    """The branch that a target revision means; `HEAD` for the default one, empty for a tag, a commit, a range.

    The cluster does not say which: a full version or a hexadecimal name is taken for a tag or a commit.
    """
    revision = revision.strip()
    if not revision or revision == HEAD:
        return HEAD
    if revision.startswith("refs/heads/"):
        return revision.removeprefix("refs/heads/")
    pinned = revision.startswith(_PINS) or _COMMIT.fullmatch(revision) or _VERSION.fullmatch(revision)
    return "" if pinned or _RANGE.search(revision) else revision


def sources(application: Manifest) -> Sources:
    """Where one edits what it deploys.

    Of several sources the last one that produces an object wins, so the last one comes first. A source that has
    nothing but a `ref` carries no manifests, only values for the charts of others.
    """
    hydrator = mapping(spec_of(application).get("sourceHydrator"))
    if hydrator:
        return _hydrated(application, hydrator)
    found = specs(application)
    synced = revisions(mapping(status_of(application).get("sync")), len(found))
    places, charts, notes = [], [], []
    for source, revision, kind in reversed(list(zip(found, synced, _kinds(application, len(found)), strict=True))):
        if text(source.get("chart")):
            charts.append(source)
        elif source["repoURL"] and ("path" in source or not text(source.get("ref"))):
            places.append(_place(source, revision, kind))
    if len(places) > 1:
        listed = ", ".join(f"{place.repository} {place.path or '.'}" for place in places)
        notes.append(f"several sources may describe it, the first of these that does counts: {listed}")
    values = tuple(place for chart in charts for place in _values(chart, found, synced))
    chart = ", ".join(_chart(source) for source in charts)
    return Sources(places=tuple(places), chart=chart, values=values, notes=tuple(notes))


def added(application: Manifest, place: Place) -> dict[str, Any]:
    """What the Application sets over the files of one of its places, as the `spec` of a Flux Kustomization."""
    dry = mapping(mapping(spec_of(application).get("sourceHydrator")).get("drySource"))
    for source in [dry] if dry else reversed(specs(application)):
        if (repository_of(source), _path(text(source.get("path")))) == (place.repository, place.path):
            return as_flux_spec(source)
    return {}


def _kinds(application: Manifest, count: int) -> list[str]:
    """What Argo CD took each source for: Directory, Kustomize, Helm or Plugin."""
    status = status_of(application)
    several = status.get("sourceTypes")
    found = [text(item) for item in several] if isinstance(several, list) else [text(status.get("sourceType"))]
    return (found + [""] * count)[:count]


def _place(source: Manifest, revision: str, kind: str = "") -> Place:
    target = text(source.get("targetRevision"))
    pinned = "" if branch(target) else f"the source is pinned to {target}, which no push moves"
    chart = "it is a chart: its templates and values say what is deployed, no manifest" if kind == "Helm" else ""
    return Place(
        repository=repository_of(source),
        branch=branch(target),
        path=_path(text(source.get("path"))),
        revision=revision,
        note="; ".join(filter(None, (chart, in_words(source), pinned))),
    )


def _hydrated(application: Manifest, hydrator: Manifest) -> Sources:
    dry, synced = mapping(hydrator.get("drySource")), mapping(hydrator.get("syncSource"))
    last = mapping(mapping(status_of(application).get("sourceHydrator")).get("lastSuccessfulOperation"))
    place = _place(dry, text(last.get("drySHA")))
    target = text(synced.get("targetBranch"))
    said = f"Argo CD renders it into branch {target}, path {text(synced.get('path'))}, and syncs from there"
    staged = text(mapping(hydrator.get("hydrateTo")).get("targetBranch"))
    if staged:
        said += f"; it writes to branch {staged}, and somebody has to merge that into {target}"
    return Sources(places=(place,), notes=(said,))


def _chart(source: Manifest) -> str:
    return f"{text(source.get('chart'))} {text(source.get('targetRevision'))} of {text(source.get('repoURL'))}".strip()


def _values(chart: Manifest, found: Sequence[Manifest], synced: Sequence[str]) -> list[Place]:
    """Values files of a chart that lie in other sources: `$values/path/values.yaml`; a later file wins."""
    places = []
    files = mapping(chart.get("helm")).get("valueFiles")
    for file in reversed(files if isinstance(files, list) else []):
        name, slash, path = text(file).removeprefix("$").partition("/")
        if not text(file).startswith("$") or not slash:
            continue
        for source, revision in zip(found, synced, strict=True):
            if text(source.get("ref")) == name:
                target = text(source.get("targetRevision"))
                places.append(
                    Place(
                        repository=text(source.get("repoURL")),
                        branch=branch(target),
                        path=_path(path),
                        revision=revision,
                        note=f"values of the chart {_chart(chart)}, no manifest",
                    )
                )
    return places


def _path(path: str) -> str:
    """Relative to the repository's root, empty for it."""
    return "/".join(part for part in path.split("/") if part not in ("", "."))
