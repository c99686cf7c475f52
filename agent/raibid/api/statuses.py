"""Commit statuses: what a forge shows beside a job's commit, from its first minute to its end.

Owns: that every job of a commit has one, and where.
Leaves to others: the words (`raibid.forge.commit_status`), when they are said and again (`telling.py`).
"""

from __future__ import annotations

from typing import Final

from raibid.forge.commit_status import context_of, status_of
from raibid.forge.forge import Forge
from raibid.model.job import Job


class Statuses:
    """A topic of `telling.py`."""

    name: Final = "status"
    optional: Final = False

    def __init__(self, public_url: str) -> None:
        """`public_url`: where people reach the API; empty: statuses have no link."""
        self._public_url = public_url

    def place(self, job: Job) -> str:
        """The commit and the context."""
        return f"{job.spec.sha} {context_of(job.spec)}"

    def say(self, forge: Forge, job: Job) -> None:
        """Show where the job stands."""
        forge.set_status(job.spec.repo, job.spec.sha, status_of(job, self._public_url))
