"""Our issues at both forges: one per marker, found again, never a stranger's."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from raibid.forge.gitea.client import GiteaClient
from raibid.forge.gitea.issues import gitea_issues
from raibid.forge.github.client import GithubClient
from raibid.forge.github.issues import github_issues
from raibid.forge.issues import Issues

from tests.gitops.git_host import GitHost
from tests.gitops.issue_forge import GiteaIssueApi, GithubIssueApi

REPOSITORY = "raibid/fleet"
MARKER = "<!-- ours 1 -->"
Made = tuple[Issues, GiteaIssueApi | GithubIssueApi]


@pytest.fixture(params=["gitea", "github"])
def made(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Made]:
    with GitHost(tmp_path / "repositories") as host:
        host.repository(REPOSITORY, {"a": "a\n"})
        credentials = host.credentials(tmp_path / "credentials")
        if request.param == "gitea":
            host.api = forge = GiteaIssueApi(host)
            with GiteaClient.connect(host.url, credentials) as gitea:
                yield gitea_issues(gitea), forge
        else:
            host.api = other = GithubIssueApi(host)
            with GithubClient.connect(f"{host.url}/api/v3", credentials) as github:
                yield github_issues(github), other


def test_an_issue_is_opened_once_and_rewritten(made: Made) -> None:
    issues, forge = made
    first = issues.write(REPOSITORY, MARKER, "broken", "one")
    second = issues.write(REPOSITORY, MARKER, "mended", "two")
    assert first.number == second.number
    assert [(item["title"], item["body"]) for item in forge.issues] == [("mended", f"{MARKER}\ntwo")]


def test_an_unchanged_issue_is_left_alone(made: Made) -> None:
    issues, forge = made
    issues.write(REPOSITORY, MARKER, "broken", "one")
    forge.issues[0]["body"] = forge.issues[0]["body"].replace("\n", "\r\n")  # as a forge may keep it
    issues.write(REPOSITORY, MARKER, "broken", "one")
    assert "\r\n" in forge.issues[0]["body"]


def test_a_closed_issue_is_found_and_stays_closed(made: Made) -> None:
    issues, forge = made
    issues.write(REPOSITORY, MARKER, "broken", "one", closed=True)
    assert [item["state"] for item in forge.issues] == ["closed"]
    issues.write(REPOSITORY, MARKER, "broken", "two")
    assert [item["state"] for item in forge.issues] == ["closed"]


def test_a_strangers_issue_with_our_marker_is_not_ours(made: Made) -> None:
    issues, forge = made
    forge.add("mine", f"{MARKER}\nmine", "mallory")
    issues.write(REPOSITORY, MARKER, "broken", "one")
    assert [item["user"]["login"] for item in forge.issues] == ["mallory", forge.login]


def test_a_pull_request_with_our_marker_is_no_issue(made: Made) -> None:
    issues, forge = made
    forge.add("pull", f"{MARKER}\npull", forge.login, pull_request={"url": "x"})
    assert issues.find(REPOSITORY, MARKER) is None


def test_an_issue_without_a_text_is_read(made: Made) -> None:
    issues, forge = made
    forge.issues.append({"number": 1, "title": "t", "body": None, "state": "open", "user": {"login": forge.login}})
    assert issues.find(REPOSITORY, MARKER) is None
