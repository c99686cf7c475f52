"""Following a commit through Argo CD: what is asked, and that nobody waits for what does not come by itself."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from raibid.gitops.objects import Ref
from raibid.gitops.owner.find import find
from raibid.gitops.settings import GitopsSettings, Timeouts
from raibid.gitops.watch.follow import claim_of, follow
from raibid.gitops.watch.outcome import Outcome, Result, Step
from raibid.gitops.watch.reverts import Revert

from tests.gitops.memory_cluster import MemoryCluster, Written, documents

ARGO = Path(__file__).parent / "argo"
PATIENT = GitopsSettings(timeouts=Timeouts(fetch=60, apply=60, health=60))
OURS = "a" * 40
ABOUT = Ref("argoproj.io", "Application", "argocd", "shop")


def state(name: str) -> dict[str, Any]:
    (application,) = documents(ARGO / "progress" / f"{name}.yaml")
    return application


def followed(*states: str) -> tuple[Result, MemoryCluster, list[Step]]:
    """Argo CD goes on to the next state whenever somebody has seen the one before."""
    coming = iter(states)
    cluster = MemoryCluster.of(state(next(coming)))
    told: list[Step] = []

    def goes_on(*_: object) -> None:
        if name := next(coming, ""):
            cluster.put(state(name))

    def tell(step: Step) -> None:
        told.append(step)
        if len(told) > 1:
            goes_on()

    cluster.react = goes_on
    contains = lambda ancestor, descendant: (ancestor, descendant) == ("b" * 40, OURS)  # noqa: E731
    pushed = datetime(2026, 11, 21, 10, tzinfo=UTC)
    claims = (claim_of(ABOUT),)
    result = follow(cluster, claims, OURS, settings=PATIENT, tell=tell, contains=contains, pushed_at=pushed)
    return result, cluster, told


def test_an_application_is_asked_to_refresh_and_followed_to_its_health() -> None:
    result, cluster, _ = followed("not-compared-since-the-push", "sync-waits-for-a-hook", "synced-and-healthy")
    assert (result.outcome, result.timed_out) == (Outcome.HEALTHY, False)
    assert cluster.written == [Written("annotate", ABOUT, {})]
    assert cluster.written[0].body == {"argocd.argoproj.io/refresh": "normal"}


def test_a_commit_that_was_reverted_in_what_is_synced_is_superseded() -> None:
    cluster = MemoryCluster.of(state("synced-and-healthy"))
    found = [Revert(OURS, frozenset({"argocd/shop"}))]
    claims = (claim_of(ABOUT),)
    result = follow(
        cluster, claims, "b" * 40, settings=PATIENT, contains=lambda *pair: pair == ("b" * 40, OURS),
        reverts=lambda *_: found, wait=False,
    )  # fmt: skip
    assert (result.outcome, result.message) == (Outcome.SUPERSEDED, f"it is reverted by {OURS}")


def test_without_automated_sync_nobody_waits() -> None:
    result, _, _ = followed("not-compared-since-the-push", "out-of-sync-without-automated-sync")
    assert (result.outcome, result.timed_out) == (Outcome.AWAITING_SYNC, False)
    assert "Deployment/web" in result.message


def test_a_failed_sync_ends_with_what_the_object_says() -> None:
    result, _, _ = followed("not-compared-since-the-push", "sync-is-tried-again", "sync-failed")
    assert (result.outcome, result.timed_out) == (Outcome.FAILING, False)
    assert "field is immutable" in result.message


def test_a_chart_is_followed_through_the_application_that_the_commit_brings() -> None:
    cluster = MemoryCluster.of(*documents(ARGO / "owner" / "application-of-applications.yaml"))
    claim = find(cluster, Ref("apps", "StatefulSet", "redis", "redis")).claim
    assert claim is not None
    root = Ref("argoproj.io", "Application", "argocd", "root")
    healthy = {**dict(cluster.get(root))["status"], "health": {"status": "Healthy"}}
    cluster.put({**cluster.get(root), "status": healthy})
    result = follow(cluster, (claim,), "4" * 40, settings=PATIENT, wait=False)
    assert (result.outcome, result.object) == (Outcome.NOT_ATTEMPTED, replace(root, name="redis"))
    assert "not compared" in result.message
