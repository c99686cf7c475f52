"""A health check that failed early is tried once more before it counts."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from raibid.gitops.objects import Ref
from raibid.gitops.watch.outcome import Outcome, Progress
from raibid.gitops.watch.second_try import worth_it
from raibid.kube.errors import KubeRefusedError

from tests.gitops.flux_fake import APPS, FakeFlux, followed, kustomization
from tests.gitops.history import NEW

WEB = Ref("kustomize.toolkit.fluxcd.io", "Kustomization", "flux-system", "web")
EARLY = Progress(
    Outcome.NOT_HEALTHY,
    True,
    "HealthCheckFailed: health check failed after 89ms: failed early due to stalled resources: [Deployment/apps/web]",
    WEB,
)


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


class Tried(FakeFlux):
    """Each Kustomization that is asked to tries again; `ends`: what the tries of `name` end with, then it passes."""

    def __init__(self, name: str, *ends: str, **how: Any) -> None:
        self.left = [*ends]
        super().__init__("apps", "tenants", depends={"tenants": "apps"}, **how)
        self.fetch(NEW).apply("apps", NEW).apply("tenants", NEW)
        self.attempt(name)
        self.on_request = lambda: self.attempt(name)

    def attempt(self, name: str) -> None:
        if self.left:
            self.fail(name, NEW, "HealthCheckFailed", self.left.pop(0))
        else:
            self.apply(name, NEW)


WORDS = EARLY.message.removeprefix("HealthCheckFailed: ")


@pytest.mark.parametrize("name", ["apps", "tenants"])
def test_who_failed_early_is_asked_once_more_and_passes(name: str) -> None:
    flux = Tried(name, WORDS)
    assert followed(flux).healthy
    assert flux.asked == [kustomization(name)]


def test_a_second_early_failure_is_the_end() -> None:
    flux = Tried("apps", WORDS, WORDS, WORDS)
    result = followed(flux)
    assert (result.outcome, result.timed_out, flux.asked) == (Outcome.NOT_HEALTHY, False, [APPS])


def test_a_try_that_somebody_asked_for_is_not_the_second_one() -> None:
    flux = Tried("apps", WORDS, WORDS)
    assert followed(flux, again=True).healthy
    assert flux.asked.count(APPS) == 2


def test_one_look_takes_an_early_failure_for_what_it_is() -> None:
    flux = Tried("apps", WORDS)
    assert followed(flux, wait=False).outcome is Outcome.NOT_HEALTHY
    assert flux.asked == []


def test_where_nobody_may_ask_it_is_final_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    flux = Tried("apps", WORDS)

    def refuse(ref: Ref, **_annotations: str) -> None:
        raise KubeRefusedError(f"{ref} is forbidden (403)")

    monkeypatch.setattr(flux.cluster, "annotate", refuse)
    result = followed(flux)
    assert (result.outcome, result.timed_out) == (Outcome.NOT_HEALTHY, False)
