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
from raibid.gitops.rollback.commits import changed_by, since, touching
from raibid.gitops.rollback.decide import PAUSE, Branch, Suspect
from raibid.gitops.rollback.exclusions import exclusions
from raibid.gitops.rollback.tree import Tree


def look(checkout: Checkout, paths: Sequence[str], good: str, bad: str, *, about: Ref, now: datetime) -> Branch:
    """The branch as it is checked out. `paths`: what the applier reads, `spec.path` first. Raises GitError."""
    if not (checkout.contains(good, bad) and checkout.contains(bad, checkout.head)):
        return Branch(head=checkout.head, good_is_ancestor=False)
    before, after = Tree.of(checkout, good), Tree.of(checkout, bad)
    reached = closure(before, paths) | closure(after, paths)
    suspects = touching(checkout, good, bad, reached)
    mine = f"{about.namespace}/{about.name}"
    rollbacks = [commit.at for commit in since(checkout, now - PAUSE) if mine in commit.takes_back_for]
    touched = {path for commit in suspects for path in changed_by(checkout, commit.sha)}
    return Branch(
        head=checkout.head,
        good_is_ancestor=True,
        suspects=tuple(Suspect(commit.sha, bool(commit.takes_back_for)) for commit in suspects),
        last_rollback=max(rollbacks, default=None),
        exclusions=exclusions(before, Tree.of(checkout, checkout.head), reached, touched),
    )
