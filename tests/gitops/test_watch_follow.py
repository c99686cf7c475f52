"""Following a commit while the cluster changes: what is asked, when it ends, and as what."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from raibid.git.errors import GitError
from raibid.gitops.cluster import Happening
from raibid.gitops.errors import GitopsError
from raibid.gitops.objects import Ref
from raibid.gitops.owner.ownership import Claim
from raibid.gitops.settings import GitopsSettings, Timeouts
from raibid.gitops.watch.follow import claim_of, follow
from raibid.gitops.watch.outcome import Outcome, Result, Step

from tests.gitops.flux_fake import APPS, FLEET, WEB, FakeFlux, kustomization
from tests.gitops.history import BESIDE, LATER, NEW, OLD, contains

PATIENT = GitopsSettings(timeouts=Timeouts(fetch=60, apply=60, health=60))
HASTY = GitopsSettings(timeouts=Timeouts(fetch=0.05, apply=0.05, health=0.05))


def followed(flux: FakeFlux, sha: str = NEW, *, edit: Ref | None = None, **how: Any) -> Result:
    claims = how.pop("claims", (claim_of(APPS, edit=edit),))
    return follow(flux.cluster, claims, sha, **{"settings": PATIENT, "contains": contains, **how})


@contextmanager
def when(condition: Callable[[Step], bool], act: Callable[[], None]) -> Iterator[Callable[[Step], None]]:
    """A `tell` that makes another thread act at the first step that is so: as controllers do, meanwhile."""
    seen = threading.Event()
    actor = threading.Thread(target=lambda: (seen.wait(30), act()))
    actor.start()
    yield lambda step: seen.set() if condition(step) else None
    seen.set()
    actor.join()


def at(outcome: Outcome) -> Callable[[Step], bool]:
    return lambda step: step.progress.outcome is outcome


def test_a_commit_is_asked_for_and_followed_to_the_objects_health() -> None:
    flux = FakeFlux()
    flux.on_request = lambda: (flux.fetch(NEW), flux.apply("apps", NEW), flux.deploy(generation=2))
    result = followed(flux, edit=WEB)
    assert (result.outcome, result.object, result.timed_out) == (Outcome.HEALTHY, WEB, False)
    assert flux.asked == [FLEET]


def test_each_stage_is_told_as_it_comes() -> None:
    flux = FakeFlux()
    told: list[Step] = []
    with when(at(Outcome.NOT_FETCHED), lambda: flux.fetch(NEW)) as fetch, \
         when(at(Outcome.NOT_ATTEMPTED), lambda: flux.begin("apps", NEW)) as begin, \
         when(at(Outcome.NOT_HEALTHY), lambda: flux.apply("apps", NEW)) as apply:  # fmt: skip
        result = followed(flux, tell=lambda step: [told.append(step), fetch(step), begin(step), apply(step)])
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
    flux.fetch(NEW)
    flux.fail("apps", NEW)
    assert followed(flux).outcome is Outcome.FAILING
    flux.on_request = lambda: flux.apply("apps", NEW)
    assert followed(flux, again=True).healthy
    assert flux.asked == [APPS]


def test_a_failure_ends_with_the_last_message_and_the_objects_events() -> None:
    flux = FakeFlux()
    event = Happening("Warning", "BuildFailed", "accumulating resources", "2026-11-21T12:00:00Z")
    flux.cluster.tell(APPS, event)
    flux.on_request = lambda: (flux.fetch(NEW), flux.fail("apps", NEW, message="no such file"))
    result = followed(flux)
    assert (result.outcome, result.message) == (Outcome.FAILING, "BuildFailed: no such file")
    assert result.happenings == (event,)


def test_a_refused_request_is_a_note_and_the_interval_does_it() -> None:
    flux = FakeFlux()

    class Deaf(type(flux.cluster)):  # type: ignore[misc]
        def annotate(self, ref: Ref, **_annotations: str) -> None:
            self._allowed(str(ref), "Refused")

    deaf = Deaf(refuse=frozenset({"Refused"}), _objects=flux.cluster._objects, _kinds=flux.cluster._kinds,
                _log=flux.cluster._log, _changed=flux.cluster._changed)  # fmt: skip
    flux.cluster = deaf
    with when(at(Outcome.NOT_FETCHED), lambda: (flux.fetch(NEW), flux.apply("apps", NEW))) as tell:
        result = followed(flux, tell=tell)
    assert result.healthy
    assert "was not asked to reconcile" in result.notes[0]


@pytest.mark.parametrize(
    ("outcome", "arrange"),
    [
        (Outcome.NOT_FETCHED, lambda flux: None),
        (Outcome.NOT_ATTEMPTED, lambda flux: flux.fetch(NEW)),
        (Outcome.NOT_HEALTHY, lambda flux: (flux.fetch(NEW), flux.begin("apps", NEW))),
        (Outcome.NOT_HEALTHY, lambda flux: (flux.fetch(NEW), flux.apply("apps", NEW), flux.deploy(available=0))),
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

    def tell(step: Step) -> None:
        clock.now += 50
        {Outcome.NOT_FETCHED: lambda: flux.fetch(NEW), Outcome.NOT_ATTEMPTED: lambda: flux.apply("apps", NEW)}.get(
            step.progress.outcome, lambda: None
        )()
        if step.progress.outcome is Outcome.NOT_HEALTHY:
            flux.deploy()

    flux.deploy(available=0)
    result = followed(flux, edit=WEB, tell=tell, clock=clock)
    assert result.healthy
    assert result.seconds >= 150


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def test_an_expected_time_from_the_source_is_not_waited_for_when_it_is_superseded() -> None:
    flux = FakeFlux()
    flux.on_request = lambda: flux.fetch(BESIDE)
    result = followed(flux)
    assert (result.outcome, result.object, result.timed_out) == (Outcome.SUPERSEDED, FLEET, False)


def test_a_later_commit_that_contains_it_counts() -> None:
    flux = FakeFlux()
    flux.on_request = lambda: (flux.fetch(LATER), flux.apply("apps", LATER))
    assert followed(flux).healthy


def test_a_repository_that_cannot_be_read_is_a_note_and_asked_once() -> None:
    flux, asked = FakeFlux(), []

    def unreadable(ancestor: str, descendant: str) -> bool:
        asked.append((ancestor, descendant))
        raise GitError("no way to the forge")

    flux.on_request = lambda: (flux.fetch(NEW), flux.apply("apps", NEW))
    result = followed(flux, contains=unreadable)
    assert result.healthy
    assert len(asked) == 1
    assert any("no way to the forge" in note for note in result.notes)
    assert any("only" in note and OLD in note for note in result.notes)


def test_dependants_are_followed_too() -> None:
    flux = FakeFlux("apps", "tenants", depends={"tenants": "apps"})
    flux.on_request = lambda: (flux.fetch(NEW), flux.apply("apps", NEW), flux.fail("tenants", NEW))
    result = followed(flux)
    assert (result.outcome, result.object) == (Outcome.FAILING, kustomization("tenants"))


def test_of_several_appliers_the_result_is_the_one_that_explains_the_others() -> None:
    flux = FakeFlux("infra", "apps", depends={"apps": "infra"})
    flux.on_request = lambda: (
        flux.fetch(NEW), flux.fail("infra", NEW), flux.hold("apps", "dependency 'flux-system/infra' is not ready"),
    )  # fmt: skip
    claims = [claim_of(kustomization(name)) for name in ("apps", "infra")]
    result = followed(flux, claims=claims)
    assert (result.outcome, result.object) == (Outcome.FAILING, kustomization("infra"))
    assert {end.outcome for end in result.ends} == {Outcome.FAILING, Outcome.NOT_ATTEMPTED}


def test_a_workload_that_is_not_healthy_says_it_in_its_pods_words() -> None:
    flux = FakeFlux()
    flux.deploy(available=0, status="False", reason="ProgressDeadlineExceeded", message="timed out progressing")
    for name, owner, kind, group in (
        ("web-1", "web", "Deployment", "apps"),
        ("web-1-x", "web-1", "ReplicaSet", "apps"),
    ):
        waiting = {"waiting": {"reason": "ImagePullBackOff", "message": "Back-off pulling image"}}
        flux.cluster.put({
            "apiVersion": "apps/v1" if kind == "Deployment" else "v1",
            "kind": "ReplicaSet" if kind == "Deployment" else "Pod",
            "metadata": {"name": name, "namespace": "demo", "ownerReferences": [
                {"apiVersion": f"{group}/v1", "kind": kind, "name": owner, "controller": True}]},
            "status": {"phase": "Pending", "containerStatuses": [{"name": "web", "state": waiting}]},
        })  # fmt: skip
    flux.on_request = lambda: (flux.fetch(NEW), flux.apply("apps", NEW))
    result = followed(flux, edit=WEB)
    assert result.outcome is Outcome.NOT_HEALTHY
    assert "Pod/demo/web-1-x: web: ImagePullBackOff" in result.message


def test_one_look_asks_nobody_and_does_not_wait() -> None:
    flux = FakeFlux()
    result = followed(flux, wait=False)
    assert (result.outcome, result.timed_out, flux.asked) == (Outcome.NOT_FETCHED, False, [])


def test_what_nobody_applies_from_git_cannot_be_followed() -> None:
    with pytest.raises(GitopsError, match="nothing to follow"):
        followed(FakeFlux(), claims=[Claim(chain=(), edit=WEB, place=None)])


def test_an_interrupt_leaves_nothing_behind() -> None:
    flux = FakeFlux()

    def interrupted(_step: Step) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        followed(flux, tell=interrupted)
    assert [written.ref for written in flux.cluster.written] == [FLEET]
