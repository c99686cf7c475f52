"""The revert on its way into a branch that others push to: over HTTP, from a shallow clone."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from raibid.gitops.change.checkout import Checkout
from raibid.gitops.change.fence import git_for
from raibid.gitops.change.landing import land
from raibid.gitops.errors import RevertError
from raibid.gitops.objects import Ref
from raibid.gitops.rollback.look import look
from raibid.gitops.rollback.revert import revert
from raibid.gitops.settings import GitopsSettings

from tests.gitops.git_host import GitHost

FLEET = "raibid/fleet"
WEB = Ref("kustomize.toolkit.fluxcd.io", "Kustomization", "flux-system", "web")
PATHS = ("apps/web",)


@pytest.fixture
def host(tmp_path: Path) -> Iterator[GitHost]:
    with GitHost(tmp_path / "host") as running:
        running.repository(FLEET, {"apps/web/a.yaml": "a: 1\n", "apps/web/b.yaml": "b: 1\n", "apps/x.yaml": "x: 1\n"})
        yield running


@pytest.fixture
def bad(host: GitHost) -> tuple[str, str]:
    """The good and the bad commit, with more between them than a shallow clone has."""
    good = host.head(FLEET)
    for number in range(3):
        host.commit(FLEET, {"apps/x.yaml": f"x: {number}\n"})
    return good, host.commit(FLEET, {"apps/web/a.yaml": "a: bad\n"})


@pytest.fixture
def checkout(host: GitHost, tmp_path: Path, bad: tuple[str, str]) -> Checkout:
    git = git_for(GitopsSettings(), host.credentials(tmp_path / "credentials"))
    return Checkout.open(host.clone_url(FLEET), "main", tmp_path / "work", git)


def landed(checkout: Checkout, bad: tuple[str, str]) -> str | None:
    found = land(checkout, lambda made: revert(made, PATHS, *bad, about=WEB))
    return found.sha if found else None


def test_a_shallow_clone_is_enough(host: GitHost, checkout: Checkout, bad: tuple[str, str]) -> None:
    assert landed(checkout, bad) == host.head(FLEET)
    assert host.text(FLEET, "apps/web/a.yaml") == "a: 1\n"
    assert host.text(FLEET, "apps/x.yaml") == "x: 2\n"


@pytest.mark.parametrize("path", ["apps/x.yaml", "apps/web/b.yaml"], ids=["other path", "same path"])
def test_a_commit_pushed_meanwhile_is_never_lost(
    host: GitHost, checkout: Checkout, bad: tuple[str, str], path: str
) -> None:
    def once() -> None:
        host.before_push = None
        host.commit(FLEET, {path: "meanwhile: 1\n"}, "meanwhile")

    host.before_push = once
    assert landed(checkout, bad) == host.head(FLEET)
    assert host.text(FLEET, path) == "meanwhile: 1\n"
    assert host.text(FLEET, "apps/web/a.yaml") == "a: 1\n"
    assert len(host.log(FLEET)) == 7


def test_somebody_who_mends_the_same_lines_meanwhile_has_the_last_word(
    host: GitHost, checkout: Checkout, bad: tuple[str, str]
) -> None:
    def once() -> None:
        host.before_push = None
        host.commit(FLEET, {"apps/web/a.yaml": "a: mended\n"}, "mended")

    host.before_push = once
    with pytest.raises(RevertError):
        landed(checkout, bad)
    assert host.text(FLEET, "apps/web/a.yaml") == "a: mended\n"


def test_somebody_who_takes_it_back_meanwhile_is_enough(
    host: GitHost, checkout: Checkout, bad: tuple[str, str]
) -> None:
    def once() -> None:
        host.before_push = None
        host.commit(FLEET, {"apps/web/a.yaml": "a: 1\n"}, "taken back by hand")

    host.before_push = once
    assert landed(checkout, bad) is None


def test_our_own_rollback_is_seen_by_the_next_look_from_a_fresh_shallow_clone(
    host: GitHost, checkout: Checkout, bad: tuple[str, str], tmp_path: Path
) -> None:
    back = landed(checkout, bad)
    assert back
    again = host.commit(FLEET, {"apps/web/a.yaml": "a: bad again\n"})
    fresh = Checkout.open(host.clone_url(FLEET), "main", tmp_path / "fresh", checkout.runner)
    branch = look(fresh, PATHS, back, again, about=WEB, now=datetime.now(UTC) + timedelta(seconds=5))
    assert branch.last_rollback is not None
    assert [suspect.sha for suspect in branch.suspects] == [again]


def test_an_older_rollback_is_fetched_where_the_good_commit_needs_no_more_of_the_past(
    host: GitHost, checkout: Checkout, bad: tuple[str, str], tmp_path: Path
) -> None:
    landed(checkout, bad)
    good = host.commit(FLEET, {"apps/web/b.yaml": "b: 2\n"})
    again = host.commit(FLEET, {"apps/web/a.yaml": "a: bad again\n"})
    fresh = Checkout.open(host.clone_url(FLEET), "main", tmp_path / "fresh", checkout.runner, depth=2)
    branch = look(fresh, PATHS, good, again, about=WEB, now=datetime.now(UTC) + timedelta(seconds=5))
    assert branch.last_rollback is not None


def test_a_forced_branch_is_told_and_nothing_is_pushed(host: GitHost, checkout: Checkout, bad: tuple[str, str]) -> None:
    gone = ("0" * 39 + "1", bad[1])
    with pytest.raises(RevertError, match="not in the history"):
        landed(checkout, gone)
    assert host.head(FLEET) == bad[1]
