"""The rollback controller on a real fleet: what it takes back, how soon, what it never touches, and when it stops."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from pyrage import x25519

from tests.cluster.figures import Figure
from tests.cluster.gitops.controller import Controller
from tests.cluster.gitops.kubelet import MISSING, SICK
from tests.cluster.gitops.site import PATIENCE, Site
from tests.waiting import until

pytestmark = pytest.mark.timeout(900)

PROMISED = 120.0
"""Seconds within which a bad commit is taken back and everything is healthy again (FR-004)."""
BAD = {
    "web": ("an invalid manifest", "replicas: 1", 'replicas: "two"'),
    "shop": ("a failing health check", "registry.raibid.internal/shop:1", SICK),
    "till": ("an image that nobody has", "registry.raibid.internal/till:1", MISSING),
}
"""Each has an app of its own: a path is taken back once in an hour."""


@pytest.fixture
def stopped(site: Site, tmp_path: Path) -> Iterator[Controller]:
    """A controller that does not run yet."""
    controller = Controller(site, tmp_path / "controller")
    yield controller
    controller.stop()
    site.alerts.target = ""


@pytest.fixture
def controller(stopped: Controller) -> Controller:
    """One that does."""
    return stopped.start()


def file_of(name: str) -> str:
    return f"apps/{name}/deployment.yaml"


def spoil(site: Site, name: str) -> str:
    """A commit that an app does not survive."""
    return site.change(file_of(name), "replicas: 1", 'replicas: "two"', f"Spoil {name}")


def fails(site: Site, name: str, commit: str, reason: str = "") -> None:
    """Return when a stage says that it fails at a commit."""

    def said() -> bool:
        ready, status = site.stages.condition(name), site.stages[name].get("status", {})
        tried = str(status.get("lastAttemptedRevision", "")).endswith(commit) or reason == "ArtifactFailed"
        return tried and ready["status"] == "False" and reason in ("", ready["reason"])

    until(said, f"{name} fails at {commit}", PATIENCE)


def taken_back(site: Site, name: str, bad: str, budget: float = PATIENCE) -> str:
    """Return when a stage is Ready at a commit that takes a bad one back, which is the answer."""

    def revert() -> str:
        site.desk.git("fetch", "--quiet", "origin")
        return site.desk.git("log", "--format=%H", f"--grep=^Reverts: {bad}", "origin/main")

    found = until(revert, f"{bad} is taken back", budget)
    head = site.head
    until(lambda: site.stages.applied(name, head), f"{name} is Ready at {head}", budget)
    return found


def trailers(site: Site, commit: str) -> dict[str, str]:
    """The trailers of a commit, as git reads them."""
    text = site.desk.git("log", "-1", "--format=%(trailers:only,unfold)", commit)
    return dict(line.split(": ", 1) for line in text.splitlines())


@pytest.mark.parametrize("name", BAD)
def test_a_bad_commit_is_taken_back_and_all_is_healthy_in_two_minutes(
    site: Site, controller: Controller, name: str, figure: Figure
) -> None:
    what, old, new = BAD[name]
    good, before = site.well(), site.file(file_of(name))
    began = time.monotonic()
    bad = site.change(file_of(name), old, new)
    revert = taken_back(site, name, bad, PROMISED)
    figure(f"{what}: pushed to healthy again in {time.monotonic() - began:.0f} s")
    assert controller.told("alert", name), "Flux's own alert has come, signed"
    assert site.file(file_of(name)) == before
    found = trailers(site, revert)
    assert (found["Flux-Rollback"], found["Reverts"], found["Known-Good"]) == (f"flux-system/{name}", bad, good)
    until(lambda: controller.status(revert) == "success", "the revert's commit status says so", PATIENCE)
    assert controller.status(bad) == "failure"
    (issue,) = controller.issues(bad)
    assert revert in issue["body"]
    reasons = site.plane.kubectl("-n", "flux-system", "get", "events", "-o", "jsonpath={.items[*].reason}").split()
    assert {"RolledBack", "RollbackSucceeded"} <= set(reasons)


def test_two_failures_in_a_row_stop_it_and_open_an_issue(site: Site, controller: Controller) -> None:
    first = spoil(site, "cafe")
    taken_back(site, "cafe", first)
    second = spoil(site, "cafe")
    issue = until(lambda: controller.issues(second), "an issue says that it stopped", PATIENCE)[0]
    assert issue["title"].startswith("Rollback stopped")
    assert site.head == second
    assert controller.status(second) == "failure"


def test_commits_pushed_meanwhile_are_never_lost(site: Site, controller: Controller) -> None:
    bad = spoil(site, "yard")
    others = [site.push({f"notes/{number}.md": f"{number}\n"}, f"Note {number}") for number in range(4)]
    taken_back(site, "yard", bad)
    for commit in (bad, *others):
        site.desk.git("merge-base", "--is-ancestor", commit, "origin/main")
    assert [site.file(f"notes/{number}.md") for number in range(4)] == ["0", "1", "2", "3"]


def test_one_that_was_killed_after_its_push_completes_the_records_when_it_is_back(
    site: Site, controller: Controller
) -> None:
    bad = spoil(site, "hall")
    until(lambda: controller.told("reverted", "hall"), "the revert is pushed", PATIENCE)
    controller.kill()
    site.fetch()  # as Gitea's hook would: a controller that is dead asks nobody
    revert = taken_back(site, "hall", bad)
    controller.start()
    until(lambda: controller.status(revert) == "success", "the records are complete", PATIENCE)
    assert len(controller.issues(bad)) == 1


def untouched(site: Site, controller: Controller, name: str, head: str) -> str:
    """Why a failing stage is left alone; the branch is as it was."""
    why = until(lambda: controller.told("never", name), f"{name} is left alone", PATIENCE)[-1]
    assert site.head == head
    assert not controller.told("reverted")
    return why


def test_a_lost_age_key_is_no_reason_to_take_anything_back(site: Site, stopped: Controller) -> None:
    site.age_key(str(x25519.Identity.generate()))
    bad = site.push({"infra/token.enc.yaml": site.sealed("another secret")})
    fails(site, "infra", bad, "BuildFailed")
    assert "decrypt" in untouched(site, stopped.start(), "infra", bad)


def test_what_waits_for_a_failing_dependency_is_left_alone(site: Site, stopped: Controller) -> None:
    site.age_key(str(x25519.Identity.generate()))
    bad = site.push({"infra/token.enc.yaml": site.sealed("another secret"), file_of("web"): "a: [\n"})
    fails(site, "infra", bad)
    until(lambda: site.stages.condition("web").get("reason") == "DependencyNotReady", "web waits", PATIENCE)
    assert "DependencyNotReady" in untouched(site, stopped.start(), "web", bad)


def test_artifacts_that_cannot_be_fetched_are_no_reason(site: Site, stopped: Controller) -> None:
    site.source.lose()
    bad = site.push({file_of("web"): "a: [\n"})
    fails(site, "infra", bad, "ArtifactFailed")
    assert "ArtifactFailed" in untouched(site, stopped.start(), "infra", bad)


def test_what_somebody_suspended_is_left_alone(site: Site, stopped: Controller) -> None:
    bad = spoil(site, "web")
    fails(site, "web", bad)
    site.suspend("web")
    assert "suspended" in untouched(site, stopped.start(), "web", bad)
