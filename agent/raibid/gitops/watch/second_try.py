"""A health check that failed early counts only if it fails once more.

A Deployment that missed its deadline says so until the pods of its next revision make progress, and
kustomize-controller gives up as soon as it reads that. So the first check of the very commit that mends it may fail at
once, and the next one passes (seen with kustomize-controller 1.7.3).

Owns: which failures are tried again.
Leaves to others: asking, once (`walk.py`), that the failure is not final until the applier has handled the request
(`flux.answered`).
"""

from __future__ import annotations

from typing import Final

from raibid.gitops.watch.outcome import Outcome, Progress

_EARLY: Final = "failed early due to stalled resources"
"""kustomize-controller's words where it has not waited for the whole timeout."""


def worth_it(found: Progress) -> bool:
    """Whether another try may end in another way."""
    return found.done and found.outcome is Outcome.NOT_HEALTHY and _EARLY in found.message
