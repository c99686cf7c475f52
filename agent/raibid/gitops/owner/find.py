"""Who owns a live object: the walk from it up to a place in Git.

Owns: the order of the walk, what counts if several claim it, the answer when nobody does.
Leaves to others: what proves a claim (`flux.py`, `argo.py`), the file below the place (`raibid.gitops.files`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import takewhile
from typing import Final

from raibid.gitops.cluster import Cluster
from raibid.gitops.objects import Manifest, Ref
from raibid.gitops.owner import argo, flux
from raibid.gitops.owner.family import family_of
from raibid.gitops.owner.ownership import Claim, Ownership, Verdict
from raibid.gitops.owner.sources import joined
from raibid.gitops.owner.world import World
from raibid.kube.errors import KubeNotFoundError

Claimer = Callable[[World, Sequence[Manifest]], list[Claim]]

CLAIMERS: Final[Sequence[Claimer]] = (flux.claims, argo.claims)


def find(cluster: Cluster, ref: Ref, claimers: Sequence[Claimer] = CLAIMERS) -> Ownership:
    """The owner of an object. An applier is an answer only if its inventory has the object, or what it belongs to.

    Raises:
        KubeNotFoundError: there is no such object, and no inventory has it. KubeError: the cluster does not answer.
    """
    world = World(cluster)
    there = world.get(ref) is not None
    claims = _nearest(_claims(world, ref, claimers, frozenset()))
    if not there and not world.hidden(ref.group, ref.kind):
        if not claims:
            raise KubeNotFoundError(f"{ref}: there is none, and nobody would make it")
        world.note(f"{ref} is not in the cluster now; its appliers have it in their inventories")
    verdict = _verdict(claims, world)
    return Ownership(about=ref, verdict=verdict, claims=tuple(claims), notes=(*world.notes, *world.refused))


def _claims(world: World, ref: Ref, claimers: Sequence[Claimer], seen: frozenset[Ref]) -> list[Claim]:
    family = family_of(world, ref)
    return [
        climbed
        for claimer in claimers
        for claim in claimer(world, family)
        for climbed in _climbed(world, claim, claimers, seen | {ref})
    ]


def _climbed(world: World, claim: Claim, claimers: Sequence[Claimer], seen: frozenset[Ref]) -> list[Claim]:
    """A claim whose last owner is itself what one edits (a HelmRelease) goes on with the owner of that, of any tool."""
    top = claim.chain[-1].ref
    if claim.place or claim.edit != top or top in seen:
        return [claim]
    above = _nearest(_claims(world, top, claimers, seen))
    if not above:
        return [replace(claim, note=joined(claim.note, f"nobody applies {top} from Git"))]
    return [
        replace(one, chain=claim.chain + one.chain, note=joined(claim.note, one.note), others=one.others + claim.others)
        for one in above
    ]


def _nearest(claims: Sequence[Claim]) -> list[Claim]:
    """The object's own claims go before those of what it belongs to."""
    distances = [sum(1 for _ in takewhile(lambda owner: owner.tool is None, claim.chain)) for claim in claims]
    return [claim for claim, far in zip(claims, distances, strict=True) if far == min(distances)]


def _verdict(claims: Sequence[Claim], world: World) -> Verdict:
    if len(claims) > 1:
        return Verdict.CONTESTED
    if claims:
        return Verdict.MANAGED
    return Verdict.UNKNOWN if world.refused else Verdict.UNMANAGED
