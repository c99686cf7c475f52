"""Who is to hear of a job's end: the enrolment file's `notify` rules. Pure.

Owns: the kinds of endings, a rule's shape, which targets an ending goes to.
Leaves to others: where a target is (`raibid.api.targets`), the words and the delivery (`raibid.api.notices`,
`raibid.api.notifications`).
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum
from typing import Annotated, Final

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from raibid.model.conditions import passes
from raibid.model.job import JobStatus
from raibid.model.pipeline import Filter
from raibid.model.pipeline_types import NotEmpty, one_or_more

TARGET: Final = r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$"
"""A target's name: it is part of a key, and in the log in place of its URL."""


class Ending(StrEnum):
    """How a job ended, as far as people want to be told."""

    FAILED = "failed"
    FIXED = "fixed"  #: a success after a failure of the same branch; a rule for `success` hears of it as well
    DEAD = "dead"
    SUCCESS = "success"
    CANCELLED = "cancelled"


_OF_STATUS: Final = {
    JobStatus.SUCCESS: Ending.SUCCESS,
    JobStatus.FAILED: Ending.FAILED,
    JobStatus.CANCELLED: Ending.CANCELLED,
    JobStatus.DEAD: Ending.DEAD,
}


class NotifyRule(BaseModel):
    """Which endings on which branches go to which targets."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    on: Annotated[tuple[Ending, ...], *NotEmpty, BeforeValidator(one_or_more)] = (
        Ending.FAILED,
        Ending.FIXED,
        Ending.DEAD,
    )
    branches: Filter | None = None
    """None: all; a pull request is a branch of its own, `refs/pull/N/head`."""
    to: Annotated[tuple[Annotated[str, Field(pattern=TARGET)], ...], *NotEmpty, BeforeValidator(one_or_more)]

    def hears(self, branch: str) -> bool:
        """Whether the rule is about the branch."""
        return self.branches is None or passes(self.branches, branch)


def ending_of(status: JobStatus) -> Ending:
    """Of a job that has ended; whether a success fixed something is another question."""
    return _OF_STATUS[status]


def targets_of(rules: Iterable[NotifyRule], branch: str, ending: Ending) -> frozenset[str]:
    """The targets that are to hear of an ending."""
    also = {ending, Ending.SUCCESS} if ending is Ending.FIXED else {ending}
    return frozenset(target for rule in rules if rule.hears(branch) and also & set(rule.on) for target in rule.to)
