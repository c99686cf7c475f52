"""Git's log, the appliers and their events, read for the list.

Owns: which appliers and repositories are asked, what an object's history is.
Leaves to others: putting it together (`log.py`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from raibid.git.errors import GitError
from raibid.gitops.change.checkout import Checkout
from raibid.gitops.cluster import Cluster, Happening
from raibid.gitops.errors import GitopsError, NoFileError
from raibid.gitops.files.locate import locate
from raibid.gitops.groups import ARGOCD
from raibid.gitops.history.appliers import of_application, of_kustomization
from raibid.gitops.history.log import Applier, Row, log
from raibid.gitops.objects import Manifest, Ref, ref_of
from raibid.gitops.owner.argo_sources import sources
from raibid.gitops.owner.ownership import Place
from raibid.gitops.owner.sources import place_of
from raibid.gitops.owner.world import World
from raibid.gitops.rollback.closure import closure
from raibid.gitops.rollback.commits import history
from raibid.gitops.rollback.reading import KUSTOMIZATION, paths_of
from raibid.gitops.rollback.tree import Tree
from raibid.gitops.watch.targets import claims_of
from raibid.kube.errors import KubeRefusedError

DEPTH: Final = 501
"""Commits to clone: one more than are looked at, for at the edge of a shallow clone every file looks new."""
_APPLICATION: Final = (ARGOCD, "Application")

Open = Callable[[Place], AbstractContextManager[Checkout]]
"""A checkout of a place's branch, DEPTH deep."""


@dataclass(frozen=True, kw_only=True)
class BranchLog:
    """What happened to one branch."""

    repository: str
    branch: str
    rows: tuple[Row, ...]
    note: str = ""
    """Why there are none: the branch could not be read."""


@dataclass(frozen=True)
class _Reader:
    manifest: Manifest
    place: Place


def branch_logs(
    cluster: Cluster, about: Ref | None, clone: Open, *, since: datetime | None, limit: int
) -> list[BranchLog]:
    """What was done to an object or an applier; None: to every branch that an applier reads. Newest first.

    Raises:
        KubeNotFoundError: there is no such object. GitopsError: nobody applies it from Git. KubeError, GitError.
    """
    world = World(cluster)
    readers = _readers(world)
    if about is None:
        branches = {(reader.place.repository, reader.place.branch): reader.place for reader in readers}
        alone = len(branches) == 1
        return [_told(cluster, clone, place, readers, since, limit, alone=alone) for place in branches.values()]
    claims = [claim for claim in claims_of(cluster, about) if claim.place and claim.place.branch]
    if not claims:
        raise GitopsError(f"{about}: no branch of Git describes it")
    return [
        _branch(cluster, clone, claim.place, readers, (about, claim.edit, claim.chain[-1].ref), since, limit)
        for claim in claims
        if claim.place
    ]


def _told(
    cluster: Cluster, clone: Open, place: Place, readers: Sequence[_Reader], since: datetime | None, limit: int, *,
    alone: bool,
) -> BranchLog:  # fmt: skip
    """One of several branches: one that cannot be read does not hide the others."""
    try:
        return _branch(cluster, clone, place, readers, None, since, limit)
    except (GitopsError, GitError) as error:
        if alone:
            raise
        return BranchLog(repository=place.repository, branch=place.branch, rows=(), note=str(error))


def _branch(
    cluster: Cluster, clone: Open, place: Place, readers: Sequence[_Reader], about: tuple[Ref, Ref, Ref] | None,
    since: datetime | None, limit: int,
) -> BranchLog:  # fmt: skip
    with clone(place) as checkout:
        tree = Tree.of(checkout, checkout.head)
        same = [one for one in readers if (one.place.repository, one.place.branch) == (place.repository, place.branch)]
        appliers = [_applier(cluster, one, tree) for one in same]
        commits = history(checkout, moment=since, limit=DEPTH - 1)
        rows = log(commits, appliers)
        if about is not None:
            named, edit, applier = about
            files = _files(checkout, tree, place, edit, applier, same)
            by_sha = {commit.sha: commit for commit in commits}
            rows = [row for row in rows if str(named) in row.objects or not files.isdisjoint(by_sha[row.commit].files)]
    return BranchLog(repository=place.repository, branch=place.branch, rows=tuple(rows[:limit]))


def _files(
    checkout: Checkout, tree: Tree, place: Place, edit: Ref, applier: Ref, readers: Sequence[_Reader]
) -> frozenset[str]:
    """The files whose changes are the object's history: of an applier all that it reads, else the object's own."""
    if edit == applier:
        return next((_reads(one, tree) for one in readers if ref_of(one.manifest) == applier), frozenset())
    try:
        return frozenset({locate(checkout.at, place.path, edit).file})
    except NoFileError:
        return frozenset()  # then the trailers alone name it


def _readers(world: World) -> list[_Reader]:
    found = [(item, place_of(world, item).place) for item in world.all(*KUSTOMIZATION).values()]
    for item in world.all(*_APPLICATION).values():
        places = sources(item).places
        found.append((item, places[0] if len(places) == 1 else None))
    return [_Reader(item, place) for item, place in found if place and place.branch]


def _reads(reader: _Reader, tree: Tree) -> frozenset[str]:
    return closure(tree, paths_of(reader.manifest, reader.place))


def _applier(cluster: Cluster, reader: _Reader, tree: Tree) -> Applier:
    ref = ref_of(reader.manifest)
    kind = of_kustomization if (ref.group, ref.kind) == KUSTOMIZATION else of_application
    return kind(reader.manifest, _reads(reader, tree), _happenings(cluster, ref))


def _happenings(cluster: Cluster, ref: Ref) -> Sequence[Happening]:
    try:
        return cluster.happenings(ref)
    except KubeRefusedError:
        return ()  # a Role need not allow it: events are forgotten after an hour, and only add an applier's words
