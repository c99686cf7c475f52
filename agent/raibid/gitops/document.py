"""The document that describes an owned object: the place that the cluster tells, cloned and looked into.

Owns: trying every place of a claim, and keeping the right one; why there is no document, as an answer.
Leaves to others: who owns it (`owner`), reading the files (`files`), changing them (`change`).
"""

from __future__ import annotations

import tempfile
from dataclasses import dataclass, replace
from pathlib import Path

from raibid.git.cli import Git
from raibid.git.errors import GitError
from raibid.gitops.change.checkout import Checkout
from raibid.gitops.cluster import Cluster
from raibid.gitops.errors import GitopsError
from raibid.gitops.files.locate import Location, locate
from raibid.gitops.owner.additions import additions
from raibid.gitops.owner.ownership import Claim, Ownership, Place
from raibid.gitops.settings import GitopsSettings


@dataclass(frozen=True)
class Document:
    """Where it is, and in which commit it was found: the newest of its branch."""

    place: Place
    commit: str
    location: Location


def document_of(
    cluster: Cluster, claim: Claim, settings: GitopsSettings, git: Git
) -> tuple[Document | None, tuple[str, ...]]:
    """The document that one edits, and why a place does not have it.

    Raises:
        KubeError: the cluster does not answer.
    """
    notes: list[str] = []
    for place in (*((claim.place,) if claim.place else ()), *claim.others):
        if not place.branch:
            notes.append(f"{place.repository} follows no branch, so that no file of it can be changed")
            continue
        try:
            return _looked_into(cluster, claim, place, settings, git), tuple(notes)
        except GitopsError as error:
            notes.append(f"{error} ({error.hint})" if error.hint else str(error))
        except GitError as error:
            notes.append(f"{place.repository}: {error}")
    return None, tuple(notes)


def narrowed(cluster: Cluster, ownership: Ownership, settings: GitopsSettings, git: Git) -> Ownership:
    """The same answer, its claim with the one place that has the document; nothing is cloned if there is only one.

    Raises:
        KubeError: the cluster does not answer.
    """
    claim = ownership.claim
    found = document_of(cluster, claim, settings, git)[0] if claim and claim.others else None
    if claim is None or found is None:
        return ownership
    return replace(ownership, claims=(replace(claim, place=found.place, others=()),))


def _looked_into(cluster: Cluster, claim: Claim, place: Place, settings: GitopsSettings, git: Git) -> Document:
    url = settings.reachable(place.repository)
    with tempfile.TemporaryDirectory(prefix="raibid-owner-") as directory:
        checkout = Checkout.open(url, place.branch, Path(directory), git)
        added = additions(cluster, claim, place)
        return Document(place, checkout.head, locate(checkout.at, place.path, claim.edit, flux_spec=added))
