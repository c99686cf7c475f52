"""Landing: a commit onto a branch that others push to as well, over real HTTP."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from raibid.git.cli import Ended, Git
from raibid.git.errors import GitError, StoppedError
from raibid.gitops.change.checkout import Checkout
from raibid.gitops.change.fence import git_for
from raibid.gitops.change.landing import land
from raibid.gitops.errors import PushRacedError, PushRefusedError
from raibid.gitops.settings import GitopsSettings

from tests.gitops.git_host import GitHost

FLEET = "raibid/fleet"


@pytest.fixture
def host(tmp_path: Path) -> Iterator[GitHost]:
    with GitHost(tmp_path / "host") as running:
        running.repository(FLEET, {"a.txt": "a\n", "b.txt": "b\n"})
        yield running


@pytest.fixture
def checkout(host: GitHost, tmp_path: Path) -> Checkout:
    git = git_for(GitopsSettings(), host.credentials(tmp_path / "credentials"))
    return Checkout.open(host.clone_url(FLEET), "main", tmp_path / "work", git)


def ours(checkout: Checkout) -> str | None:
    """Adds a line to the file, whatever is in it."""
    text = (checkout.at / "a.txt").read_text()
    if "ours\n" in text:
        return None
    checkout.write({"a.txt": f"{text}ours\n".encode()})
    return checkout.commit("ours\n\nRaibid-By: test\n")


def test_a_shallow_clone_commits_and_pushes(host: GitHost, checkout: Checkout) -> None:
    before = host.head(FLEET)
    landed = land(checkout, ours)
    assert landed is not None
    assert host.log(FLEET) == [landed.sha, before]
    assert host.text(FLEET, "a.txt") == "a\nours\n"


def test_a_push_that_lands_in_between_is_kept_and_ours_is_on_top(host: GitHost, checkout: Checkout) -> None:
    def once() -> None:
        host.before_push = None
        host.commit(FLEET, {"a.txt": "a\ntheirs\n"})

    host.before_push = once
    landed = land(checkout, ours)
    assert landed is not None
    assert host.text(FLEET, "a.txt") == "a\ntheirs\nours\n"
    assert host.log(FLEET)[0] == landed.sha
    assert host.pushes == 2


def test_what_somebody_else_did_meanwhile_is_not_done_twice(host: GitHost, checkout: Checkout) -> None:
    theirs = host.commit(FLEET, {"a.txt": "a\nours\n"})
    assert land(checkout, ours) is None
    assert host.head(FLEET) == theirs


def test_one_who_is_always_late_gives_up_and_says_so(host: GitHost, checkout: Checkout) -> None:
    numbers = iter(range(10))
    host.before_push = lambda: (host.commit(FLEET, {"b.txt": f"{next(numbers)}\n"}), None)[1]
    with pytest.raises(PushRacedError, match="somebody else pushed to main"):
        land(checkout, ours, tries=3)
    assert host.pushes == 3


def test_a_protected_branch_is_no_race(host: GitHost, checkout: Checkout) -> None:
    host.protect(FLEET)
    with pytest.raises(PushRefusedError, match="Not allowed to push to protected branch main"):
        land(checkout, ours)
    assert host.pushes == 1


def test_a_push_whose_answer_is_lost_is_not_made_twice(host: GitHost, checkout: Checkout) -> None:
    host.lose_answer = True
    landed = land(checkout, ours)
    assert landed is not None
    assert host.log(FLEET)[0] == landed.sha
    assert len(host.log(FLEET)) == 2


def test_a_forge_that_is_down_is_an_error_and_no_loop(host: GitHost, checkout: Checkout) -> None:
    host.stop()
    with pytest.raises(GitError, match=r"127\.0\.0\.1"):
        land(checkout, ours)


def test_whoever_ends_us_is_not_kept_waiting_by_a_race(host: GitHost, checkout: Checkout) -> None:
    def race() -> None:
        host.commit(FLEET, {"b.txt": "theirs\n"})
        checkout.runner.stop.set()

    host.before_push = race
    with pytest.raises(StoppedError):
        land(checkout, ours)


def test_what_was_tried_in_the_checkout_before_is_not_part_of_the_commit(host: GitHost, checkout: Checkout) -> None:
    checkout.write({"b.txt": b"tried\n"})
    land(checkout, ours)
    assert host.text(FLEET, "b.txt") == "b\n"


def test_what_is_too_large_for_one_piece_lands_as_well(host: GitHost, checkout: Checkout) -> None:
    def large(there: Checkout) -> str | None:
        there.write({"large.bin": random.Random(7).randbytes(3_000_000)})
        return there.commit("large\n")

    landed = land(checkout, large)
    assert landed is not None
    assert host.head(FLEET) == landed.sha


def test_a_lost_race_fetches_what_was_pushed_since_and_nothing_of_the_past(
    host: GitHost, checkout: Checkout, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(5):
        host.commit(FLEET, {"b.txt": f"{number}\n"})
    checkout.refresh()
    attempt, fetches = Git.attempt, list[tuple[str, ...]]()

    def counted(git: Git, *arguments: str, **how: Any) -> Ended:
        if arguments[0] == "fetch":
            fetches.append(arguments)
        return attempt(git, *arguments, **how)

    def once() -> None:
        host.before_push = None
        host.commit(FLEET, {"b.txt": "theirs\n"})

    monkeypatch.setattr(Git, "attempt", counted)
    host.before_push = once
    assert land(checkout, ours) is not None
    assert len(fetches) == 1
    assert checkout.git("rev-list", "--count", "HEAD").strip() == "3"  # the base, theirs, ours
