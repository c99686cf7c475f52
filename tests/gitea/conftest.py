"""A Gitea that answers as the real one does."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.gitea.fake_gitea import FakeGitea


@pytest.fixture
def gitea() -> Iterator[FakeGitea]:
    with FakeGitea() as fake:
        yield fake
