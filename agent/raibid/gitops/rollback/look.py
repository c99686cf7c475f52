"""What Git says about a failing commit: the branch's side of the facts.

Owns: asking a checkout.
Leaves to others: the objects' side (`facts.py`), the decision (`decide.py`).
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from raibid.gitops.change.checkout import Checkout
from raibid.gitops.objects import Ref
from raibid.gitops.rollback.closure import closure
from raibid.gitops.rollback.commits import Commit, takes_back_for, touching
from raibid.gitops.rollback.decide import PAUSE, Branch, Suspect
from raibid.gitops.rollback.exclusions import exclusions
from raibid.gitops.rollback.inputs import changed_outside
from raibid.gitops.rollback.past import taken_back
from raibid.gitops.rollback.tree import Tree


def look(
    checkout: Checkout, paths: Sequence[str], good: str, bad: str, *,
    about: Ref, now: datetime, inputs: Sequence[Ref] = (),
) -> Branch:  # fmt: skip
    """The branch as it is checked out. `paths`: what the applier reads, `spec.path` first; `inputs`: what else it is
    built by (`inputs.py`). Raises GitError."""
    if not (checkout.contains(good, bad) and checkout.contains(bad, checkout.head)):
        return Branch(head=checkout.head, good_is_ancestor=False)
    before, after = Tree.of(checkout, good), Tree.of(checkout, bad)
    reached = closure(before, paths) | closure(after, paths)
    mine = f"{about.namespace}/{about.name}"
    rollbacks = [taken.at for taken in taken_back(checkout, after=now - PAUSE, now=now) if taken.about(mine)]
    touched = touching(checkout, good, bad, reached)
    suspects = [
        suspect
        for commit in touched
        if (suspect := _suspect(checkout, commit, mine, before.differs(after, reached))) is not None
    ]
    return Branch(
        head=checkout.head,
        good_is_ancestor=True,
        suspects=tuple(suspects),
        last_rollback=max(rollbacks, default=None),
        exclusions=exclusions(
            before, Tree.of(checkout, checkout.head), reached, {path for commit in touched for path in commit.files}
        ),
        outside=changed_outside(checkout, before, after, paths, inputs, reached),
    )


def _suspect(checkout: Checkout, commit: Commit, mine: str, different: frozenset[str]) -> Suspect | None:
    """None: the commit is not to blame. It may be somebody else's rollback, or nothing of it may be left."""
    names = takes_back_for(checkout, commit)
    if mine not in names and (commit.takes_back_for or different.isdisjoint(commit.files)):
        return None
    return Suspect(commit.sha, names, commit.at)
