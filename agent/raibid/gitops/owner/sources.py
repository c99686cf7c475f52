"""From a Flux applier's source to a place in Git.

Owns: what each kind of source says of repository, branch, directory and commit.
Leaves to others: copy rules (`artifact.py`), which applier it is (`flux.py`), whether we may clone it
(`raibid.gitops.settings`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from raibid.gitops.groups import GENERATORS, SOURCE
from raibid.gitops.objects import Manifest, Ref, group_of, mapping, mappings, ref_of, spec_of, status_of, text
from raibid.gitops.owner.artifact import origins, relative, rules_of, within
from raibid.gitops.owner.ownership import Place
from raibid.gitops.owner.urls import without_password
from raibid.gitops.owner.world import World
from raibid.gitops.revisions import sha_of

_BRANCHES: Final = "refs/heads/"
_OVERLAID: Final = ("patches", "images", "components", "namePrefix", "nameSuffix", "targetNamespace", "commonMetadata")
"""What a Kustomization adds to the directory it reads: no file below its path says it."""
_DEEPEST: Final = 4
"""Artifacts made of artifacts, repositories in repositories: they may also go round in a circle."""


@dataclass(frozen=True)
class Found:
    """Where a source leads."""

    place: Place | None
    """None: not to Git; the note says where."""
    note: str = ""
    others: tuple[Place, ...] = ()
    """Further places that the same files come from."""


def place_of(world: World, kustomization: Manifest) -> Found:
    """The directory that a Kustomization reads."""
    spec, ref = spec_of(kustomization), ref_of(kustomization)
    found = source_at(world, source_ref(spec.get("sourceRef"), ref.namespace), relative(spec.get("path")))
    overlaid = [name for name in _OVERLAID if spec.get(name)]
    if not found.place or not overlaid:
        return found
    note = f"{ref} itself sets {', '.join(overlaid)} over these files"
    return replace(found, place=replace(found.place, note=joined(found.place.note, note)))


def source_at(world: World, ref: Ref, path: str, *, depth: int = 0) -> Found:
    """A directory of a source."""
    source = world.get(ref)
    if source is None:
        why = "we may not see it" if world.hidden(ref.group, ref.kind) else "there is none of that name"
        return Found(None, f"its source is {ref}, and {why}")
    match ref.kind:
        case "GitRepository":
            return _repository(world, source, path, depth)
        case "ExternalArtifact" if depth < _DEEPEST:
            return _generated(world, source, path, depth)
        case "OCIRepository":
            url, _ = without_password(text(spec_of(source).get("url")))
            return Found(None, f"its source is {ref}: {url}{_built_from(source)}")
        case "Bucket":
            where = "/".join(text(spec_of(source).get(name)) for name in ("endpoint", "bucketName"))
            return Found(None, f"its source is {ref}: {where}, which is not Git")
    return Found(None, f"its source is {ref}, which is not Git")


def source_ref(reference: object, namespace: str) -> Ref:
    """The object of a `sourceRef` or `chartRef`."""
    found = mapping(reference)
    kind = text(found.get("kind"))
    # The API version may be left out, and is that of an older Flux as often as not.
    group = group_of(text(found.get("apiVersion"))) or (GENERATORS if kind == "ArtifactGenerator" else SOURCE)
    return Ref(group, kind, text(found.get("namespace")) or namespace, text(found.get("name")))


def joined(*notes: str) -> str:
    """Notes as one."""
    return "; ".join(note for note in notes if note)


def _repository(world: World, source: Manifest, path: str, depth: int) -> Found:
    ref, spec = ref_of(source), spec_of(source)
    for included, inner in _included(spec, ref, path):
        there = world.get(included)
        if there is not None and depth < _DEEPEST:
            found = _repository(world, there, inner, depth + 1)
            note = f"{ref} includes it from {included}"
            return replace(found, place=found.place and replace(found.place, note=joined(found.place.note, note)))
    branch, pinned = _branch(mapping(spec.get("ref")))
    url, stripped = without_password(text(spec.get("url")))
    suspended = f"{ref} is suspended: it fetches nothing" if spec.get("suspend") is True else ""
    place = Place(
        repository=url,
        branch=branch,
        path=path,
        revision=sha_of(mapping(status_of(source).get("artifact")).get("revision")),
        source=ref,
        note=joined(pinned, stripped, suspended),
    )
    return Found(place)


def _branch(ref: Mapping[str, Any]) -> tuple[str, str]:
    """The branch that a GitRepository follows, or why there is none: a commit goes before a name, a range, a tag."""
    branch, name = text(ref.get("branch")), text(ref.get("name"))
    for field in ("commit", "name", "semver", "tag"):
        value = text(ref.get(field))
        if value and not (field == "name" and name.startswith(_BRANCHES)):
            return "", f"the source is fixed to {field} {value}: a commit alone changes nothing"
        if value:
            return name.removeprefix(_BRANCHES), ""
    return branch or "master", ""  # Flux' own default


def _included(spec: Mapping[str, Any], ref: Ref, path: str) -> Iterator[tuple[Ref, str]]:
    """Other repositories that are copied into this one where the path leads; the last one wins."""
    for item in reversed(mappings(spec.get("include"))):
        name = text(mapping(item.get("repository")).get("name"))
        at = relative(item.get("toPath") or name)
        if name and within(path, at):
            inner = relative(f"{text(item.get('fromPath'))}/{path[len(at) :]}")
            yield Ref(ref.group, ref.kind, ref.namespace, name), inner


def _generated(world: World, artifact: Manifest, path: str, depth: int) -> Found:
    ref = ref_of(artifact)
    maker = source_ref(spec_of(artifact).get("sourceRef"), ref.namespace)
    generator = world.get(maker) if maker.kind == "ArtifactGenerator" else None
    if generator is None:
        return Found(None, f"its source is {ref}, made by {maker}, which does not say from what")
    found = origins(rules_of(generator, artifact), path)
    by_alias = {text(item.get("alias")): item for item in mappings(spec_of(generator).get("sources"))}
    if not any(alias in by_alias for alias, _ in found):
        return Found(None, f"its source is {ref}, and no copy rule of {maker} leads to {path or 'its root'}")
    below, *others = [
        source_at(world, source_ref(by_alias[alias], maker.namespace), inner, depth=depth + 1)
        for alias, inner in found
        if alias in by_alias
    ]
    further = tuple(other.place for other in others if other.place)
    note = f"copied into {ref} by {maker}" + (f", also from {', '.join(map(_where, further))}" if further else "")
    if below.place is None:
        return replace(below, note=joined(below.note, note), others=further)
    return replace(below, place=replace(below.place, note=joined(below.place.note, note)), others=further)


def _where(place: Place) -> str:
    return f"{place.path or '.'} of {place.repository}"


def _built_from(source: Manifest) -> str:
    """What `flux push artifact` wrote into an OCI artifact; a CI's remote often has its token in the URL."""
    metadata = mapping(mapping(status_of(source).get("artifact")).get("metadata"))
    origin, _ = without_password(text(metadata.get("org.opencontainers.image.source")))
    known = [found for found in (origin, text(metadata.get("org.opencontainers.image.revision"))) if found]
    return f", built from {' at '.join(known)}" if known else ""
