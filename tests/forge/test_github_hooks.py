"""GitHub's webhooks: one per address, as wanted, whatever was there; the secret goes in and never comes out."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from raibid.forge import github as github_room
from raibid.forge import verify
from raibid.forge.errors import ForgeError, ForgeInvalidError, ForgeNotFoundError, ForgeSilentError
from raibid.forge.github import GithubClient
from raibid.forge.github.hooks import GithubHooks
from raibid.forge.hooks import Ensured, WantedHook
from raibid.model.push_event import PushEvent

from tests.forge.github_fake import FakeGithub
from tests.forge.hook_listener import HookListener

SECRET = "0123456789abcdef-sentinel"
WANTED = WantedHook(url="https://ci.example.test/webhook/github", events=frozenset({"push"}), secret=SECRET)


@dataclass
class World:
    """A GitHub with a repository, and its hooks as we see them."""

    github: FakeGithub
    hooks: GithubHooks
    said: list[Any] = field(default_factory=list)


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with FakeGithub() as github:
        github.repository("acme/anvil").commit({"a": "1"})
        with GithubClient.connect(github.url, github.credentials(tmp_path / "c"), tries=0) as client:
            yield World(github, GithubHooks(client.session))


@pytest.mark.parametrize("place", ["acme/anvil", "acme"])
def test_the_second_time_nothing_is_written(world: World, place: str) -> None:
    assert world.hooks.ensure_hook(place, WANTED) is Ensured.CREATED
    writes = world.github.writes()
    assert world.hooks.ensure_hook(place, WANTED) is Ensured.UNCHANGED
    assert world.github.writes() == writes
    [hook] = world.hooks.list(place)
    assert (hook.url, hook.events, hook.active) == (WANTED.url, WANTED.events, True)


def test_a_hook_that_was_changed_by_hand_is_corrected_and_keeps_its_secret(world: World) -> None:
    world.hooks.ensure_hook("acme/anvil", WANTED)
    [there] = world.github.repositories["acme/anvil"].hooks
    there.active, there.events = False, ["issues"]
    assert world.hooks.ensure_hook("acme/anvil", WANTED) is Ensured.CORRECTED
    assert (there.active, there.events, there.config["secret"]) == (True, ["push"], SECRET)


def test_another_secret_is_set_when_it_is_asked_for(world: World) -> None:
    world.hooks.ensure_hook("acme/anvil", WANTED)
    rotated = WantedHook(url=WANTED.url, events=WANTED.events, secret="another-secret-entirely")
    assert world.hooks.ensure_hook("acme/anvil", rotated, renew=True) is Ensured.CORRECTED
    [there] = world.github.repositories["acme/anvil"].hooks
    assert there.config["secret"] == rotated.secret


def test_a_hook_whose_answer_was_lost_is_not_made_twice(world: World) -> None:
    world.github.loses = lambda asked: asked.startswith("POST")
    with pytest.raises(ForgeSilentError):
        world.hooks.ensure_hook("acme/anvil", WANTED)
    assert world.hooks.ensure_hook("acme/anvil", WANTED) is Ensured.UNCHANGED


@pytest.mark.parametrize("config", [{"secret": ""}, {"insecure_ssl": "1"}, {"insecure_ssl": 1}])
def test_a_hook_that_tells_unsigned_or_to_whoever_answers_is_corrected(world: World, config: dict[str, Any]) -> None:
    world.hooks.ensure_hook("acme/anvil", WANTED)
    [there] = world.github.repositories["acme/anvil"].hooks
    there.config |= config
    assert world.hooks.ensure_hook("acme/anvil", WANTED) is Ensured.CORRECTED
    assert (there.config["secret"], there.config["insecure_ssl"]) == (SECRET, "0")


def test_twins_go_and_the_one_that_stays_has_the_secret(world: World) -> None:
    """GitHub takes a second hook for an address, if its secret or its events are others."""
    for secret, events in (("old", {"push"}), (SECRET, {"push"}), (SECRET, {"issues"})):
        world.hooks.create("acme/anvil", WantedHook(url=WANTED.url, events=frozenset(events), secret=secret))
    assert world.hooks.ensure_hook("acme/anvil", WANTED) is Ensured.CORRECTED
    [there] = world.github.repositories["acme/anvil"].hooks
    assert (there.events, there.config["secret"]) == (["push"], SECRET)


def test_the_very_same_hook_is_not_made_twice(world: World) -> None:
    world.hooks.create("acme/anvil", WANTED)
    with pytest.raises(ForgeInvalidError):
        world.hooks.create("acme/anvil", WANTED)


def test_a_hook_that_is_gone_already_is_deleted(world: World) -> None:
    world.hooks.delete("acme/anvil", 12345)


def test_other_peoples_hooks_are_left_alone(world: World) -> None:
    other = WantedHook(url="https://elsewhere.example.test/", events=frozenset({"issues"}), secret=SECRET)
    world.hooks.create("acme/anvil", other)
    world.hooks.ensure_hook("acme/anvil", WANTED)
    assert {hook.url for hook in world.hooks.list("acme/anvil")} == {other.url, WANTED.url}


def test_whoever_is_no_administrator_finds_nothing(world: World) -> None:
    world.github.organisations["acme"] = {}
    with pytest.raises(ForgeNotFoundError):
        world.hooks.ensure_hook("acme/anvil", WANTED)


@pytest.mark.parametrize("wrong", [{"secret": ""}, {"events": frozenset()}, {"url": "ci"}])
def test_a_hook_that_would_tell_unsigned_or_nobody_cannot_be_wanted(wrong: dict[str, Any]) -> None:
    with pytest.raises(ForgeError):
        WantedHook(**{"url": WANTED.url, "events": WANTED.events, "secret": SECRET, **wrong})


def test_the_secret_is_in_no_repr_and_no_mark() -> None:
    assert SECRET not in f"{WANTED} {WANTED.mark}"


def test_a_delivery_is_signed_with_the_secret_that_was_set(world: World) -> None:
    with HookListener() as listener:
        url = WantedHook(url=listener.url, events=WANTED.events, secret=SECRET)
        world.hooks.ensure_hook("acme", url)
        anvil = world.github.repositories["acme/anvil"]
        before = anvil.branches["main"]
        after = anvil.commit({"b": "1"}, "Two")
        assert world.github.deliver("acme/anvil", "push", world.github.push_payload(
            "acme/anvil", "main", before, after)) == [204]  # fmt: skip
        assert world.github.deliver("acme/anvil", "issues", {}) == []
        [(headers, body)] = listener.told
    assert verify(body, headers, (SECRET.encode(),))
    event = github_room.parse(headers, body)
    assert isinstance(event, PushEvent)
    assert (event.after, event.changed, event.message) == (after, ("b",), "Two")
