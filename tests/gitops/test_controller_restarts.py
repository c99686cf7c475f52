"""The rollback controller when things fail around it: it loses nothing, repeats nothing, and goes on."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from raibid.kube.errors import KubeUnavailableError

from tests.gitops.controlled import BAD, DB, GOOD, REPOSITORY, WEB, Controlled, rounds
from tests.gitops.git_host import GitHost


class KilledError(BaseException):
    """As SIGKILL: nothing after it runs."""


@pytest.fixture
def world(tmp_path: Path) -> Iterator[Controlled]:
    with GitHost(tmp_path / "repositories") as host:
        yield Controlled.on(host, tmp_path)


def reverts(world: Controlled) -> list[str]:
    return [
        sha
        for sha in world.host.log(REPOSITORY)
        if "Flux-Rollback: flux-system/web" in world.host.message(REPOSITORY, sha)
    ]


def pushed_and_killed(world: Controlled, monkeypatch: pytest.MonkeyPatch) -> str:
    """The revert is on the branch, and its controller died before it told anybody; the commit that was taken back."""
    bad = world.push(BAD)
    controller = world.controller()

    def killed(*_: object, **__: object) -> None:
        raise KilledError

    monkeypatch.setattr(controller, "_ask_source", killed)
    with pytest.raises(KilledError):
        rounds(controller)
    assert reverts(world) == [world.head()]
    assert (world.forge.issues, world.forge.statuses) == ([], [])
    return bad


def test_a_controller_that_was_killed_after_its_push_is_finished_by_the_next(
    world: Controlled, monkeypatch: pytest.MonkeyPatch
) -> None:
    bad = pushed_and_killed(world, monkeypatch)
    world.flux.sync()
    rounds(world.controller())
    assert reverts(world) == [world.head()]
    assert [bad in issue["body"] for issue in world.forge.issues] == [True]
    assert (world.forge.states(bad)[-1], world.forge.states(world.head())[-1]) == ("failure", "success")
    assert "RollbackSucceeded" in world.events()


def test_the_next_one_finds_the_revert_although_flux_has_not_fetched_it(
    world: Controlled, monkeypatch: pytest.MonkeyPatch
) -> None:
    pushed_and_killed(world, monkeypatch)
    controller = world.controller()
    assert controller.round()
    assert len(world.forge.issues) == 1
    world.flux.sync()
    rounds(controller)
    assert reverts(world) == [world.head()]
    assert world.forge.states(world.head())[-1] == "success"


def test_a_restart_tells_nothing_twice(world: Controlled) -> None:
    world.push(BAD)
    rounds(world.controller())
    events, head = world.events(), world.head()
    text = world.forge.issues[0]["body"]
    rounds(world.controller())
    assert (world.head(), world.events(), len(world.forge.issues)) == (head, events, 1)
    assert world.forge.issues[0]["body"] == text


def test_two_controllers_at_once_take_a_commit_back_once(world: Controlled) -> None:
    world.push(BAD)
    first, second = world.controller(), world.controller()

    def other() -> None:
        world.host.before_push = None
        second.round()

    first.round()  # Flux was asked to try again
    world.host.before_push = other
    rounds(first)
    rounds(second)
    assert len(reverts(world)) == 1
    assert len(world.forge.issues) == 1
    assert world.text() == GOOD


def test_a_commit_that_was_pushed_meanwhile_is_never_lost(world: Controlled) -> None:
    world.push(BAD)
    controller = world.controller()
    controller.round()

    def other() -> None:
        world.host.before_push = None
        world.host.commit(REPOSITORY, {DB: "image: db:7\n"}, "meanwhile")

    world.host.before_push = other
    rounds(controller)
    assert world.text(DB) == "image: db:7\n"


def test_a_fix_that_was_pushed_meanwhile_is_not_taken_back(world: Controlled) -> None:
    world.push(BAD)
    controller = world.controller()
    controller.round()

    def other() -> None:
        world.host.before_push = None
        world.host.commit(REPOSITORY, {WEB: "image: web:2\n"}, "the fix")
        world.flux.sync()

    world.host.before_push = other
    rounds(controller)
    assert (world.text(), reverts(world)) == ("image: web:2\n", [])


def test_a_forge_that_is_away_is_told_later(world: Controlled) -> None:
    world.forge.refuse = ("/issues",)
    bad = world.push(BAD)
    controller = world.controller()
    for _ in range(4):
        controller.round()
    assert (world.text(), world.forge.issues) == (GOOD, [])
    assert "trouble" in world.kinds()
    world.forge.refuse = ()
    world.later(minutes=1)
    rounds(controller)
    assert [bad in issue["body"] for issue in world.forge.issues] == [True]


def test_a_git_host_that_is_away_is_asked_again_and_less_often(world: Controlled) -> None:
    bad = world.push(BAD)
    controller = world.controller()
    controller.round()
    world.host.stop()
    for minute in range(3):
        world.later(minutes=minute / 10)
        assert controller.round()
    assert world.kinds().count("trouble") < 4
    world.host.start()
    world.later(minutes=10)
    rounds(controller)
    assert (world.text(), bad in world.host.log(REPOSITORY)) == (GOOD, True)


def test_a_cluster_that_does_not_answer_is_the_rounds_error(world: Controlled, monkeypatch: pytest.MonkeyPatch) -> None:
    def away(*_: object) -> None:
        raise KubeUnavailableError("list of kustomizations: no answer")

    monkeypatch.setattr(world.cluster, "objects", away)
    with pytest.raises(KubeUnavailableError):
        world.controller().round()


def test_nothing_is_pushed_once_it_is_told_to_end(world: Controlled) -> None:
    bad = world.push(BAD)
    controller = world.controller()
    controller.round()
    controller.git.stop.set()
    assert controller.round()
    assert world.head() == bad
    assert ("trouble", "ended") in [(line.kind, line.message.rpartition(" ")[2]) for line in world.told]


def test_a_repository_that_is_not_on_the_list_is_never_cloned(world: Controlled) -> None:
    bad = world.push(BAD)
    controller = world.controller()
    object.__setattr__(controller.settings.gitops, "hosts", ("gitea.example.org",))
    rounds(controller)
    assert world.head() == bad
    assert "not ours" in world.kinds()
