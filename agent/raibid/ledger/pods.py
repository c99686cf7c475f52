"""What the controller tells the ledger about agents' pods, in the words that people read.

Owns: the lines in the job's log, the job's report and reason.
Leaves to others: what a pod's end does to its job (`pod_ended.lua`), what people see (`results.py`).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import msgspec

from raibid.ledger.errors import translated
from raibid.ledger.records import text
from raibid.ledger.scripts import Scripts
from raibid.model.job import JobStatus, Report
from raibid.model.pod import MESSAGE_CHARS, NAME_CHARS, PodEnding, PodVerdict, one_line, stuck_note

_MOST_STUCK: Final = 100


class Pods:
    """The controller's steps; each is one round trip."""

    def __init__(self, run: Scripts) -> None:
        self._run = run

    def ended(self, ending: PodEnding, verdict: PodVerdict) -> JobStatus | None:
        """As `Ledger.pod_ended`."""
        ending = msgspec.structs.replace(ending.bounded(), attempt=0)
        with translated():
            reply = self._run(
                "pod_ended",
                ending.pod,
                str(verdict),
                msgspec.json.encode(ending),
                "".join(f"{line}\n" for line in (ending.sentence, *ending.events)),
                msgspec.json.encode(_report(ending)),
                ending.cause,
                int(ending.disruption),
            )
        return None if reply is None else JobStatus(text(reply))

    def stuck(self, reasons: Mapping[str, str]) -> int:
        """As `Ledger.pods_stuck`."""
        known = {one_line(pod, NAME_CHARS): one_line(reasons[pod], MESSAGE_CHARS) for pod in sorted(reasons)}
        kept = dict(list(known.items())[:_MOST_STUCK])
        with translated():
            return int(self._run("pods_stuck", stuck_note(kept), *[part for pair in kept.items() for part in pair]))


def _report(ending: PodEnding) -> Report:
    """What stands for the agent's own report when its pod's end was the job's."""
    seconds = ending.finished - ending.started if ending.started and ending.finished else 0.0
    return Report(reason=ending.cause, exit_code=ending.exit_code, seconds=max(0.0, seconds))
