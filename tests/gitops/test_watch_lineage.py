"""Reverts as a real repository tells them, cloned no deeper than that needs."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from raibid.git.cli import Git
from raibid.gitops.owner.ownership import Place
from raibid.gitops.settings import GitopsSettings
from raibid.gitops.watch.lineage import Lineage

from tests.gitops.git_host import GitHost

FLEET = "raibid/fleet"


@pytest.fixture
def host(tmp_path: Path) -> Iterator[GitHost]:
    with GitHost(tmp_path / "repositories") as host:
        host.repository(FLEET, {"web.yaml": "replicas: 1\n"})
        yield host


@pytest.fixture
def lineage(host: GitHost, tmp_path: Path) -> Iterator[Lineage]:
    place = Place(repository=host.clone_url(FLEET), branch="main", path=".")
    git = Git(credentials=host.credentials(tmp_path / "credentials"))
    with Lineage(place, GitopsSettings(hosts=("127.0.0.1",)), git) as lineage:
        yield lineage


def revert(host: GitHost, sha: str, replicas: int) -> str:
    message = f'Revert "x \x1f \x1e"\n\nThis reverts commit {sha}.\n'
    return host.commit(FLEET, {"web.yaml": f"replicas: {replicas}\n"}, message)


def test_a_revert_is_found_in_the_past_that_was_not_cloned_at_first(host: GitHost, lineage: Lineage) -> None:
    bad = host.commit(FLEET, {"web.yaml": "replicas: 2\n"})
    by = revert(host, bad, 1)
    newest = [host.commit(FLEET, {"other.yaml": str(number)}) for number in range(3)][-1]
    assert [found.sha for found in lineage.reverts(bad, newest)] == [by]
    assert lineage.reverts(by, newest) == []


def test_up_to_a_revision_before_the_revert_there_is_none(host: GitHost, lineage: Lineage) -> None:
    bad = host.commit(FLEET, {"web.yaml": "replicas: 2\n"})
    later = host.commit(FLEET, {"other.yaml": "1"})
    revert(host, bad, 1)
    assert lineage.reverts(bad, later) == []


def test_a_commit_of_another_line_is_reverted_by_nobody(host: GitHost, lineage: Lineage) -> None:
    ours = host.commit(FLEET, {"web.yaml": "replicas: 2\n"})
    assert not lineage.reverts("0" * 40, ours)
    assert not lineage.reverts(ours, "0" * 40)


def test_a_clone_that_failed_is_made_again(host: GitHost, lineage: Lineage, monkeypatch: pytest.MonkeyPatch) -> None:
    head = host.head(FLEET)
    with monkeypatch.context() as broken:
        broken.setattr("raibid.gitops.change.checkout.Checkout.reset", _fails)
        with pytest.raises(OSError, match="no room"):
            lineage.newest()
    assert lineage.newest() == head


def _fails(_checkout: object) -> str:
    raise OSError("no room")
