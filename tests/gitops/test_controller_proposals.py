"""What the rollback controller does not push by itself: it opens a pull request, once, and says so."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.gitops.controlled import BAD, DB, GOOD, REPOSITORY, WEB, Controlled, rounds
from tests.gitops.git_host import GitHost

RELEASE = """\
apiVersion: helm.toolkit.fluxcd.io/v2
kind: HelmRelease
metadata: {name: shop, namespace: flux-system}
spec: {values: {replicas: %d}}
"""
CLAIM = "apiVersion: v1\nkind: PersistentVolumeClaim\nmetadata: {name: data, namespace: web}\n"


@pytest.fixture
def world(tmp_path: Path) -> Iterator[Controlled]:
    with GitHost(tmp_path / "repositories") as host:
        yield Controlled.on(host, tmp_path)


def release_of(status: dict[str, Any]) -> dict[str, Any]:
    labels = {
        "kustomize.toolkit.fluxcd.io/name": "web",
        "kustomize.toolkit.fluxcd.io/namespace": "flux-system",
    }
    return {
        "apiVersion": "helm.toolkit.fluxcd.io/v2",
        "kind": "HelmRelease",
        "metadata": {"name": "shop", "namespace": "flux-system", "labels": labels},
        "spec": {"values": {}},
        "status": status,
    }


def rolled_back_by_helm(world: Controlled) -> str:
    """A values change that Helm took back, while its Kustomization is well; the commit."""
    world.push(RELEASE % 1)
    bad = world.push(RELEASE % 2)
    web = dict(world.cluster.get(world.flux.ref("web")))
    entries = [{"id": "flux-system_shop_helm.toolkit.fluxcd.io_HelmRelease", "v": "v2"}]
    world.cluster.put({**web, "status": {**web["status"], "inventory": {"entries": entries}}})
    conditions = [
        {"type": "Ready", "status": "False", "reason": "RollbackSucceeded", "message": "Helm rollback to v1 succeeded"},
        {"type": "Remediated", "status": "True", "reason": "RollbackSucceeded", "message": "rolled back"},
    ]
    history = [
        {"version": 3, "status": "deployed", "lastDeployed": "2026-11-21T12:00:00Z"},
        {"version": 2, "status": "failed", "lastDeployed": "2026-11-21T11:59:00Z"},
        {"version": 1, "status": "superseded", "lastDeployed": "2025-06-01T09:00:00Z"},
    ]
    world.cluster.put(release_of({"conditions": conditions, "history": history}))
    return bad


def test_a_release_that_helm_rolled_back_gets_a_pull_request(world: Controlled) -> None:
    bad = rolled_back_by_helm(world)
    rounds(world.controller())
    (pull,) = world.forge.pulls
    assert world.head() == bad
    assert world.host.text(REPOSITORY, WEB, pull["head"]["ref"]) == RELEASE % 1
    assert world.events() == ["RollbackProposed"]


def test_a_release_that_is_well_is_not_walked_up_to_its_owner(world: Controlled) -> None:
    world.cluster.put(release_of({"conditions": [{"type": "Ready", "status": "True", "reason": "InstallSucceeded"}]}))
    world.cluster.asked.clear()
    rounds(world.controller())
    assert ("get", "HelmRelease/flux-system/shop") not in world.cluster.asked


def test_a_revert_that_would_delete_a_volume_is_for_a_person(world: Controlled) -> None:
    bad = world.push(f"{BAD}---\n{CLAIM}")
    rounds(world.controller())
    (pull,) = world.forge.pulls
    assert world.head() == bad
    assert "PersistentVolumeClaim web/data" in pull["body"]
    assert pull["html_url"] in world.forge.issues[0]["body"]


def test_the_commits_status_leads_to_the_pull_request(world: Controlled) -> None:
    bad = world.push(f"{BAD}---\n{CLAIM}")
    rounds(world.controller())
    assert [(sha, status["target_url"]) for sha, status in world.forge.statuses] == [
        (bad, world.forge.pulls[0]["html_url"])
    ]


def test_another_controller_finds_the_pull_request_that_is_open(world: Controlled) -> None:
    world.push(f"{BAD}---\n{CLAIM}")
    rounds(world.controller())
    pushes = world.host.pushes
    rounds(world.controller())
    assert (len(world.forge.pulls), len(world.forge.issues), world.host.pushes) == (1, 1, pushes)
    assert world.events() == ["RollbackProposed"]


def closed(world: Controlled) -> list[str]:
    """Somebody closes every pull request; the states that they had."""
    states = [str(pull["state"]) for pull in world.forge.pulls]
    for pull in world.forge.pulls:
        pull["state"] = "closed"
    return states


def test_a_pull_request_that_somebody_closed_is_the_answer_also_after_a_restart(world: Controlled) -> None:
    bad = world.push(f"{BAD}---\n{CLAIM}")
    controller = world.controller()
    rounds(controller)
    assert closed(world) == ["open"]
    pushes = world.host.pushes
    for minutes in (6, 12):
        world.later(minutes=minutes)
        rounds(controller)
    rounds(world.controller())
    assert closed(world) == ["closed"]
    assert (world.host.pushes, world.head(), "declined" in world.kinds()) == (pushes, bad, True)


def test_a_later_commit_elsewhere_does_not_ask_again(world: Controlled) -> None:
    world.push(f"{BAD}---\n{CLAIM}")
    controller = world.controller()
    rounds(controller)
    assert closed(world) == ["open"]
    world.push("image: db:2\n", path=DB)
    rounds(controller)
    assert closed(world) == ["closed"]


def test_the_issue_is_of_the_commit_that_touched_the_path_and_not_of_the_newest(world: Controlled) -> None:
    bad = world.push(f"{BAD}---\n{CLAIM}")
    newest = world.push("image: db:2\n", path=DB)
    rounds(world.controller())
    (issue,) = world.forge.issues
    assert (bad in issue["body"].splitlines()[0], newest in issue["body"].splitlines()[0]) == (True, False)


def test_a_pull_request_that_is_merged_is_followed_like_any_revert(world: Controlled) -> None:
    bad = world.push(f"{BAD}---\n{CLAIM}")
    controller = world.controller()
    rounds(controller)
    pull = world.forge.pulls[0]
    message = world.host.message(REPOSITORY, pull["head"]["ref"])
    world.push(GOOD, message=message)
    rounds(controller)
    assert world.forge.states(world.head())[-1] == "success"
    (issue,) = world.forge.issues
    assert (bad in issue["title"], issue["title"].startswith("Rolled back")) == (False, True)
