"""The loop guard's memory is the branch, and no clock that is wrong makes it forget or keeps it from forgetting."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from raibid.gitops.change.checkout import Checkout
from raibid.gitops.change.fence import git_for
from raibid.gitops.rollback.commits import before_change, history
from raibid.gitops.rollback.decide import PAUSE
from raibid.gitops.rollback.past import taken_back
from raibid.gitops.settings import GitopsSettings

from tests.gitops.git_host import GitHost
from tests.gitops.made_history import BEGINNING, Change, History, made, text

FILE = "apps/web/a.yaml"
BACK = "Roll back\n\nFlux-Rollback: flux-system/web\n"
FLEET = "raibid/fleet"
DAY = 86_400
BEHIND = {
    f"GIT_{role}_{key}": value
    for role in ("AUTHOR", "COMMITTER")
    for key, value in (("NAME", "Dev"), ("EMAIL", "dev@example.org"), ("DATE", "2020-01-01T00:00:00Z"))
}


def change(number: int, message: str = "change", seconds: int = 60, *, merged: bool = False) -> Change:
    return Change({FILE: text(f"a: {number}\n")}, message, seconds, merged)


def at(seconds: int) -> datetime:
    return datetime.fromtimestamp(BEGINNING + seconds, UTC)


def remembered(history: History, now: datetime) -> list[str]:
    found = taken_back(history.checkout(), after=now - PAUSE, now=now)
    assert all(taken.about("flux-system/web") for taken in found)
    return [taken.commit.sha for taken in found]


# Seconds after the one before: the first commit, the rollback, and one on top of it.
CLOCKS = {
    "all right": (60, 60, 60),
    "the one above it half a day behind": (60, 60, -DAY // 2),
    "the one above it of 1970": (60, 60, -BEGINNING - 180),
    "its own half a day behind": (60, -DAY // 2, DAY // 2),
    "its own a minute ahead": (60, 120, -60),
}


@pytest.mark.parametrize("clocks", CLOCKS.values(), ids=CLOCKS)
def test_a_rollback_of_the_last_hour_is_found_whatever_the_clocks_said(
    tmp_path: Path, clocks: tuple[int, int, int]
) -> None:
    first, own, above = clocks
    made_up = made(tmp_path / "fleet", [change(1, seconds=first), change(2, BACK, own), change(3, seconds=above)])
    assert remembered(made_up, at(240)) == [made_up.commits[1]]


@pytest.mark.parametrize("ahead", [0, 10 * DAY])
def test_after_an_hour_it_is_over_though_a_clock_below_was_ahead(tmp_path: Path, ahead: int) -> None:
    made_up = made(tmp_path / "fleet", [change(1, seconds=60 + ahead), change(2, BACK, 60 - ahead), change(3)])
    assert remembered(made_up, at(180) + PAUSE) == []


def test_a_rollback_that_a_merge_brought_counts_from_the_merge(tmp_path: Path) -> None:
    made_up = made(tmp_path / "fleet", [change(1), change(2, BACK, merged=True), change(3, seconds=2 * DAY)])
    checkout = made_up.checkout()
    side = checkout.git("rev-parse", f"{made_up.commits[1]}^2").strip()
    assert remembered(made_up, at(180)) == [side]
    assert remembered(made_up, at(2 * DAY + 180)) == []


def test_in_a_shallow_clone_an_old_clock_at_its_edge_ends_no_search(tmp_path: Path) -> None:
    with GitHost(tmp_path / "repositories") as host:
        url = host.repository(FLEET, {FILE: "a: 1\n"})
        back = host.commit(FLEET, {FILE: "a: 2\n"}, BACK)
        host.commit(FLEET, {FILE: "a: 3\n"}, "old clock", who=BEHIND)
        runner = git_for(GitopsSettings(), host.credentials(tmp_path / "credentials"))
        checkout = Checkout.open(url, "main", tmp_path / "clone", runner)
        now = datetime.now(UTC) + timedelta(seconds=5)
        assert [taken.commit.sha for taken in taken_back(checkout, after=now - PAUSE, now=now)] == [back]
        assert before_change(checkout, checkout.head, [FILE]) == back


def test_the_list_since_a_moment_has_what_lies_below_an_old_clock(tmp_path: Path) -> None:
    made_up = made(tmp_path / "fleet", [change(1), change(2), change(3, seconds=-DAY)])
    found = history(made_up.checkout(), moment=at(100), limit=10)
    assert [commit.sha for commit in found] == [made_up.commits[1]]


@pytest.mark.parametrize("count", [1, 499, 500, 501, 1000])
def test_the_commit_before_a_change_is_found_however_far_below(tmp_path: Path, count: int) -> None:
    others = [Change({"README.md": text(str(number))}) for number in range(count)]
    made_up = made(tmp_path / "fleet", [change(1), change(2), *others])
    assert before_change(made_up.checkout(), made_up.commits[-1], [FILE]) == made_up.commits[0]
    assert before_change(made_up.checkout(), made_up.commits[-1], ["README.md"]) == made_up.commits[-2]
    assert before_change(made_up.checkout(), made_up.commits[0], [FILE]) == ""
