"""What a sync would overwrite, and what is done about it first. Pure but for the question who descends from whom.

"The source is the truth" is no answer to a forced push: the commits that it throws away are then nowhere.

Owns: the policies, which branches a sync rewrites or removes, what follows.
Leaves to others: keeping a bundle (`bundle.py`), the sync itself (`sync.py`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum

Heads = Mapping[str, str]
"""Branch → commit."""
Descends = Callable[[str, str], bool]
"""Whether the second commit has the first one in its history."""


class ForcePushPolicy(StrEnum):
    """Of one mirror."""

    ALWAYS = "always"  #: a bundle before every sync that changes anything
    ON_FORCE_PUSH = "on-force-push"  #: a bundle before a sync that loses commits
    BLOCK = "block"  #: a sync that loses commits waits for a person


class Step(StrEnum):
    """What comes next."""

    NOTHING = "nothing"  #: both sides are equal
    SYNC = "sync"
    BUNDLE = "bundle"  #: keep a bundle, then sync
    REFUSE = "refuse"


@dataclass(frozen=True)
class Loss:
    """A branch of the mirror whose commit the sync would take out of every branch's history."""

    branch: str
    old: str
    new: str
    """Empty: the branch is gone at the source."""

    def __str__(self) -> str:
        return f"{self.branch} {self.old[:12]} → {self.new[:12] or 'gone'}"


@dataclass(frozen=True)
class Decision:
    """What to do before a sync, and why."""

    step: Step
    losses: tuple[Loss, ...] = ()

    @property
    def reason(self) -> str:
        """For people; empty when nothing is lost."""
        return f"a forced push at the source: {'; '.join(map(str, self.losses))}" if self.losses else ""


def decide(policy: ForcePushPolicy, source: Heads, mirror: Heads, descends: Descends) -> Decision:
    """What comes next for a mirror with these heads. `descends` is asked for rewritten branches only."""
    if dict(source) == dict(mirror):
        return Decision(Step.NOTHING)
    lost = tuple(losses(source, mirror, descends))
    if lost and policy is ForcePushPolicy.BLOCK:
        return Decision(Step.REFUSE, lost)
    keep = lost or policy is ForcePushPolicy.ALWAYS
    return Decision(Step.BUNDLE if keep else Step.SYNC, lost)


def losses(source: Heads, mirror: Heads, descends: Descends) -> list[Loss]:
    """The mirror's branches whose commits no branch of the source has any more.

    A branch that is gone because it was merged loses nothing: its commit is in another branch's history.
    """
    return [
        Loss(branch, old, source.get(branch, ""))
        for branch, old in sorted(mirror.items())
        if source.get(branch) != old and not _kept(old, source, branch, descends)
    ]


def _kept(old: str, source: Heads, branch: str, descends: Descends) -> bool:
    new = source.get(branch)
    others = [head for name, head in sorted(source.items()) if name != branch]
    if old in others:
        return True
    # Its own branch first: nearly always the push was none by force.
    return any(descends(old, head) for head in ([new] if new else []) + list(dict.fromkeys(others)))
