"""What `gitea-setup` makes, in a real Gitea: who may report on commits, what else, and which events are told."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest

from components.api import STATUS_LABEL, STATUS_USER
from components.gitea_api import Api, GiteaError
from components.secret_values import deriver
from components.settings import load_stack
from tests.cluster.parts.developer import Developer
from tests.cluster.parts.gitea_server import Gitea
from tests.cluster.tree.emitted import SEED

SETTINGS = load_stack("dgx-spark")
derive = deriver(SEED, SETTINGS.rotation)
NOBODY = "http://127.0.0.1:9/webhook/gitea"
STATUS = {"state": "success", "context": "raibid", "description": "well"}


@pytest.fixture(scope="module")
def gitea(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gitea]:
    with Gitea(tmp_path_factory.mktemp("gitea"), SETTINGS, derive) as server:
        server.set_up(NOBODY)
        yield server


@pytest.fixture(scope="module")
def developer(gitea: Gitea) -> Developer:
    return gitea.developer("dev", owner=True)


@pytest.fixture
def reporter(gitea: Gitea) -> Api:
    return Api(gitea.url, gitea.login(STATUS_USER, STATUS_LABEL), tries=1)


@pytest.fixture(scope="module")
def repository(gitea: Gitea, developer: Developer) -> str:
    """A repository that came after the set-up, with one commit and a pull request."""
    home = f"/repos/{SETTINGS.gitea.organisation}/late"
    new = {"name": "late", "private": True, "auto_init": True, "default_branch": "main"}
    developer.api.call("POST", f"/orgs/{SETTINGS.gitea.organisation}/repos", new)
    change = {"content": "eA==", "message": "x", "branch": "main", "new_branch": "topic"}
    developer.api.call("POST", f"{home}/contents/a.txt", change)
    developer.api.call("POST", f"{home}/pulls", {"title": "x", "head": "topic", "base": "main"})
    return home


def test_a_second_set_up_changes_nothing_however_gitea_orders_its_answers(gitea: Gitea) -> None:
    assert [gitea.set_up(NOBODY) for _ in range(2)] == [[], []]


def test_the_hook_of_builds_tells_of_pushes_and_pull_requests_and_of_nothing_else(gitea: Gitea) -> None:
    (hook,) = gitea.admin.call("GET", f"/orgs/{SETTINGS.gitea.organisation}/hooks")
    assert set(hook["events"]) == {"push", "pull_request", "pull_request_sync", "pull_request_review"}


def test_the_reporter_writes_a_commits_status_and_a_pull_requests_comment(
    gitea: Gitea, reporter: Api, repository: str
) -> None:
    commit = gitea.admin.call("GET", f"{repository}/branches/topic")["commit"]["id"]
    assert reporter.call("POST", f"{repository}/statuses/{commit}", STATUS)["status"] == "success"
    assert reporter.call("POST", f"{repository}/issues/1/comments", {"body": "well"})["body"] == "well"


def test_the_reporter_sees_nothing_of_other_peoples_repositories(
    gitea: Gitea, developer: Developer, reporter: Api
) -> None:
    developer.api.call("POST", "/user/repos", {"name": "mine", "private": True})
    assert reporter.call("GET", "/repos/dev/mine", none=True) is None


def test_gitea_offers_no_less_than_pushing_to_who_reports_so_protection_is_what_keeps_a_branch(
    developer: Developer, reporter: Api, repository: str
) -> None:
    """Code is written or it is not: there is no unit for statuses. A protected branch takes nothing of it."""
    developer.api.call("POST", f"{repository}/branch_protections", {"rule_name": "main", "enable_push": False})
    change = {"content": "eA==", "message": "x", "branch": "main"}
    with pytest.raises(GiteaError, match="HTTP 403"):
        reporter.call("POST", f"{repository}/contents/b.txt", change)
    assert reporter.call("POST", f"{repository}/contents/b.txt", {**change, "branch": "topic"})["commit"]


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("PATCH", "/pulls/1", {"state": "closed"}),
        ("GET", "/hooks", None),
        ("DELETE", "", None),
    ],
    ids=["close", "hooks", "delete"],
)
def test_what_a_report_does_not_need_is_refused(
    reporter: Api, repository: str, method: str, path: str, body: dict[str, str] | None
) -> None:
    with pytest.raises(GiteaError, match=re.compile("HTTP 40[345]")):
        reporter.call(method, f"{repository}{path}", body)
