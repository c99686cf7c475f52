"""The way of a commit into the cluster, stage by stage: the first one that it has not passed.

Owns: the order (source and applier, HelmReleases below it, dependants, the edited objects), the graph of `dependsOn`.
Leaves to others: what an applier's status means (`flux.py`, `helm.py`, `argo.py`), time (`walk.py`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final, Protocol

from raibid.gitops.groups import ARGOCD, HELM, KUSTOMIZE, SOURCE
from raibid.gitops.objects import (
    Manifest,
    Ref,
    conditions_of,
    mapping,
    mappings,
    metadata_of,
    ref_of,
    spec_of,
    status_of,
    text,
)
from raibid.gitops.owner.ownership import Claim, Place
from raibid.gitops.watch import argo, argo_status, flux, helm
from raibid.gitops.watch.health import State, health
from raibid.gitops.watch.outcome import Outcome, Progress
from raibid.gitops.watch.revisions import Line

_GIT: Final = "GitRepository"
_APPLIERS: Final = frozenset({(KUSTOMIZE, "Kustomization"), (HELM, "HelmRelease")})


class Sight(Protocol):
    """Where objects are looked up."""

    def get(self, ref: Ref) -> Manifest | None:
        """An object as it is now; None: it is not there."""

    def all(self, group: str, kind: str) -> Sequence[Manifest]:
        """Every object of a kind."""


@dataclass(frozen=True, kw_only=True)
class Route:
    """What a commit has to pass."""

    applier: Ref
    """The one that reads Git."""
    place: Place | None = None
    """Where in Git the change is, as the claim has it."""
    below: tuple[Ref, ...] = ()
    """Appliers between it and the object, from the top."""
    object: Ref | None = None
    """The edited one; None: the applier's own word is enough."""


def route_of(claim: Claim) -> Route | None:
    """The way of a change to a claimed object; None: no applier of it reads Git."""
    appliers = [owner.ref for owner in claim.chain if owner.tool is not None]
    if not appliers:
        return None
    *below, applier = appliers
    edited = claim.edit if claim.edit != applier and claim.edit not in below else None
    return Route(applier=applier, place=claim.place, below=tuple(reversed(below)), object=edited)


@dataclass(frozen=True, kw_only=True)
class Look:
    """One look at what the appliers have made of a commit."""

    sight: Sight
    line: Line
    pushed_at: datetime
    fetched: Callable[[Ref], bool] = lambda _source: False
    """Whether a source had the commit before."""
    requests: Callable[[Ref], str] = lambda _ref: ""
    """The value of our request to an object."""
    _known: dict[Ref, Progress] = field(default_factory=dict)
    """What this look has found out: many may wait for the same one."""

    def walked(self, route: Route) -> Progress:
        """The first stage that the commit has not passed; else that it is healthy."""
        argocd = route.applier.group == ARGOCD
        found = self._included(route) or self._taken_back(route)
        found = found or (self.application(route) if argocd else self.applied(route.applier))
        for ref in route.below:
            found = self.below(ref) if found.passed else found
        if not found.passed:
            return found
        waiting = [item for item in self.dependants(route.applier) if not item.passed] if not argocd else []
        if waiting:
            # What has failed says more than what still waits for it.
            return min(waiting, key=lambda item: not item.done)
        return self.below(route.object) if route.object else found

    def _included(self, route: Route) -> Progress | None:
        """A GitRepository may include another one, whose commits no status of an applier names."""
        included = route.place.source if route.place else None
        source = source_of(self.sight.get(route.applier)) if route.applier.group == KUSTOMIZE else None
        if included is None or source is None or source == included or {source.kind, included.kind} != {_GIT}:
            return None
        message = f"{source} includes {included}, and does not say which commit of it was applied"
        return Progress(Outcome.NOT_ATTEMPTED, True, message, route.applier)

    def _taken_back(self, route: Route) -> Progress | None:
        """What contains the commit may contain its revert as well: nothing of it is left to be healthy."""
        applier = self.sight.get(route.applier) or {}
        for revision in self._revisions(route, applier):
            by = self.line.taken_back(revision, (route.applier, *route.below))
            if by:
                return Progress(Outcome.SUPERSEDED, True, f"it is reverted by {by}", route.applier)
        return None

    def _revisions(self, route: Route, applier: Manifest) -> Iterator[object]:
        """The commits that the applier was given, or has applied, as far as they are of the line that is followed."""
        if route.applier.group == ARGOCD:
            place, hydrator = route.place, mapping(status_of(applier).get("sourceHydrator"))
            if hydrator:
                yield mapping(hydrator.get("lastSuccessfulOperation")).get("drySHA")
                return
            where = (place.repository, place.branch) if place else ("", "")
            yield from argo_status.Look(applier, self.line, argo_status.sources_of(applier, *where, self.line)).compared
            return
        source = source_of(self.sight.get(chart_of(applier) or route.applier))
        manifest = self.sight.get(source) if source else None
        if manifest is not None:
            yield flux.fetched(manifest)[1]
        in_git = source is not None and source.kind == _GIT
        yield status_of(applier).get("lastAppliedRevision" if in_git else "lastAppliedOriginRevision")

    def application(self, route: Route) -> Progress:
        """How far it is with an Argo CD Application."""
        return argo.progress(
            argo.Facts(
                line=self.line,
                about=route.applier,
                application=self.sight.get(route.applier),
                pushed_at=self.pushed_at,
                repository=route.place.repository if route.place else "",
                branch=route.place.branch if route.place else "",
            )
        )

    def applied(self, applier: Ref, above: tuple[Ref, ...] = ()) -> Progress:
        """How far it is with a Kustomization or a HelmRelease; `above`: those that wait for it, in case of a circle."""
        if applier not in self._known:
            self._known[applier] = self._applied(applier, above)
        return self._known[applier]

    def _applied(self, applier: Ref, above: tuple[Ref, ...]) -> Progress:
        if (applier.group, applier.kind) not in _APPLIERS:
            message = f"a {applier.kind} does not say which commit it applied"
            return Progress(Outcome.NOT_ATTEMPTED, True, message, applier)
        manifest = self.sight.get(applier)
        source, chart = source_of(manifest), chart_of(manifest)
        packed = self.sight.get(chart) if chart else None
        if manifest is not None and applier.group == HELM:
            source = source_of(packed)
            if source is None or source.kind != _GIT:
                message = "its chart comes from no Git repository, so that no commit of it can be followed"
                return Progress(Outcome.NOT_ATTEMPTED, packed is not None, message, applier)
        below = (*above, applier)
        return flux.progress(
            flux.Facts(
                line=self.line,
                applier_ref=applier,
                applier=manifest,
                source_ref=source,
                source=self.sight.get(source) if source else None,
                chart=packed,
                held=tuple(
                    found
                    for dependency in depends_on(manifest)
                    if dependency not in below
                    for found in [self._ready(dependency, source, below)]
                    if not found.passed
                ),
                fetched=source is not None and self.fetched(source),
                request=self.requests(source) if source else "",
                again=self.requests(applier),
            )
        )

    def dependants(self, applier: Ref) -> Iterator[Progress]:
        """How far it is with everything that waits for an applier, nearest first; suspended ones are left out."""
        source = source_of(self.sight.get(applier))
        for dependant in waiting_for(applier, self.sight.all(applier.group, applier.kind)):
            if spec_of(self.sight.get(dependant) or {}).get("suspend") is not True:
                yield self._ready(dependant, source, (applier,))

    def below(self, ref: Ref) -> Progress:
        """How far it is with an applier whose own manifest the commit brings, or with any other object."""
        manifest = self.sight.get(ref)
        if (ref.group, ref.kind) == (HELM, "HelmRelease") and manifest is not None:
            found = flux.answered(helm.progress(ref, manifest, None, self.line), manifest, self.requests(ref))
            if spec_of(manifest).get("suspend") is True and not found.passed:
                return Progress(Outcome.SUSPENDED, True, found.message, ref)
            return found
        if (ref.group, ref.kind) == (ARGOCD, "Application"):
            # Its conditions have no status, so that the common rules would take any Application for healthy.
            facts = argo.Facts(line=self.line, about=ref, application=manifest, pushed_at=self.pushed_at)
            return argo.settled(facts)
        found_health = health(manifest)
        if found_health.good:
            return Progress(Outcome.HEALTHY, True, found_health.message, ref)
        final = found_health.state is State.FAILED
        return Progress(Outcome.NOT_HEALTHY, final, f"{found_health.state}: {found_health.message}", ref)

    def _ready(self, other: Ref, source: Ref | None, above: tuple[Ref, ...]) -> Progress:
        """How far it is with a neighbour in the graph: at our commit, if it reads the same source; else just ready."""
        manifest = self.sight.get(other)
        if manifest is None or (source is not None and source_of(manifest) == source):
            return self.applied(other, above)
        ready = conditions_of(manifest).get("Ready")
        if ready is not None and ready.status == "True":
            return Progress(Outcome.HEALTHY, True, ready.message, other)
        if spec_of(manifest).get("suspend") is True:
            return Progress(Outcome.SUSPENDED, True, ready.message if ready else "", other)
        final = ready is not None and ready.status == "False" and ready.reason != flux.DEPENDENCY
        message = f"{ready.reason}: {ready.message}" if ready else "it has no Ready condition yet"
        found = Progress(Outcome.NOT_HEALTHY, final, message, other)
        return flux.answered(found, manifest, self.requests(other))


def source_of(applier: Manifest | None) -> Ref | None:
    """The source that a Kustomization or a HelmChart names."""
    if applier is None:
        return None
    reference = mapping(spec_of(applier).get("sourceRef"))
    kind, name = reference.get("kind"), reference.get("name")
    namespace = reference.get("namespace") or metadata_of(applier).get("namespace", "")
    return Ref(SOURCE, str(kind), str(namespace), str(name)) if kind and name else None


def chart_of(release: Manifest | None) -> Ref | None:
    """The HelmChart that helm-controller made for a HelmRelease: `<namespace>/<name>` in its status."""
    namespace, slash, name = str(status_of(release or {}).get("helmChart", "")).partition("/")
    return Ref(SOURCE, "HelmChart", namespace, name) if slash else None


def depends_on(applier: Manifest | None) -> list[Ref]:
    """What it waits for: appliers of its own kind."""
    if applier is None:
        return []
    ref = ref_of(applier)
    return [
        Ref(ref.group, ref.kind, text(item.get("namespace")) or ref.namespace, text(item.get("name")))
        for item in mappings(spec_of(applier).get("dependsOn"))
    ]


def waiting_for(applier: Ref, others: Sequence[Manifest]) -> list[Ref]:
    """Everything that depends on an applier, directly or through others; nearest first."""
    graph = {ref_of(item): depends_on(item) for item in others}
    found: dict[Ref, None] = {}
    nearest = [applier]
    while nearest:
        nearest = [ref for ref, above in graph.items() if ref not in found and ref != applier and {*above} & {*nearest}]
        found.update(dict.fromkeys(nearest))
    return list(found)


def depth_of(applier: Ref, sight: Sight) -> int:
    """How many appliers go one after the other until this one has its turn, itself included."""
    depths: dict[Ref, int] = {}

    def depth(ref: Ref) -> int:
        if ref not in depths:
            depths[ref] = 0  # a circle ends here
            depths[ref] = 1 + max((depth(above) for above in depends_on(sight.get(ref))), default=0)
        return depths[ref]

    return depth(applier)
