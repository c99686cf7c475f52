"""New manifests: into which repository and directory, and which applier picks them up from there.

Owns: the applier whose path is nearest above a directory; that there is exactly one.
Leaves to others: writing the files (`raibid.gitops.files`), what a source says (`raibid.gitops.owner`).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Final

from raibid.gitops.change.target import refuse_direct
from raibid.gitops.cluster import Cluster
from raibid.gitops.errors import ContestedError, NotAllowedError
from raibid.gitops.groups import ARGOCD, KUSTOMIZE
from raibid.gitops.objects import Manifest, Ref, ref_of, spec_of
from raibid.gitops.owner import argo, argo_sources, sources
from raibid.gitops.owner.argo_tracking import APPLICATION
from raibid.gitops.owner.find import find
from raibid.gitops.owner.ownership import Claim, Owner, Place, Tool, Verdict
from raibid.gitops.owner.world import World
from raibid.gitops.settings import GitopsSettings, Provider
from raibid.kube.errors import KubeNotFoundError

ANY_BRANCH: Final = "HEAD"


@dataclass(frozen=True, kw_only=True)
class Destination:
    """Where new manifests go."""

    repository: str
    branch: str
    """`HEAD`: nobody said; whichever the applier reads."""
    path: str


def destination(settings: GitopsSettings, repository: str = "", branch: str = "", path: str = "") -> Destination:
    """What was asked for, else what is configured.

    Raises:
        NotAllowedError: neither says a repository; a path that leads out of it.
    """
    default = settings.default
    where = repository or default.repository
    if not where:
        hint = "--repository and --path, or `default` in the settings (docs/gitops.md)"
        raise NotAllowedError("nobody said into which repository new manifests go", hint)
    # Another repository's branch and path are its own: the configured ones are the default repository's.
    ours = not repository or repository == default.repository
    directory = PurePosixPath(path or (default.path if ours else ""))
    if directory.is_absolute() or ".." in directory.parts:
        raise NotAllowedError(f"{path} is no path in a repository")
    chosen = branch or (default.branch if ours else ANY_BRANCH)
    return Destination(repository=where, branch=chosen, path="" if str(directory) == "." else str(directory))


def applier_of(cluster: Cluster, where: Destination, settings: GitopsSettings) -> Claim:
    """The Flux Kustomization or Argo CD Application that reads this directory; of several, the nearest above it.

    Raises:
        NotAllowedError: none does. ContestedError: two do.
    """
    found = [
        (owner, place)
        for owner, place in _appliers(World(cluster), settings.provider)
        if _covers(place, where, settings)
    ]
    if not found:
        who = {Provider.FLUX: "no Flux Kustomization", Provider.ARGOCD: "no Argo CD Application"}
        named = who.get(settings.provider, "no Flux Kustomization and no Argo CD Application")
        raise NotAllowedError(
            f"{named} applies {where.path or 'the root'} of {where.repository} ({where.branch})",
            "ask for a path that is applied (--path), or apply them directly: provider: none",
        )
    deepest = max(_depth(place) for _, place in found)
    nearest = {owner: place for owner, place in found if _depth(place) == deepest}
    if len(nearest) > 1:
        both = " and ".join(sorted(str(owner.ref) for owner in nearest))
        raise ContestedError(f"{both} both apply {where.path or 'the root'} of {where.repository}")
    ((owner, place),) = nearest.items()
    return Claim(chain=(owner,), edit=owner.ref, place=place)


def _depth(place: Place) -> int:
    return len(PurePosixPath(place.path).parts)


def _appliers(world: World, provider: Provider) -> Iterator[tuple[Owner, Place]]:
    """Those that apply to this cluster."""
    if provider is not Provider.ARGOCD:
        for ref, manifest in world.all(KUSTOMIZE, "Kustomization").items():
            place = sources.place_of(world, manifest).place
            if place is not None and not spec_of(manifest).get("kubeConfig"):
                suspended = spec_of(manifest).get("suspend") is True
                yield Owner(ref=ref, tool=Tool.FLUX, how="path", suspended=suspended), place
    if provider is not Provider.FLUX:
        for ref, manifest in world.all(ARGOCD, APPLICATION).items():
            owner = Owner(ref=ref, tool=Tool.ARGOCD, how="path", suspended=argo.is_suspended(manifest))
            if not argo.elsewhere(manifest):
                yield from ((owner, place) for place in argo_sources.sources(manifest).places)


def _covers(place: Place, where: Destination, settings: GitopsSettings) -> bool:
    # Which branch HEAD is only the repository says: whoever clones it compares (`Asked.branch`).
    same_branch = bool(place.branch) and (place.branch == where.branch or ANY_BRANCH in (place.branch, where.branch))
    above = f"{where.path}/".startswith(f"{place.path}/") or not place.path
    return same_branch and above and _same(place.repository, where.repository, settings)


def _same(one: str, other: str, settings: GitopsSettings) -> bool:
    try:
        return _spelled(settings.reachable(one)) == _spelled(settings.reachable(other))
    except NotAllowedError:  # of a source that is not ours to change
        return False


def _spelled(url: str) -> str:
    return url.rstrip("/").removesuffix(".git").lower()


def refuse_others_objects(cluster: Cluster, refs: Sequence[Ref], ours: Claim) -> None:
    """What is there already may be nobody's, or this applier's.

    Raises:
        NotAllowedError: another applier has it: two would undo each other.
    """
    for ref in refs:
        try:
            ownership = find(cluster, ref)
        except KubeNotFoundError:
            continue  # new
        others = [claim.chain[-1].ref for claim in ownership.claims if claim.chain[-1].ref != ours.chain[-1].ref]
        if others or ownership.verdict is Verdict.UNKNOWN:
            refuse_direct(ownership)


def ref_in(cluster: Cluster, manifest: Manifest, *, namespace: str) -> Ref:
    """Which object a manifest is, in this namespace if it does not say; in none where its kind has none.

    Raises:
        KubeNotFoundError: the cluster does not serve its kind.
    """
    ref = ref_of(manifest, namespace=namespace)
    kind = cluster.kind(ref.group, ref.kind)
    return ref if kind.namespaced else Ref(ref.group, ref.kind, "", ref.name)
