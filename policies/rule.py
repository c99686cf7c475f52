"""What a rule is: a demand, a reason, a remedy, and a predicate that finds what breaks it.

Owns: the values that rules are made of and what they give back.
Leaves to others: the rules (`rules`, `doctor`), where manifests come from (`tree`, `__main__`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from policies.manifest import Manifest

AGENTS: Final = "ci"
"""The namespace where strangers' code runs."""


@dataclass(frozen=True, kw_only=True)
class Bounds:
    """What the rules measure against; it differs per stack. None: not known here, so not judged."""

    images: str | None = None
    """Regular expression for the beginning of every image: `docker[.]io/library/redis[:@]|…`."""
    most_agents: int | None = None
    """The budget's `maxReplicaCount`."""


@dataclass(frozen=True, kw_only=True)
class Rule:
    """One demand on one object."""

    id: str
    demand: str
    """What is demanded, as a sentence about the good case."""
    why: str
    remedy: str
    """What to do about a violation."""
    check: Callable[[Manifest, Bounds], Iterator[str]]
    """Yields where an object breaks the rule: "container agent: image busybox"."""
    live: bool = True
    """Whether it holds for what Pulumi applies too, not only for files in Git."""

    @property
    def message(self) -> str:
        """The demand and what to do, as the admission policy says it."""
        return f"{self.demand}; {self.remedy}"


@dataclass(frozen=True, kw_only=True)
class SetRule:
    """One demand on all objects of a cluster together."""

    id: str
    demand: str
    why: str
    remedy: str
    check: Callable[[Sequence[Manifest]], Iterator[tuple[Manifest, str]]]
    """Yields an object that breaks the rule, and how."""


@dataclass(frozen=True)
class Violation:
    """An object breaks a rule."""

    rule: Rule | SetRule
    manifest: Manifest
    where: str


def judge(manifest: Manifest, rules: Sequence[Rule], bounds: Bounds) -> Iterator[Violation]:
    """What one object breaks."""
    for rule in rules:
        for where in rule.check(manifest, bounds):
            yield Violation(rule, manifest, where)
