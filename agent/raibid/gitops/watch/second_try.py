"""A health check that failed early counts only if it fails once more.

A Deployment that missed its deadline says so until the pods of its next revision make progress, and
kustomize-controller gives up as soon as it reads that. So the first check of the very commit that mends it may fail at
once, and the next one passes (seen with kustomize-controller 1.7.3).

Owns: which failures are tried again, when the second try is over.
Leaves to others: asking (`asking.py`), the progress (`flux.py`).
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from raibid.gitops.objects import Manifest, status_of
from raibid.gitops.watch.outcome import Outcome, Progress

_EARLY: Final = "failed early due to stalled resources"
"""kustomize-controller's words where it has not waited for the whole timeout."""


def worth_it(found: Progress) -> bool:
    """Whether another try may end in another way."""
    return found.done and found.outcome is Outcome.NOT_HEALTHY and _EARLY in found.message


def after_it(found: Progress, applier: Manifest | None, request: str) -> Progress:
    """The same, not final while the try that `request` asked for is not over."""
    handled = status_of(applier or {}).get("lastHandledReconcileAt")
    return found if not request or handled == request else replace(found, done=False)
