"""Both clients answer every question of the protocol: mypy compares the signatures, this file names the classes."""

from __future__ import annotations

import pytest
from raibid.forge.credentials import Login
from raibid.forge.forge import Forge
from raibid.forge.gitea import GiteaClient
from raibid.forge.github import GithubClient
from raibid.forge.session import Session

SESSION = Session("https://forge.example.test", Login("ci", "x"))
FORGES: list[Forge] = [GiteaClient(SESSION), GithubClient(SESSION)]


@pytest.mark.parametrize("forge", FORGES, ids=["gitea", "github"])
def test_a_client_has_every_method_of_the_protocol(forge: Forge) -> None:
    asked = {name for name in vars(Forge) if not name.startswith("_")}
    assert asked <= set(dir(type(forge)))
