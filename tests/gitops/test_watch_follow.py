"""Following a commit while the cluster changes: what is asked, when it ends, and as what."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from raibid.git.errors import GitError
from raibid.gitops.cluster import Happening
from raibid.gitops.errors import UnmanagedError
from raibid.gitops.objects import Ref
from raibid.gitops.owner.ownership import Claim
from raibid.gitops.settings import GitopsSettings, Timeouts
from raibid.gitops.watch.follow import claim_of, follow
from raibid.gitops.watch.outcome import Outcome, Result, Step
from raibid.kube.errors import KubeRefusedError

from tests.gitops.flux_fake import APPS, FLEET, WEB, FakeFlux, kustomization
from tests.gitops.history import BESIDE, LATER, NEW, OLD, contains

PATIENT = GitopsSettings(timeouts=Timeouts(fetch=60, apply=60, health=60))
HASTY = GitopsSettings(timeouts=Timeouts(fetch=0.05, apply=0.05, health=0.05))


def followed(flux: FakeFlux, sha: str = NEW, *, edit: Ref | None = None, **how: Any) -> Result:
    claims = how.pop("claims", (claim_of(APPS, edit=edit),))
    return follow(flux.cluster, claims, sha, **{"settings": PATIENT, "contains": contains, **how})


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


def test_a_failure_ends_with_the_last_message_and_the_objects_events() -> None:
    flux = FakeFlux()
    event = Happening("Warning", "BuildFailed", "accumulating resources", "2026-11-21T12:00:00Z")
    flux.cluster.tell(APPS, event)
    flux.on_request = lambda: flux.fetch(NEW).fail("apps", NEW, message="no such file")
    result = followed(flux)
    assert (result.outcome, result.message) == (Outcome.FAILING, "BuildFailed: no such file")
    assert result.happenings == (event,)


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

    result = followed(flux, edit=WEB, tell=tell, clock=clock)
    assert result.healthy
    assert result.seconds >= 150


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


def test_a_repository_that_cannot_be_read_is_a_note_and_asked_once() -> None:
    flux, asked = FakeFlux(), []

    def unreadable(ancestor: str, descendant: str) -> bool:
        asked.append((ancestor, descendant))
        raise GitError("no way to the forge")

    flux.on_request = lambda: flux.fetch(NEW).apply("apps", NEW)
    result = followed(flux, contains=unreadable)
    assert result.healthy
    assert len(asked) == 1
    assert any("no way to the forge" in note for note in result.notes)
    assert any("only" in note and OLD in note for note in result.notes)


def test_dependants_are_followed_too() -> None:
    flux = FakeFlux("apps", "tenants", depends={"tenants": "apps"})
    flux.on_request = lambda: flux.fetch(NEW).apply("apps", NEW).fail("tenants", NEW)
    result = followed(flux)
    assert (result.outcome, result.object) == (Outcome.FAILING, kustomization("tenants"))


def test_of_several_appliers_the_result_is_the_one_that_explains_the_others() -> None:
    flux = FakeFlux("infra", "apps", depends={"apps": "infra"})
    flux.on_request = lambda: (
        flux.fetch(NEW).fail("infra", NEW).hold("apps", "dependency 'flux-system/infra' is not ready")
    )
    claims = [claim_of(kustomization(name)) for name in ("apps", "infra")]
    result = followed(flux, claims=claims)
    assert (result.outcome, result.object) == (Outcome.FAILING, kustomization("infra"))
    assert {end.outcome for end in result.ends} == {Outcome.FAILING, Outcome.NOT_ATTEMPTED}


def without_image(flux: FakeFlux) -> FakeFlux:
    """The Deployment's pod waits for an image that nobody has."""
    waiting = {"waiting": {"reason": "ImagePullBackOff", "message": "Back-off pulling image"}}
    for kind, name, owner in (
        ("ReplicaSet", "web-1", ("Deployment", "web")),
        ("Pod", "web-1-x", ("ReplicaSet", "web-1")),
    ):
        reference = {"apiVersion": "apps/v1", "kind": owner[0], "name": owner[1], "controller": True}
        flux.cluster.put(
            {
                "apiVersion": "v1" if kind == "Pod" else "apps/v1",
                "kind": kind,
                "metadata": {"name": name, "namespace": "demo", "ownerReferences": [reference]},
                "status": {"phase": "Pending", "containerStatuses": [{"name": "web", "state": waiting}]},
            }
        )
    return flux.deploy(available=0, status="False", reason="ProgressDeadlineExceeded", message="timed out progressing")


def test_a_workload_that_is_not_healthy_says_it_in_its_pods_words() -> None:
    flux = without_image(FakeFlux())
    flux.on_request = lambda: flux.fetch(NEW).apply("apps", NEW)
    result = followed(flux, edit=WEB)
    assert result.outcome is Outcome.NOT_HEALTHY
    assert "Pod/demo/web-1-x: web: ImagePullBackOff" in result.message


def test_a_failed_health_check_says_it_in_the_words_of_the_pods_it_waited_for() -> None:
    flux = without_image(FakeFlux())
    waited = "timeout waiting for: [Deployment/demo/web status: 'InProgress']"
    flux.on_request = lambda: flux.fetch(NEW).fail("apps", NEW, "HealthCheckFailed", waited)
    result = followed(flux)
    assert (result.outcome, result.object) == (Outcome.NOT_HEALTHY, APPS)
    assert (
        result.message
        == f"HealthCheckFailed: {waited}; Pod/demo/web-1-x: web: ImagePullBackOff: Back-off pulling image"
    )


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
