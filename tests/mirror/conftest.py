"""A source that somebody pushes to, and a Gitea that mirrors it; a test module may have others of these names."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.mirror.gitea_of_git import GiteaOfGit, Upstream

NAME = "acme/anvil"


@pytest.fixture
def upstream(tmp_path: Path) -> Iterator[Upstream]:
    with Upstream(tmp_path / "upstream") as upstream:
        upstream.push("anvil", "one")
        yield upstream


@pytest.fixture
def gitea(tmp_path: Path, upstream: Upstream) -> Iterator[GiteaOfGit]:
    with GiteaOfGit(tmp_path / "gitea") as gitea:
        gitea.mirror(NAME, upstream.url("anvil"))
        yield gitea
