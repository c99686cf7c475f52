"""Gitea's answers as they were recorded from the real one: the contract without the server."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.forge.gitea_contract import Questions, Role, Scene
from tests.forge.gitea_mirrors_contract import Mirrors
from tests.forge.gitea_owners_contract import Owners
from tests.forge.recorded_forge import Player, Served

_NAMES: dict[Role, str] = {"admin": "raibid-admin", "reporter": "ci-status", "agent": "ci-agent"}


@pytest.fixture
def scene(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Scene]:
    player = Player(request.node.name)
    with Served(player) as served, contextlib.ExitStack() as stack:

        def credentials(role: Role) -> Path:
            file = tmp_path / role
            file.write_text(f"{served.url.replace('://', f'://{_NAMES[role]}:recorded@')}\n")
            return file

        yield Scene(player, None, credentials, served.url, stack)
        player.finish()


class TestQuestions(Questions):
    """Recorded."""


class TestOwners(Owners):
    """Recorded."""


class TestMirrors(Mirrors):
    """Recorded."""
