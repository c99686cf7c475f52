"""What people do to jobs and to the queue: approve, cancel, bury, pause, limits.

Owns: these calls' arguments and answers.
Leaves to others: what each does (`*.lua`), everything else that the ledger's client has (`ledger.py`).
"""

from __future__ import annotations

from raibid.ledger.errors import JobNotFoundError, translated
from raibid.ledger.records import text
from raibid.ledger.scripts import Scripts
from raibid.model.job import JobStatus


class Levers:
    """The part of the ledger's client that a person holds."""

    _run: Scripts

    def approve(self, job_id: str, by: str) -> JobStatus:
        """Let a held job into its lane; its age counts from now. The status after it (unchanged if not held)."""
        return self._status_of("approve", job_id, by)

    def cancel(self, job_id: str, by: str = "") -> JobStatus:
        """Cancel a job. Returns its status: cancelled, or running (told to stop at its next beat), or how it ended."""
        return self._status_of("cancel", job_id, by)

    def bury(self, job_id: str, reason: str) -> JobStatus:
        """Make a dead letter of a job in the stream. Returns its status after it."""
        return self._status_of("bury", job_id, reason)

    def pause(self) -> None:
        """Start nothing more: unclaimed entries go back to their lanes, running jobs finish."""
        self._control("pause", "")

    def resume(self) -> None:
        """Undo `pause`; the time between does not age anybody."""
        self._control("resume", "")

    def set_window(self, size: int) -> None:
        """How many jobs may be in the stream: maxReplicaCount."""
        self._control("window", str(size))

    def set_limit(self, kind: str, name: str, limit: int | None) -> None:
        """Jobs at once of a repository or a counted resource; `*` for each one not named; None removes the limit."""
        if kind not in ("repo", "resource"):
            raise ValueError(f"limit kind {kind!r}: use repo or resource")
        self._control(f"{kind}:{name}", "" if limit is None else str(limit))

    def set_events_kept(self, count: int) -> None:
        """About how many transitions the event stream keeps (default 10,000)."""
        self._control("events_max", str(count))

    def _control(self, what: str, value: str) -> None:
        with translated():
            self._run("control", what, value)

    def _status_of(self, script: str, job_id: str, detail: str) -> JobStatus:
        with translated():
            reply = self._run(script, job_id, detail)
        if reply is None:
            raise JobNotFoundError(f"no job {job_id} in the ledger")
        return JobStatus(text(reply))
