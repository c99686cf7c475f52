"""What happens between a controller's look and its push, and around it: nobody's work is taken back for it."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from raibid.gitops.change.checkout import Checkout
from raibid.gitops.rollback.controller import Controller
from raibid.gitops.rollback.memory import Place

from tests.gitops.controlled import BAD, DB, GOOD, REPOSITORY, WEB, Controlled, rounds
from tests.gitops.git_host import GitHost, git

SHARED = "apps/base/shared.yaml"


@pytest.fixture
def world(tmp_path: Path) -> Iterator[Controlled]:
    with GitHost(tmp_path / "repositories") as host:
        yield Controlled.on(host, tmp_path)


def while_it_clones(monkeypatch: pytest.MonkeyPatch, controller: Controller, do: Callable[[], None]) -> None:
    clone = controller._checkout

    @contextmanager
    def slow(place: Place) -> Iterator[Checkout]:
        with clone(place) as checkout:
            do()
            yield checkout

    monkeypatch.setattr(controller, "_checkout", slow)


def test_what_is_suspended_while_the_controller_clones_is_left_alone(
    world: Controlled, monkeypatch: pytest.MonkeyPatch
) -> None:
    bad = world.push(BAD)
    controller = world.controller()
    controller.round()
    while_it_clones(monkeypatch, controller, lambda: world.flux.suspend("web"))
    for _ in range(3):
        controller.round()
    assert world.head() == bad


def test_what_comes_up_while_the_controller_clones_is_left_alone(
    world: Controlled, monkeypatch: pytest.MonkeyPatch
) -> None:
    bad = world.push(BAD)
    controller = world.controller()
    controller.round()

    def well() -> None:
        world.flux.judge = lambda _: ("", "")
        world.flux.sync()

    while_it_clones(monkeypatch, controller, well)
    rounds(controller)
    assert world.head() == bad


def test_a_commit_on_top_of_what_failed_already_is_innocent(world: Controlled) -> None:
    controller = world.controller()
    world.flux.judge = lambda text: ("BuildFailed", "something broke") if "web" in text else ("", "")
    world.flux.sync()
    rounds(controller)
    innocent = world.push("image: web:2\n")
    rounds(controller)
    assert world.head() == innocent
    assert any("fails at the commit that passed" in line.message for line in world.told)


def test_what_failed_and_was_well_again_makes_no_commit_innocent(world: Controlled) -> None:
    controller, judge = world.controller(), world.flux.judge
    world.flux.judge = lambda _: ("BuildFailed", "something broke")
    world.flux.sync()
    rounds(controller)
    world.flux.judge = judge
    world.flux.sync()
    rounds(controller)
    world.push(BAD)
    rounds(controller)
    assert world.text() == GOOD


def test_a_merged_rollback_that_does_not_help_stops_it_however_old_its_commit(world: Controlled) -> None:
    world.push(BAD)
    world.host.protect(REPOSITORY)
    controller = world.controller()
    rounds(controller)
    (pull,) = world.forge.pulls
    world.flux.judge = lambda text: ("HealthCheckFailed", "still not well") if "db" not in text else ("", "")
    merge(world, pull["head"]["ref"])
    world.later(minutes=125)
    rounds(controller)
    assert "stopped" in world.kinds()
    assert [issue["title"].partition(":")[0] for issue in world.forge.issues][-1] == "Rollback stopped"
    assert world.text() == GOOD


def merge(world: Controlled, branch: str) -> str:
    """Merge a pull request with a commit and a message of the forge's own, two hours after it was made; Flux tries."""
    bare, main = world.host.bare(REPOSITORY), "refs/heads/main"
    who = {
        f"GIT_{role}_{what}": f"ada@{what.lower()}" for role in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")
    }
    later = {"GIT_COMMITTER_DATE": f"{int(time.time()) + 7200} +0000"}
    parents = ("-p", main, "-p", f"refs/heads/{branch}")
    said = ("-m", f"Merge pull request 'Roll back' from {branch}")
    made = git(
        bare, "commit-tree", f"refs/heads/{branch}^{{tree}}", *parents, *said, env={**os.environ, **who, **later}
    )
    git(bare, "update-ref", main, made)
    world.flux.sync()
    return made


def test_two_that_share_a_base_are_both_taken_back(world: Controlled) -> None:
    kustomization = "resources: [../base/shared.yaml, %s.yaml]\n"
    files = {f"apps/{name}/kustomization.yaml": kustomization % name for name in ("web", "db")}
    world.host.commit(REPOSITORY, {**files, SHARED: "a: 1\n"}, "a base")
    world.flux.sync()
    world.host.commit(REPOSITORY, {SHARED: "a: 2\n", WEB: BAD, DB: BAD}, "all at once")
    world.flux.sync()
    rounds(world.controller(), most=12)
    assert (world.text(SHARED), world.text(WEB), world.text(DB)) == ("a: 1\n", GOOD, "image: db:1\n")
