"""One comment at a pull request: what its newest build found, once it has ended.

Owns: which of a pull request's jobs speaks, and whether it begins.
Leaves to others: the text (`raibid.forge.comment`), finding our comment (the forges' clients), when it is written and
again (`telling.py`).
"""

from __future__ import annotations

from typing import Final

from raibid.forge.comment import comment_of, nothing_left
from raibid.forge.forge import Forge
from raibid.ledger import Ledger
from raibid.model.job import Job
from raibid.model.pull_request_event import pull_number

MARKER: Final = "<!-- raibid:pr -->"
"""In our comment's text, and unseen on the page: how it is found again."""
_PAGE: Final = 1
"""Jobs of one ref read at once: nearly always the first is of the same forge, and more of them would have to be looked
for among all jobs."""


class Comments:
    """A topic of `telling.py`."""

    name: Final = "comment"
    optional: Final = True

    def __init__(self, ledger: Ledger, public_url: str) -> None:
        """`public_url`: where people reach the API; empty: comments have no link."""
        self._ledger = ledger
        self._public_url = public_url

    def place(self, job: Job) -> str:
        """The pull request; empty: the job is of none, or has not ended."""
        return job.spec.ref if job.status.terminal and _number(job) else ""

    def say(self, forge: Forge, job: Job) -> None:
        """Write what the job found, unless a newer job of the pull request has the word.

        Asked before, for an older job's word must not replace a newer one's; and after, for a newer job may have come
        and even have spoken while this word was on its way. Then the newer one speaks once more.
        """
        if not self._gives_way(job):
            found = comment_of(job, self._public_url)
            # Even with nothing found: an older comment would go on telling of what is mended.
            text = found or nothing_left(job, self._public_url)
            forge.upsert_comment(job.spec.repo, _number(job), MARKER, text, rewrite_only=not found)
            self._gives_way(job)

    def _gives_way(self, job: Job) -> bool:
        """Whether a newer job has the word; if it has ended, it is told once more."""
        newest = self._newest(job)
        if newest.id != job.id and newest.status.terminal:
            self._ledger.records.tell_again(newest.id)
        return newest.id != job.id

    def _newest(self, job: Job) -> Job:
        """The newest job of the same pull request, as far as Redis knows it."""
        spec, cursor = job.spec, ""
        while True:
            page = self._ledger.records.page(repo=spec.repo, branch=spec.branch, cursor=cursor, limit=_PAGE)
            for other in page.jobs:
                if other.spec.forge == spec.forge:
                    return other
            if not page.cursor or page.cursor <= job.id:
                return job
            cursor = page.cursor


def _number(job: Job) -> int:
    """Of the pull request; 0: the job is of none."""
    return pull_number(job.spec.ref) if job.spec.event == "pull_request" else 0
