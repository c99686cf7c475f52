"""A rollback that a person asks for: which files, back to where, and what speaks against it.

Owns: what is meant when nobody says which commit; what is refused, and why.
Leaves to others: the revert (`revert.py`), pushing it (`raibid.gitops.change`), the questions (`raibid.cli`).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from raibid.gitops.change.checkout import Checkout
from raibid.gitops.cluster import Cluster
from raibid.gitops.errors import NotAllowedError, RevertError
from raibid.gitops.files.locate import locate
from raibid.gitops.objects import Ref
from raibid.gitops.owner.ownership import Claim, Place
from raibid.gitops.rollback.closure import closure
from raibid.gitops.rollback.commits import Commit, before_change, touching
from raibid.gitops.rollback.decide import Facts, Kind, decide
from raibid.gitops.rollback.exclusions import exclusions
from raibid.gitops.rollback.inputs import changed_outside
from raibid.gitops.rollback.reading import KUSTOMIZATION, read
from raibid.gitops.rollback.revert import Reach, Why, parent_of, reach, revert, revert_commits
from raibid.gitops.rollback.tree import Tree
from raibid.gitops.watch.targets import claims_of

_SHA: Final = re.compile(r"[0-9a-f]{7,64}")
_FULL: Final = 40
_EVERYTHING: Final = "0" * _FULL
"""A commit that no branch has: looking for it fetches the whole past."""


@dataclass(frozen=True, kw_only=True)
class Subject:
    """What is to be taken back, as the cluster tells."""

    about: Ref
    """What somebody named."""
    claim: Claim
    place: Place
    paths: tuple[str, ...] = ()
    """Of an applier, what it reads; empty for an object, whose file alone is meant."""
    facts: Facts | None = None
    """Of a Kustomization: what it says of itself."""
    inputs: tuple[Ref, ...] = ()
    """Of a Kustomization: what else it is built by."""

    @property
    def applier(self) -> Ref:
        """Who applies it."""
        return self.claim.chain[-1].ref


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What the revert will be, before it is made."""

    subject: Subject
    paths: tuple[str, ...]
    good: str
    """The state that is wanted again; empty if single commits were chosen."""
    bad: str
    """The newest commit that is taken back: what is pushed from now on stays."""
    chosen: tuple[str, ...]
    commits: tuple[Commit, ...]
    exclusions: tuple[str, ...]
    """Why somebody should look at it before it is in the branch."""

    def make(self, checkout: Checkout, why: Why) -> str | None:
        """Commit it. Raises as `revert` and `revert_commits`."""
        if self.chosen:
            return revert_commits(checkout, self.paths, self.chosen, about=self.subject.applier, why=why)
        return revert(checkout, self.paths, self.good, self.bad, about=self.subject.applier, why=why)


def subject_of(cluster: Cluster, ref: Ref) -> Subject:
    """Whose files are meant.

    Raises:
        KubeNotFoundError: there is no such object. NotAllowedError: two appliers own it. RevertError: no branch of Git
        describes it. GitopsError: nobody owns it. KubeError.
    """
    claims = claims_of(cluster, ref)
    if len(claims) > 1:
        names = " and ".join(str(claim.chain[-1].ref) for claim in claims)
        raise NotAllowedError(f"{names} both apply {ref}", "name the one that is meant")
    claim = claims[0]
    if claim.place is None or not claim.place.branch:
        why = claim.note or (claim.place.note if claim.place else "") or "it does not follow a branch of Git"
        raise RevertError(f"{ref}: nothing can be reverted: {why}")
    if (ref.group, ref.kind) == KUSTOMIZATION:
        reading = read(cluster, ref)
        return Subject(
            about=ref, claim=claim, place=claim.place, paths=reading.paths, facts=reading.facts, inputs=reading.inputs
        )
    whole = (claim.place.path,) if claim.chain[-1].ref == ref else ()
    return Subject(about=ref, claim=claim, place=claim.place, paths=whole)


def plan(checkout: Checkout, subject: Subject, *, to: str, commits: Sequence[str], now: datetime) -> Plan:
    """What to take back: everything after `to`, or these commits; if nobody says, what failed, else the last change.

    Raises:
        RevertError: no such commit, nothing to take back. NotAllowedError: reverting would not help. NoFileError.
        GitError.
    """
    paths = subject.paths or (locate(checkout.at, subject.place.path, subject.claim.edit).file,)
    head = checkout.head
    if commits:
        chosen = tuple(_commit(checkout, commit) for commit in commits)
        reaches = [reach(checkout, paths, parent_of(checkout, commit), commit) for commit in chosen]
        good = ""
    else:
        chosen, good = (), _commit(checkout, to) if to else _good(checkout, subject, paths, now)
        reaches = [reach(checkout, paths, good, head)]
    taken = tuple(commit for found in reaches for commit in found.commits)
    if not taken:
        raise RevertError(f"no commit after {good[:12]} touched it" if good else "these commits did not touch it")
    return Plan(
        subject=subject,
        paths=paths,
        good=good,
        bad=head,
        chosen=chosen,
        commits=taken,
        exclusions=tuple(reason for found in reaches for reason in _exclusions(checkout, subject, found)),
    )


def _good(checkout: Checkout, subject: Subject, paths: Sequence[str], now: datetime) -> str:
    facts = subject.facts
    if facts is not None and facts.attempted and _fails(facts):
        decision = decide(facts, now=now)
        if decision.kind is Kind.NEVER or not facts.applied:
            why = decision.reason if decision.kind is Kind.NEVER else "no commit has passed yet"
            hint = "if you know better, say what is taken back: --to SHA or --commit SHA"
            raise NotAllowedError(f"{subject.about}: a revert would not help: {why}", hint)
        return facts.applied
    reached = closure(Tree.of(checkout, checkout.head), paths)
    found = before_change(checkout, checkout.head, reached)
    if not found:
        raise RevertError(f"{subject.about}: it has not changed since the branch's first commit")
    last = touching(checkout, found, checkout.head, reached)
    if last and last[0].takes_back_for:
        # Asked for twice by mistake, it would bring back what was taken back.
        hint = "say what is taken back: --to SHA or --commit SHA"
        raise RevertError(f"{subject.about}: its last change, {last[0].sha[:12]}, took commits back itself", hint)
    return found


def _fails(facts: Facts) -> bool:
    # Ready alone does not tell: it is Unknown through each of Flux's attempts, which is most of the time.
    return facts.attempted != facts.applied or (facts.ready is not None and facts.ready.status == "False")


def _commit(checkout: Checkout, typed: str) -> str:
    """The commit that somebody typed; all of it, or its first digits."""
    said = typed.lower()
    if not _SHA.fullmatch(said):
        raise RevertError(f"{typed} is no commit", "at least 7 of its hexadecimal digits")
    checkout.deepen(said if len(said) >= _FULL else _EVERYTHING)
    found = checkout.attempt("rev-parse", "--quiet", "--verify", f"{said}^{{commit}}")
    if found.code:
        raise RevertError(f"{typed} is no commit of the branch, or of several that begin so")
    return found.out.strip()


def _exclusions(checkout: Checkout, subject: Subject, found: Reach) -> tuple[str, ...]:
    touched = {path for commit in found.commits for path in commit.files}
    lost = exclusions(found.good, found.bad, found.paths, touched)
    if not subject.paths:
        return lost
    return (*lost, *changed_outside(checkout, found.good, found.bad, subject.paths, subject.inputs, found.paths))
