"""What the result of a watch tells: which object decided, its last words and events, what could not be known."""

from __future__ import annotations

from raibid.git.errors import GitError
from raibid.gitops.cluster import Happening
from raibid.gitops.watch.follow import claim_of
from raibid.gitops.watch.outcome import Outcome

from tests.gitops.flux_fake import APPS, WEB, FakeFlux, followed, kustomization
from tests.gitops.history import NEW, OLD


def test_a_failure_ends_with_the_last_message_and_the_objects_events() -> None:
    flux = FakeFlux()
    event = Happening("Warning", "BuildFailed", "accumulating resources", "2026-11-21T12:00:00Z")
    flux.cluster.tell(APPS, event)
    flux.on_request = lambda: flux.fetch(NEW).fail("apps", NEW, message="no such file")
    result = followed(flux)
    assert (result.outcome, result.message) == (Outcome.FAILING, "BuildFailed: no such file")
    assert result.happenings == (event,)


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


def test_of_several_appliers_the_result_is_the_one_that_explains_the_others() -> None:
    flux = FakeFlux("infra", "apps", depends={"apps": "infra"})
    flux.on_request = lambda: (
        flux.fetch(NEW).fail("infra", NEW).hold("apps", "dependency 'flux-system/infra' is not ready")
    )
    claims = [claim_of(kustomization(name)) for name in ("apps", "infra")]
    result = followed(flux, claims=claims)
    assert (result.outcome, result.object) == (Outcome.FAILING, kustomization("infra"))
    assert {end.outcome for end in result.ends} == {Outcome.FAILING, Outcome.NOT_ATTEMPTED}


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
