"""Which forge is behind a clone URL, and what the repository is called there."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from raibid.forge.errors import ForgeLoginError
from raibid.forge.gitea.pulls import GiteaPulls
from raibid.forge.github.pulls import GithubPulls
from raibid.gitops.change.forge_at import forge_at, page_of

from tests.gitops.git_host import GitHost
from tests.gitops.pulls_forge import GiteaPullsApi, GithubPullsApi, PullsApi


@pytest.fixture
def host(tmp_path: Path) -> Iterator[GitHost]:
    with GitHost(tmp_path / "host") as running:
        yield running


@pytest.mark.parametrize(("api", "pulls"), [(GiteaPullsApi, GiteaPulls), (GithubPullsApi, GithubPulls)])
def test_a_forge_is_known_by_what_it_answers(
    host: GitHost, tmp_path: Path, api: type[PullsApi], pulls: type[object]
) -> None:
    host.api = api(host)
    with forge_at(host.clone_url("raibid/fleet.of.files"), host.credentials(tmp_path / "credentials")) as forge:
        assert forge is not None
        assert forge.repository == "raibid/fleet.of.files"
        assert isinstance(forge.pulls, pulls)


def test_github_itself_is_known_by_its_name(tmp_path: Path) -> None:
    (tmp_path / "credentials").write_text("https://x:token@github.com\n")
    with forge_at("https://github.com/acme/fleet.git", tmp_path / "credentials") as forge:
        assert forge is not None
        assert (forge.pulls.session.url, forge.repository) == ("https://api.github.com", "acme/fleet")


@pytest.mark.parametrize("path", ["/raibid/fleet", "/fleet", "/"])
def test_what_answers_neither_is_no_forge_that_we_know(host: GitHost, tmp_path: Path, path: str) -> None:
    with forge_at(f"{host.url}{path}", host.credentials(tmp_path / "credentials")) as forge:
        assert forge is None


def test_without_credentials_there_is_nobody_to_ask_as(host: GitHost, tmp_path: Path) -> None:
    with forge_at(host.clone_url("raibid/fleet"), None) as forge:
        assert forge is None
    (tmp_path / "empty").touch()
    with pytest.raises(ForgeLoginError), forge_at(host.clone_url("raibid/fleet"), tmp_path / "empty"):
        pass


def test_the_page_of_a_repository_is_its_url_without_git() -> None:
    assert page_of("https://gitea.dgx.local/sub/raibid/fleet.git/") == "https://gitea.dgx.local/sub/raibid/fleet"
