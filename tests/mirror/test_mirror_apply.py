"""Whatever happens at whichever call of an apply: another run ends where an undisturbed one does."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from threading import Event
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from raibid.forge.errors import CallError
from raibid.mirror.actions import Kind
from raibid.mirror.apply import Applier
from raibid.mirror.config import MARK
from raibid.mirror.desired import Listing
from raibid.mirror.diff import lines
from raibid.mirror.tokens import Tokens

from tests.mirror.gitea_fake import MODES, FakeGitea, Mode, Trouble
from tests.mirror.stage import World, info, of, public_address, source


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with FakeGitea() as gitea:
        world = World(gitea, tmp_path)
        world.set_up()
        yield world


def undisturbed(directory: Path) -> tuple[dict[str, Any], int]:
    """Where a run without trouble ends, and how many calls it takes."""
    with FakeGitea() as gitea:
        world = World(gitea, directory)
        world.set_up()
        assert not world.run().failed
        return gitea.state(), len(gitea.asked)


@pytest.fixture(scope="module")
def goal(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, Any], int]:
    return undisturbed(tmp_path_factory.mktemp("goal"))


def converges(directory: Path, troubles: tuple[Trouble, ...], end: dict[str, Any]) -> None:
    with FakeGitea() as gitea:
        world = World(gitea, directory)
        world.set_up()
        gitea.troubles = troubles
        for _ in range(len(troubles) + 1):
            with suppress(CallError):  # no plan, nothing done: said, and tried again
                world.run()
            gitea.hours_pass()
        gitea.forget()
        world.run()
        gitea.forget()
        assert not world.plan().to_do
        assert gitea.state() == end
        assert not [one for one in gitea.removed if not one["empty"] or one["mirror_interval"]]
        assert not gitea.writes()


def test_a_run_does_each_kind_of_thing_and_another_has_nothing_to_do(world: World) -> None:
    summary = world.run()
    assert not summary.failed
    done = Counter(str(step.action.kind) for step in world.steps if step.state == "done")
    assert done == {"owner": 1, "create": 2, "adopt": 1, "update": 2, "archive": 2}
    names = set(world.gitea.repositories)
    assert {"mirrors/tool", "acme/new", "acme/archived-gone", "acme/archived-secret", "acme/back", "old/tool"} <= names
    assert world.gitea.repositories["acme/archived-gone"]["mirror_interval"] == "0s"
    again = world.plan()
    assert not again.to_do
    assert {a.kind for a in again.actions} == {Kind.ORPHAN, Kind.CONFLICT}


def test_an_unchanged_organisation_is_planned_without_a_write_and_says_no_changes(world: World) -> None:
    world.run()
    world.gitea.forget()
    *_, last = lines(world.plan())
    assert last.text.startswith("no changes")
    assert world.gitea.asked
    assert not world.gitea.writes()


@pytest.mark.parametrize("mode", MODES)
def test_trouble_at_every_call_in_turn_ends_where_no_trouble_does(
    tmp_path: Path, goal: tuple[dict[str, Any], int], mode: Mode
) -> None:
    end, calls = goal
    for at in range(calls):
        converges(tmp_path, (Trouble(mode, at),), end)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(troubles=st.lists(st.builds(Trouble, st.sampled_from(MODES), st.integers(0, 40)), min_size=2, max_size=5))
def test_several_troubles_end_where_none_does(
    tmp_path: Path, goal: tuple[dict[str, Any], int], troubles: list[Trouble]
) -> None:
    converges(tmp_path, tuple(troubles), goal[0])


def test_one_repository_that_cannot_be_cloned_does_not_stop_the_others_and_leaves_nothing(world: World) -> None:
    world.gitea.sources.remove(source("new"))
    summary = world.run()
    [(target, why)] = summary.failed
    assert (target, "Migration failed" in why) == ("acme/new", True)
    assert "mirrors/tool" in world.gitea.repositories
    assert "acme/new" not in world.gitea.repositories


def test_a_creation_that_gitea_goes_on_with_is_waited_for_and_not_made_twice(world: World) -> None:
    migration = "POST /api/v1/repos/migrate"

    def cut_the_first(asked: str) -> None:
        if asked == migration and world.gitea.asked.count(migration) == 1:
            world.gitea.troubles = (Trouble("later", len(world.gitea.asked) - 1),)

    world.gitea.before = cut_the_first
    assert not world.run(patience=30).failed
    assert world.gitea.asked.count(migration) == 2
    assert not world.plan().to_do


def test_a_creation_under_way_is_left_alone_until_it_is_old(world: World) -> None:
    world.gitea.make("acme/new", source=source("new"), empty=True, mirror_interval="")
    summary = world.run()
    [(target, why)] = summary.failed
    assert (target, "still cloning" in why) == ("acme/new", True)
    assert not world.gitea.removed
    world.gitea.hours_pass()
    assert not world.run().failed
    assert [one["full_name"] for one in world.gitea.removed] == ["acme/new"]


def test_an_unfinished_creation_with_content_is_a_persons_to_decide(world: World) -> None:
    world.gitea.make("acme/new", source=source("new"), empty=False, mirror_interval="")
    world.gitea.hours_pass()
    assert "acme/new" in {action.target for action in world.plan().conflicts}
    world.run()
    assert not world.gitea.removed


def test_what_came_between_plan_and_apply_is_not_touched(world: World) -> None:
    def intrude(asked: str) -> None:
        if asked.endswith("/acme/new") and "acme/new" not in world.gitea.repositories:
            world.gitea.make("acme/new", description="somebody's own")

    world.gitea.before = intrude
    summary = world.run()
    assert [target for target, _ in summary.failed] == ["acme/new"]
    assert world.gitea.repositories["acme/new"]["topics"] == []


def test_nothing_new_begins_once_it_is_told_to_stop_and_another_run_goes_on(world: World) -> None:
    stop = Event()
    with world.client() as client:
        applier = Applier(
            gitea=client, tokens=Tokens(), guard=world.file.guard(public_address), stop=stop, tell=lambda _: stop.set()
        )
        summary = applier.apply(world.plan())
    assert (summary.done, summary.stopped) == (1, "interrupted")
    assert not world.run().failed
    assert not world.plan().to_do


def test_a_gitea_that_is_away_is_not_asked_for_everything(world: World) -> None:
    world.gitea.troubles = tuple(Trouble("cut", at) for at in range(4, 200))
    summary = world.run()
    assert (len(summary.failed), summary.stopped) == (3, "Gitea does not answer")
    assert summary.skipped > 0


def test_a_token_is_sent_in_the_body_and_stands_in_no_url_and_no_message(world: World) -> None:
    world.file = of(b"single: [{github: misc/tool, target: mirrors/tool, token: misc}]")
    (world.directory / "misc").write_text("t0k-sentinel\n")
    world.gitea.token = "another"
    summary = world.run()
    sent = [body for body in world.gitea.bodies if "auth_token" in body]
    assert [body["auth_token"] for body in sent] == ["t0k-sentinel"]
    assert not [asked for asked in world.gitea.asked if "sentinel" in asked]
    assert "sentinel" not in repr((summary, world.steps))


def test_a_token_that_is_not_there_is_told_by_its_name(world: World) -> None:
    world.file = of(b"single: [{github: misc/tool, target: mirrors/tool, token: nowhere}]")
    [(_, why)] = world.run().failed
    assert "token nowhere" in why
    assert not [asked for asked in world.gitea.asked if asked.endswith("/migrate")]


def test_only_what_is_named_is_deleted(world: World) -> None:
    world.run()
    world.run("old/tool", "acme/archived-gone")
    assert {one["full_name"] for one in world.gitea.removed} == {"old/tool", "acme/archived-gone"}
    assert not world.plan().to_do


def test_a_source_that_is_back_gets_its_archived_mirror_back(world: World) -> None:
    world.run()
    before = world.gitea.repositories["acme/archived-gone"]["id"]
    world.listed["acme"] = Listing(repositories=[*world.listed["acme"].repositories, info("acme/gone")])
    world.run()
    assert world.gitea.repositories["acme/gone"]["id"] == before
    assert world.gitea.repositories["acme/gone"]["mirror_interval"] == "1h0m0s"
    assert world.gitea.repositories["acme/gone"]["topics"] == [MARK]


def test_a_gitea_with_small_pages_is_read_to_the_end(world: World) -> None:
    world.gitea.page = 2
    world.run()
    assert not world.plan().to_do
