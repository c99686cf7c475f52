"""How an agent's pod ended: Kubernetes' words as data, and what they mean for its job.

Owns: the post-mortem's shape and bounds, sentences about pods for people, the three verdicts.
Leaves to others: reading pods and judging them (`raibid.controller`), what a verdict does to a job (`raibid.ledger`).
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Final

import msgspec

NAME_CHARS: Final = 253  # of a Kubernetes object
REASON_CHARS: Final = 100
MESSAGE_CHARS: Final = 500
EVENT_CHARS: Final = 200
MOST_EVENTS: Final = 8
_NAMED: Final = 3


class PodVerdict(StrEnum):
    """What a pod's end means for the job that it had."""

    FAIL = "fail"  #: the job's own doing (out of memory, out of time): it fails; again would end the same way
    LOST = "lost"  #: the pod's or the node's misfortune: the lease ends now, another agent takes the job
    NONE = "none"  #: only recorded


class PodEnding(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The post-mortem of a pod. Times are Unix seconds, 0 for not known."""

    pod: str  #: also the agent's name: the owner of the job it had
    reason: str  #: Kubernetes' word: OOMKilled, DeadlineExceeded, Evicted, Error, …
    message: str = ""  #: what Kubernetes says beyond that
    node: str = ""
    phase: str = ""  #: of the pod: Failed, Succeeded, …
    exit_code: int | None = None
    signal: int = 0
    disruption: bool = False  #: the cluster took the pod away; a lost job gets its attempt back
    started: float = 0.0
    finished: float = 0.0
    events: tuple[str, ...] = ()  #: Kubernetes' latest warnings about the pod, oldest first
    attempt: int = 0  #: the attempt of its job that ended with it; the ledger fills it in

    @property
    def cause(self) -> str:
        """Why, in one line: `OOMKilled (exit code 137): The container used more memory than its limit`."""
        code = "" if self.exit_code is None else f" (exit code {self.exit_code})"
        return f"{self.reason}{code}: {self.message}" if self.message else f"{self.reason}{code}"

    @property
    def sentence(self) -> str:
        """Which pod, where and why, in one line."""
        where = f" on {self.node}" if self.node else ""
        return f"agent {self.pod}{where} ended: {self.cause}"

    def bounded(self) -> PodEnding:
        """The same in single lines of bounded length: anybody's text may be in a message."""
        return msgspec.structs.replace(
            self,
            pod=one_line(self.pod, NAME_CHARS),
            reason=one_line(self.reason, REASON_CHARS),
            message=one_line(self.message, MESSAGE_CHARS),
            node=one_line(self.node, NAME_CHARS),
            phase=one_line(self.phase, REASON_CHARS),
            events=tuple(one_line(event, EVENT_CHARS) for event in self.events[-MOST_EVENTS:]),
        )


def one_line(text: str, most: int) -> str:
    """Text as one printable line of at most `most` characters; `…` stands for what was cut."""
    printable = "".join(c if c.isprintable() else " " for c in text)
    line = " ".join(printable.split())
    return line if len(line) <= most else line[: most - 1] + "…"


def stuck_note(reasons: Mapping[str, str]) -> str:
    """Agents that cannot start, and why, in one line; some by name, the others by number."""
    notes = [f"agent {pod} cannot start: {reasons[pod]}" for pod in sorted(reasons)]
    more = [f"and {len(notes) - _NAMED} more"] if len(notes) > _NAMED else []
    return "; ".join(notes[:_NAMED] + more)
