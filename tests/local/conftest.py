"""Repositories of the user's own."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from raibid.local.git import git

WHO = ("-c", "user.name=Ada", "-c", "user.email=ada@localhost", "-c", "commit.gpgsign=false")


@pytest.fixture
def own_repository(tmp_path: Path) -> Callable[..., Path]:
    """A repository on branch trunk with one commit: a pipeline of one step."""

    def make(run: str, more: str = "") -> Path:
        at = tmp_path / "own"
        at.mkdir()
        (at / ".raibid.yaml").write_text(f"{more}steps:\n  - name: only\n    run: {run}\n")
        git("init", "--quiet", "--initial-branch=trunk", at=at)
        git("add", "--all", at=at)
        git(*WHO, "commit", "--quiet", "-m", "first", at=at)
        return at

    return make
