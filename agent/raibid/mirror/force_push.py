"""What a sync would overwrite, and what is done about it first. Pure but for the question who descends from whom.

"The source is the truth" is no answer to a forced push: the commits that it throws away are then nowhere.

Owns: the policies, which refs a sync rewrites or removes, what follows.
Leaves to others: what descends from what (`ancestry.py`), keeping a bundle (`bundle.py`), the sync (`upkeep.py`).
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from enum import StrEnum

Heads = Mapping[str, str]
"""Branch or tag by its full name, such as `refs/heads/main` → commit or tag object."""
Kept = Callable[[Collection[str]], Collection[str]]
"""Those of these commits that some ref of the source has in its history."""


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
    """A ref of the mirror whose commit the sync would take out of every ref's history."""

    ref: str
    old: str
    new: str
    """Empty: the ref is gone at the source."""

    def __str__(self) -> str:
        return f"{shown(self.ref)} {self.old[:12]} → {self.new[:12] or 'gone'}"


@dataclass(frozen=True)
class Decision:
    """What to do before a sync, and why."""

    step: Step
    losses: tuple[Loss, ...] = ()

    @property
    def reason(self) -> str:
        """For people; empty when nothing is lost."""
        return f"a forced push at the source: {'; '.join(map(str, self.losses))}" if self.losses else ""


def decide(policy: ForcePushPolicy, source: Heads, mirror: Heads, kept: Kept) -> Decision:
    """What comes next for a mirror with these refs. `kept` is asked only when a ref was changed or removed."""
    if dict(source) == dict(mirror):
        return Decision(Step.NOTHING)
    if policy is ForcePushPolicy.ALWAYS:
        return Decision(Step.BUNDLE)
    lost = tuple(losses(source, mirror, kept))
    if not lost:
        return Decision(Step.SYNC)
    return Decision(Step.REFUSE if policy is ForcePushPolicy.BLOCK else Step.BUNDLE, lost)


def losses(source: Heads, mirror: Heads, kept: Kept) -> list[Loss]:
    """The mirror's refs whose commits no ref of the source has any more.

    A branch that is gone because it was merged loses nothing, nor does a tag that moved along a branch: their commits
    are in another ref's history.
    """
    there = set(source.values())
    changed = {ref: old for ref, old in sorted(mirror.items()) if source.get(ref) != old and old not in there}
    have = kept(list(dict.fromkeys(changed.values()))) if changed else ()
    return [Loss(ref, old, source.get(ref, "")) for ref, old in changed.items() if old not in have]


def shown(ref: str) -> str:
    """A ref as people say it."""
    return ref.removeprefix("refs/heads/") if ref.startswith("refs/heads/") else ref.removeprefix("refs/")
