"""Gitea by the stack's own settings and set-up: what its users may do, whom it tells of a push."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import requests

from components import agents, api
from components.gitea_api import GiteaError
from tests.cluster.parts.developer import Developer, GitError
from tests.cluster.pools.line import Line
from tests.cluster.tree.emitted import seal
from tests.waiting import until

README = {"README.md": "# anvil\n"}


@pytest.fixture(scope="module")
def line(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Line]:
    with Line(tmp_path_factory.mktemp("gitea"), seal("dgx-spark")) as line:
        yield line


@pytest.fixture(scope="module")
def owner(line: Line) -> Developer:
    return line.gitea.developer("ada", owner=True)


def test_a_push_becomes_one_job_by_the_organisations_signed_hook(line: Line, owner: Developer) -> None:
    anvil = owner.create("raibid/anvil")
    sha = anvil.commit(README, "The first one")
    anvil.push()
    ledger = line.ledger()
    jobs = until(lambda: [job for job in ledger.records.page().jobs if job.spec.sha == sha], "the push is a job")
    ledger.close()
    (job,) = jobs
    assert (job.spec.repo, job.spec.author, job.spec.clone_url) == (
        "raibid/anvil",
        "ada",
        f"{line.gitea.url}/raibid/anvil.git",
    )


def test_an_unsigned_delivery_is_refused_by_the_same_api(line: Line) -> None:
    answer = requests.post(f"{line.url}/webhook/gitea", json={}, headers={"X-Gitea-Event": "push"}, timeout=10)
    assert answer.status_code == 401


def test_agents_clone_every_repository_and_push_to_none(line: Line, owner: Developer) -> None:
    hinge = owner.create("raibid/hinge")
    hinge.commit(README, "The first one")
    hinge.push()
    agent = line.gitea.as_user(agents.GIT_USER, agents.GIT_LABEL)
    clone = agent.checkout("raibid/hinge")
    assert (clone.directory / "README.md").exists()
    clone.commit({"mine": "\n"}, "Not allowed")
    with pytest.raises(GitError, match=r"403|not allowed|denied|permission"):
        clone.push()


def test_whoever_reports_statuses_of_all_repositories_does_not_push_to_the_fleets_branch(line: Line) -> None:
    reporter = line.gitea.as_user(api.STATUS_USER, api.STATUS_LABEL)
    fleet = reporter.checkout("raibid/fleet")
    fleet.commit({"mine": "\n"}, "Not allowed")
    with pytest.raises(GitError, match="protected branch"):
        fleet.push()


def test_only_the_administrator_and_owners_merge_into_the_fleets_branch(line: Line, owner: Developer) -> None:
    fleet, admin = "raibid/fleet", line.gitea.as_user(line.gitea.admin.login.name, "gitea/admin")
    first = admin.checkout(fleet)
    first.commit(README, "The first one")
    first.git("push", "--quiet", "origin", "main")
    reporter = line.gitea.as_user(api.STATUS_USER, api.STATUS_LABEL)
    theirs = reporter.checkout(fleet)
    theirs.commit({"mine.yaml": "\n"}, "Through the back door", branch="mine")
    theirs.push("mine")
    pull = f"/repos/{fleet}/pulls/{reporter.pull_request(fleet, 'mine', 'Mine')}"
    until(lambda: owner.api.call("GET", pull)["mergeable"], "Gitea has tried the merge")
    for also in ({}, {"force_merge": True}, {"merge_when_checks_succeed": True}):
        with pytest.raises(GiteaError, match="HTTP 405: User not allowed to merge PR"):
            reporter.api.call("POST", f"{pull}/merge", {"Do": "merge", **also})
    owner.api.call("POST", f"{pull}/merge", {"Do": "merge"})
    assert owner.api.call("GET", f"/repos/{fleet}/contents/mine.yaml?ref=main")["name"] == "mine.yaml"


def test_a_real_gitea_has_a_loosened_protection_tightened(line: Line) -> None:
    rule = "/repos/raibid/fleet/branch_protections/main"
    line.gitea.admin.call("PATCH", rule, {"enable_merge_whitelist": False, "merge_whitelist_teams": []})
    assert line.gitea.set_up(f"{line.url}/webhook/gitea") == ["protection of main"]
    assert line.gitea.set_up(f"{line.url}/webhook/gitea") == []
    assert line.gitea.admin.call("GET", rule)["merge_whitelist_teams"] == ["Owners"]
