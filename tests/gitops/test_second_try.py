"""A health check that failed early is tried once more before it counts."""

from __future__ import annotations

from dataclasses import replace

import pytest
from raibid.gitops.objects import Ref
from raibid.gitops.watch.outcome import Outcome, Progress
from raibid.gitops.watch.second_try import after_it, worth_it

WEB = Ref("kustomize.toolkit.fluxcd.io", "Kustomization", "flux-system", "web")
EARLY = Progress(
    Outcome.NOT_HEALTHY,
    True,
    "HealthCheckFailed: health check failed after 89ms: failed early due to stalled resources: [Deployment/apps/web]",
    WEB,
)
REQUEST = "2026-11-21T23:53:36.000000001Z"


def test_an_early_failure_is_worth_another_try() -> None:
    assert worth_it(EARLY)


@pytest.mark.parametrize(
    "found",
    [
        replace(EARLY, done=False),
        replace(EARLY, outcome=Outcome.FAILING),
        replace(EARLY, message="HealthCheckFailed: timeout waiting for: [Deployment/apps/web status: 'InProgress']"),
    ],
    ids=["under-way", "it-does-not-build", "the-whole-timeout-has-passed"],
)
def test_what_has_another_end_is_not(found: Progress) -> None:
    assert not worth_it(found)


def test_it_is_final_once_the_second_try_is_over() -> None:
    assert not after_it(EARLY, {"status": {"lastHandledReconcileAt": "before"}}, REQUEST).done
    assert not after_it(EARLY, None, REQUEST).done
    assert after_it(EARLY, {"status": {"lastHandledReconcileAt": REQUEST}}, REQUEST) == EARLY


def test_it_is_final_at_once_where_nobody_may_ask() -> None:
    assert after_it(EARLY, {"status": {}}, "") == EARLY
