"""Following a commit while the cluster changes: what is asked, when it ends, and as what."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from raibid.gitops.errors import UnmanagedError
from raibid.gitops.objects import Manifest, Ref
from raibid.gitops.owner.ownership import Claim
from raibid.gitops.settings import GitopsSettings, Timeouts
from raibid.gitops.watch.follow import claim_of
from raibid.gitops.watch.outcome import Outcome, Step
from raibid.gitops.watch.view import View
from raibid.kube.errors import KubeRefusedError

from tests.gitops.flux_fake import APPS, FLEET, WEB, FakeFlux, followed, kustomization
from tests.gitops.history import BESIDE, LATER, NEW

PATIENT = GitopsSettings(timeouts=Timeouts(fetch=60, apply=60, health=60))
HASTY = GitopsSettings(timeouts=Timeouts(fetch=0.05, apply=0.05, health=0.05))


@contextmanager
def when(condition: Callable[[Step], bool], act: Callable[[], object]) -> Iterator[Callable[[Step], None]]:
    """A `tell` that makes another thread act at the first step that is so: as controllers do, meanwhile."""
    seen = threading.Event()

    def waited() -> None:
        seen.wait(30)
        act()

    actor = threading.Thread(target=waited)
    actor.start()
    yield lambda step: seen.set() if condition(step) else None
    seen.set()
    actor.join()


def at(outcome: Outcome) -> Callable[[Step], bool]:
    return lambda step: step.progress.outcome is outcome


def test_a_commit_is_asked_for_and_followed_to_the_objects_health() -> None:
    flux = FakeFlux()
    flux.on_request = lambda: flux.fetch(NEW).apply("apps", NEW).deploy(generation=2)
    result = followed(flux, edit=WEB)
    assert (result.outcome, result.object, result.timed_out) == (Outcome.HEALTHY, WEB, False)
    assert flux.asked == [FLEET]


def test_each_stage_is_told_as_it_comes() -> None:
    flux = FakeFlux()
    told: list[Step] = []
    with when(at(Outcome.NOT_FETCHED), lambda: flux.fetch(NEW)) as fetch, \
         when(at(Outcome.NOT_ATTEMPTED), lambda: flux.begin("apps", NEW)) as begin, \
         when(at(Outcome.NOT_HEALTHY), lambda: flux.apply("apps", NEW)) as apply:  # fmt: skip

        def tell(step: Step) -> None:
            for told_to in (told.append, fetch, begin, apply):
                told_to(step)

        result = followed(flux, tell=tell)
    outcomes = [step.progress.outcome for step in told]
    assert outcomes == [Outcome.NOT_FETCHED, Outcome.NOT_ATTEMPTED, Outcome.NOT_HEALTHY, Outcome.HEALTHY]
    assert result.steps == tuple(told)
    assert [step.seconds for step in told] == sorted(step.seconds for step in told)


def test_what_was_fetched_already_is_not_asked_for() -> None:
    flux = FakeFlux()
    flux.fetch(NEW)
    flux.apply("apps", NEW)
    assert followed(flux).healthy
    assert flux.asked == []


def test_a_failed_attempt_is_repeated_only_when_asked() -> None:
    flux = FakeFlux()
    flux.fetch(NEW).fail("apps", NEW)
    assert followed(flux).outcome is Outcome.FAILING
    assert flux.asked == []
    # What it says until it has handled the request is about the attempt before.
    with when(at(Outcome.FAILING), lambda: flux.apply("apps", NEW)) as tell:
        assert followed(flux, again=True, tell=tell).healthy
    assert flux.asked == [APPS]


def test_a_repeated_attempt_that_fails_again_is_final() -> None:
    flux = FakeFlux()
    flux.fetch(NEW).fail("apps", NEW)
    with when(at(Outcome.FAILING), lambda: flux.fail("apps", NEW, message="still no such file")) as tell:
        result = followed(flux, again=True, tell=tell)
    assert (result.outcome, result.message, result.timed_out) == (
        Outcome.FAILING, "BuildFailed: still no such file", False,
    )  # fmt: skip


def test_a_refused_request_is_a_note_and_the_interval_does_it(monkeypatch: pytest.MonkeyPatch) -> None:
    flux = FakeFlux()

    def refuse(ref: Ref, **_annotations: str) -> None:
        raise KubeRefusedError(f"{ref}: gitrepositories is forbidden (403)")

    monkeypatch.setattr(flux.cluster, "annotate", refuse)
    with when(at(Outcome.NOT_FETCHED), lambda: flux.fetch(NEW).apply("apps", NEW)) as tell:
        result = followed(flux, tell=tell)
    assert result.healthy
    assert "was not asked to reconcile" in result.notes[0]


@pytest.mark.parametrize(
    ("outcome", "arrange"),
    [
        (Outcome.NOT_FETCHED, lambda flux: None),
        (Outcome.NOT_ATTEMPTED, lambda flux: flux.fetch(NEW)),
        (Outcome.NOT_HEALTHY, lambda flux: flux.fetch(NEW).begin("apps", NEW)),
        (Outcome.NOT_HEALTHY, lambda flux: flux.fetch(NEW).apply("apps", NEW).deploy(available=0)),
    ],
    ids=["fetch", "attempt", "health check", "object"],
)
def test_when_the_time_is_over_the_outcome_is_where_it_stands(outcome: Outcome, arrange: Any) -> None:
    flux = FakeFlux()
    arrange(flux)
    result = followed(flux, settings=HASTY, edit=WEB, timeout=0.3)
    assert (result.outcome, result.timed_out) == (outcome, True)
    assert result.message


def test_the_budget_of_each_object_is_its_own() -> None:
    """All of it together may take longer than any one of them."""
    flux, clock = FakeFlux(), Clock()
    flux.deploy(available=0)
    acts: dict[Outcome, Callable[[], object]] = {
        Outcome.NOT_FETCHED: lambda: flux.fetch(NEW),
        Outcome.NOT_ATTEMPTED: lambda: flux.apply("apps", NEW),
        Outcome.NOT_HEALTHY: lambda: flux.deploy(),
        Outcome.HEALTHY: lambda: None,
    }

    def tell(step: Step) -> None:
        clock.now += 50
        acts[step.progress.outcome]()

    result = followed(flux, edit=WEB, tell=tell, clock=clock, settings=PATIENT)
    assert result.healthy
    assert result.seconds >= 150


def test_the_time_at_an_object_adds_up_when_its_applier_looks_again_in_between() -> None:
    flux, clock = FakeFlux(), Clock()
    flux.fetch(NEW).apply("apps", NEW).deploy(available=0)
    rounds: list[Step] = []

    def tell(step: Step) -> None:
        clock.now += 20
        rounds.append(step)
        if len(rounds) > 20:
            flux.deploy()
        (flux.begin if step.progress.object == WEB else flux.apply)("apps", NEW)

    result = followed(flux, edit=WEB, tell=tell, clock=clock, settings=PATIENT)
    assert result.timed_out
    assert clock.now < 200


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def test_a_rewritten_branch_ends_it_as_soon_as_the_source_has_fetched_again() -> None:
    flux = FakeFlux()
    flux.on_request = lambda: flux.fetch(BESIDE)
    result = followed(flux)
    assert (result.outcome, result.object, result.timed_out) == (Outcome.SUPERSEDED, FLEET, False)


def test_a_later_commit_that_contains_it_counts() -> None:
    flux = FakeFlux()
    flux.on_request = lambda: flux.fetch(LATER).apply("apps", LATER)
    assert followed(flux).healthy


def test_dependants_are_followed_too() -> None:
    flux = FakeFlux("apps", "tenants", depends={"tenants": "apps"})
    flux.on_request = lambda: flux.fetch(NEW).apply("apps", NEW).fail("tenants", NEW)
    result = followed(flux)
    assert (result.outcome, result.object) == (Outcome.FAILING, kustomization("tenants"))


def test_what_looks_final_is_asked_for_again_because_a_watch_may_be_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    flux = FakeFlux("apps", "infra")
    live = flux.cluster.watch

    def watch(group: str, kind: str, namespace: str = "", *, seconds: float) -> Iterator[Manifest]:
        return iter(()) if kind == "Deployment" else live(group, kind, namespace, seconds=seconds)

    monkeypatch.setattr(flux.cluster, "watch", watch)
    monkeypatch.setattr(View, "_again", lambda *_: None)  # which would find out by itself
    flux.fetch(NEW).apply("apps", NEW)

    def tell(step: Step) -> None:
        if step.progress.outcome is Outcome.NOT_ATTEMPTED:
            # The Deployment was seen well, for `apps`; now `infra` changes it, too.
            flux.deploy(available=0, generation=2).apply("infra", NEW)

    claims = [claim_of(kustomization(name), edit=WEB) for name in ("apps", "infra")]
    result = followed(flux, claims=claims, tell=tell, timeout=1)
    assert (result.outcome, result.object) == (Outcome.NOT_HEALTHY, WEB)


def test_one_look_asks_nobody_and_does_not_wait() -> None:
    flux = FakeFlux()
    result = followed(flux, wait=False)
    assert (result.outcome, result.timed_out, flux.asked) == (Outcome.NOT_FETCHED, False, [])


def test_what_nobody_applies_from_git_cannot_be_followed() -> None:
    with pytest.raises(UnmanagedError, match="nothing to follow"):
        followed(FakeFlux(), claims=[Claim(chain=(), edit=WEB, place=None)])


def test_an_interrupt_leaves_nothing_behind() -> None:
    flux = FakeFlux()

    def interrupted(_step: Step) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        followed(flux, tell=interrupted)
    assert [written.ref for written in flux.cluster.written] == [FLEET]
