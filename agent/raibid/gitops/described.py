"""The file that describes an owned object: the place that the cluster tells, looked into.

Owns: cloning that place for one look, trying every place of a claim, why there is no file as an answer.
Leaves to others: who owns it (`owner`), finding the document (`files`), changing it (`change`).
"""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from raibid.git.cli import Git
from raibid.git.errors import GitError
from raibid.gitops.change.checkout import Checkout
from raibid.gitops.cluster import Cluster
from raibid.gitops.errors import GitopsError
from raibid.gitops.files.locate import Location, locate
from raibid.gitops.objects import Manifest, spec_of
from raibid.gitops.owner.flux import KUSTOMIZE
from raibid.gitops.owner.ownership import Claim, Place
from raibid.gitops.settings import GitopsSettings


@dataclass(frozen=True)
class Described:
    """The document, and where it was looked for."""

    place: Place
    commit: str
    """The branch's newest, in which it was found."""
    location: Location


def described(
    cluster: Cluster, claim: Claim, settings: GitopsSettings, git: Git
) -> tuple[Described | None, tuple[str, ...]]:
    """The document that one edits, in the newest commit of its branch, and why a place does not have it.

    Raises:
        KubeError: the cluster does not answer.
    """
    notes, spec = [], _flux_spec(cluster, claim)
    for place in (*((claim.place,) if claim.place else ()), *claim.others):
        if not place.branch:
            notes.append(f"{place.repository} follows no branch, so that no file of it can be changed")
            continue
        try:
            return _looked_into(place, claim, settings, git, spec), tuple(notes)
        except GitopsError as error:
            notes.append(f"{error} ({error.hint})" if error.hint else str(error))
        except GitError as error:
            notes.append(f"{place.repository}: {error}")
    return None, tuple(notes)


def _looked_into(place: Place, claim: Claim, settings: GitopsSettings, git: Git, spec: Manifest | None) -> Described:
    url = settings.reachable(place.repository)
    with tempfile.TemporaryDirectory(prefix="raibid-owner-") as directory:
        checkout = Checkout.open(url, place.branch, Path(directory), git)
        return Described(place, checkout.head, locate(checkout.at, place.path, claim.edit, flux_spec=spec))


def _flux_spec(cluster: Cluster, claim: Claim) -> dict[str, Any] | None:
    """What the Flux Kustomization at the end of the chain adds to its directory."""
    reader = claim.chain[-1].ref
    return dict(spec_of(cluster.get(reader))) if reader.group == KUSTOMIZE else None
