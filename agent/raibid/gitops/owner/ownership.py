"""The answer to `who owns this`: values only.

Owns: the chain of owners, the place in Git that one edits.
Leaves to others: how it is found (`find.py`, `flux.py`, `argo.py`).
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from raibid.gitops.objects import Ref


class Tool(StrEnum):
    """What applies Git to the cluster."""

    FLUX = "flux"
    ARGOCD = "argocd"


class Verdict(StrEnum):
    """Whether somebody owns it."""

    MANAGED = "managed"
    CONTESTED = "contested"
    """Two appliers have it in their inventories, and undo each other."""
    UNMANAGED = "unmanaged"
    UNKNOWN = "unknown"
    """We may not see what would tell."""


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where in a repository the description is, as the cluster tells it."""

    repository: str
    """The clone URL, as the applier's source has it."""
    branch: str = ""
    """Empty: the source follows a tag, a commit or a range, and no branch can be pushed to. `HEAD`: the repository's
    default branch, whichever that is."""
    path: str = ""
    """The directory, or chart, that the applier reads; relative to the repository's root, empty for the root."""
    revision: str = ""
    """The commit that the source has fetched; empty: none yet."""
    source: Ref | None = None
    """The Flux source, which is asked to fetch; None for Argo CD."""
    note: str = ""
    """What to know before editing: a chart from a registry, a hydrated branch, a generator."""


@dataclass(frozen=True, kw_only=True)
class Owner:
    """One step of the chain."""

    ref: Ref
    tool: Tool | None
    """None: a plain owner, such as a Pod's ReplicaSet."""
    how: str
    """What proves it: `ownerReference`, `inventory`, `release` (Helm's record), `status.helmChart`, `tracking-id`,
    `status.resources`."""
    suspended: bool = False
    """It does not apply: Flux's `suspend`, Argo CD without automated sync."""
    applied: str = ""
    """The revision that it applied last; a commit, or a chart's version."""


@dataclass(frozen=True, kw_only=True)
class Claim:
    """One way from the object up to Git."""

    chain: tuple[Owner, ...]
    """From the object's nearest owner to the one that reads Git."""
    edit: Ref
    """The object whose manifest one edits: the asked one, the workload above it, or the HelmRelease of its chart."""
    place: Place | None
    """None: the chain does not end in Git (a bucket, an OCI artifact, a chart's registry); the note says why."""
    note: str = ""
    others: tuple[Place, ...] = ()
    """Further places that may have it, if `place` has no file of it: the other sources of an Application."""


@dataclass(frozen=True, kw_only=True)
class Ownership:
    """The answer."""

    about: Ref
    verdict: Verdict
    claims: tuple[Claim, ...] = ()
    """One if it is managed, more if it is contested, none otherwise."""
    notes: tuple[str, ...] = ()
    """What was looked at and does not count (a copied label), what could not be looked at, and why."""

    @property
    def claim(self) -> Claim | None:
        """The one claim of what is managed."""
        return self.claims[0] if self.verdict is Verdict.MANAGED else None
