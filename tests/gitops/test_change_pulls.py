"""Push or pull request: by policy, by what the branch takes, and one pull request for the same change."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from raibid.forge.errors import CallError, ForgeUnavailableError
from raibid.gitops.change.checkout import Checkout
from raibid.gitops.change.fence import git_for
from raibid.gitops.change.landing import Landed
from raibid.gitops.change.policy import deliver
from raibid.gitops.change.pull_request import Proposal, branch_for, text
from raibid.gitops.errors import NotAllowedError, PushRefusedError
from raibid.gitops.objects import Ref
from raibid.gitops.settings import GitopsSettings, Policy

from tests.gitops.git_host import PASSWORD, GitHost
from tests.gitops.pulls_forge import GiteaPullsApi, GithubPullsApi, PullsApi

FLEET = "raibid/fleet"
BRANCH = "raibid/deployment-api-replicas-123456"
OURS = "Raibid-Object: Deployment/ci/api\nRaibid-By: ada@dgx\n"
Deliver = Callable[..., Landed | None]


@pytest.fixture
def host(tmp_path: Path) -> Iterator[GitHost]:
    with GitHost(tmp_path / "host") as running:
        running.repository(FLEET, {"a.yaml": "replicas: 1\n"})
        yield running


@pytest.fixture(params=[GiteaPullsApi, GithubPullsApi])
def forge(request: pytest.FixtureRequest, host: GitHost) -> PullsApi:
    """Either forge."""
    api: PullsApi = request.param(host)
    host.api = api
    return api


@pytest.fixture
def run(host: GitHost, tmp_path: Path) -> Deliver:
    """One run of a command that sets replicas, from a clone of its own."""
    clones = iter(range(100))

    def deliver_(
        replicas: int = 2, policy: Policy = Policy.AUTO, *, branch: str = BRANCH, title: str = "", once: bool = False
    ) -> Landed | None:
        credentials = host.credentials(tmp_path / "credentials")
        git = git_for(GitopsSettings(), credentials)
        checkout = Checkout.open(host.clone_url(FLEET), "main", tmp_path / f"work{next(clones)}", git)

        def make(there: Checkout) -> str | None:
            there.write({"a.yaml": f"replicas: {replicas}\n".encode()})
            return there.commit(f"replicas: {replicas}\n\n{OURS}")

        said = Proposal(branch=branch, title=title or f"replicas: {replicas}", body="Why: a test.", once=once)
        return deliver(checkout, make, policy=policy, proposal=said, credentials=credentials)

    return deliver_


def test_an_open_branch_is_pushed_to(host: GitHost, forge: PullsApi, run: Deliver) -> None:
    landed = run()
    assert landed == Landed(host.head(FLEET), "main")
    assert forge.pulls == []


def test_a_protected_branch_gets_a_pull_request_without_a_push_that_is_bound_to_fail(
    host: GitHost, forge: PullsApi, run: Deliver
) -> None:
    before = host.head(FLEET)
    host.protect(FLEET)
    landed = run()
    assert landed == Landed(host.head(FLEET, BRANCH), BRANCH, 1, "https://forge.example.org/raibid/fleet/pulls/1")
    assert host.head(FLEET) == before
    assert host.pushes == 1


def test_the_pull_request_says_what_why_and_on_top_of_what(host: GitHost, forge: PullsApi, run: Deliver) -> None:
    run(policy=Policy.PULL_REQUEST)
    pull = forge.pulls[0]
    assert pull["title"] == "replicas: 2"
    assert "Why: a test." in pull["body"]
    assert host.head(FLEET) in pull["body"]
    assert "-replicas: 1\n+replicas: 2\n" in pull["body"]


def test_the_same_change_again_finds_its_pull_request_and_pushes_nothing(
    host: GitHost, forge: PullsApi, run: Deliver
) -> None:
    assert run(policy=Policy.PULL_REQUEST) == run(policy=Policy.PULL_REQUEST)
    assert len(forge.pulls) == 1
    assert host.pushes == 1


def test_another_value_goes_into_the_same_pull_request(host: GitHost, forge: PullsApi, run: Deliver) -> None:
    run(2, Policy.PULL_REQUEST)
    run(3, Policy.PULL_REQUEST)
    assert [pull["title"] for pull in forge.pulls] == ["replicas: 3"]
    assert "+replicas: 3" in forge.pulls[0]["body"]
    assert host.text(FLEET, "a.yaml", BRANCH) == "replicas: 3\n"
    assert host.log(FLEET, BRANCH)[1:] == host.log(FLEET)


def test_a_pull_request_that_was_closed_is_not_taken_up_again(forge: PullsApi, run: Deliver) -> None:
    run(policy=Policy.PULL_REQUEST)
    forge.pulls[0]["state"] = "closed"
    landed = run(policy=Policy.PULL_REQUEST)
    assert landed is not None
    assert landed.pull == 2


def test_what_is_proposed_once_is_not_proposed_again_after_somebody_closed_it(
    host: GitHost, forge: PullsApi, run: Deliver
) -> None:
    first = run(policy=Policy.PULL_REQUEST, once=True)
    assert first is not None
    forge.pulls[0]["state"] = "closed"
    pushes = host.pushes
    second = run(3, policy=Policy.PULL_REQUEST, once=True)
    assert second is not None
    assert (second.declined, second.pull, second.url) == (True, first.pull, first.url)
    assert (len(forge.pulls), host.pushes) == (1, pushes)


def test_a_pull_request_that_was_merged_is_no_refusal(forge: PullsApi, run: Deliver) -> None:
    run(policy=Policy.PULL_REQUEST, once=True)
    forge.pulls[0].update({"state": "closed", "merged": True, "merged_at": "2026-11-21T12:00:00Z"})
    landed = run(3, policy=Policy.PULL_REQUEST, once=True)
    assert landed is not None
    assert (landed.declined, landed.pull) == (False, 2)


def test_somebody_elses_commits_on_our_branch_are_not_overwritten(host: GitHost, forge: PullsApi, run: Deliver) -> None:
    run(2, Policy.PULL_REQUEST)
    theirs = host.commit(FLEET, {"a.yaml": "replicas: 5\n"}, branch=BRANCH)
    with pytest.raises(NotAllowedError, match=r"dev@example\.org pushed to raibid/"):
        run(3, Policy.PULL_REQUEST)
    assert host.head(FLEET, BRANCH) == theirs


@pytest.mark.parametrize("message", ["by hand", f"by hand\n\n{OURS}"], ids=["on top", "on top, with our trailers"])
def test_a_commit_of_whoever_has_our_address_is_not_overwritten(
    host: GitHost, forge: PullsApi, run: Deliver, message: str
) -> None:
    run(2, Policy.PULL_REQUEST)
    who = {
        f"GIT_{role}_{key}": "raibid@raibid.internal" for role in ("AUTHOR", "COMMITTER") for key in ("NAME", "EMAIL")
    }
    theirs = host.commit(FLEET, {"b.yaml": "b\n"}, message, branch=BRANCH, who=who)
    with pytest.raises(NotAllowedError, match="which is a branch of ours"):
        run(3, Policy.PULL_REQUEST)
    assert host.head(FLEET, BRANCH) == theirs


def test_a_branch_that_main_has_left_behind_is_still_ours(host: GitHost, forge: PullsApi, run: Deliver) -> None:
    run(2, Policy.PULL_REQUEST)
    newer = host.commit(FLEET, {"b.yaml": "b\n"})
    run(3, Policy.PULL_REQUEST)
    assert host.log(FLEET, BRANCH)[1] == newer


def test_a_title_is_one_line(forge: PullsApi, run: Deliver) -> None:
    run(2, Policy.PULL_REQUEST, title="replicas:\n2")
    assert forge.pulls[0]["title"] == "replicas: 2"


def test_nothing_to_change_is_no_push_and_no_pull_request(host: GitHost, forge: PullsApi, run: Deliver) -> None:
    assert run(1, Policy.PULL_REQUEST) is None
    assert run(1, Policy.PUSH) is None
    assert run(1, Policy.AUTO) is None
    assert (host.pushes, forge.pulls) == (0, [])


def test_who_wants_a_push_gets_no_pull_request_instead(host: GitHost, forge: PullsApi, run: Deliver) -> None:
    host.protect(FLEET)
    with pytest.raises(PushRefusedError, match="protected branch"):
        run(policy=Policy.PUSH)
    assert forge.pulls == []


def test_a_forge_that_does_not_say_is_pushed_to_and_a_refusal_makes_a_pull_request(
    host: GitHost, forge: PullsApi, run: Deliver, monkeypatch: pytest.MonkeyPatch
) -> None:
    host.protect(FLEET)
    monkeypatch.setattr(forge, "_branch", lambda *_: (403, {"message": "token does not have scope"}))
    landed = run()
    assert landed is not None
    assert landed.pull == 1
    assert host.pushes == 2


def test_an_unknown_forge_gets_the_branch_and_the_person_the_page(host: GitHost, run: Deliver) -> None:
    host.protect(FLEET)
    assert run() == Landed(host.head(FLEET, BRANCH), BRANCH, 0, f"{host.url}/{FLEET}")


def test_a_forge_that_is_away_is_an_error_and_nothing_is_pushed(host: GitHost, forge: PullsApi, run: Deliver) -> None:
    forge.down = 503
    with pytest.raises(ForgeUnavailableError) as away:
        run()
    assert PASSWORD not in str(away.value)
    assert host.pushes == 0


def test_a_pull_request_that_somebody_opened_meanwhile_is_rewritten(
    host: GitHost, forge: PullsApi, run: Deliver, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(policy=Policy.PULL_REQUEST)
    shown = iter([False])
    matches = forge.matches
    monkeypatch.setattr(forge, "matches", lambda pull, query: next(shown, True) and matches(pull, query))
    landed = run(3, Policy.PULL_REQUEST)
    assert landed is not None
    assert landed.pull == 1
    assert [pull["title"] for pull in forge.pulls] == ["replicas: 3"]


def test_what_the_forge_does_not_take_is_its_error(
    forge: PullsApi, run: Deliver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(forge, "_open", lambda *_: (422, {"message": "Validation Failed"}))
    with pytest.raises(CallError, match="Validation Failed"):
        run(policy=Policy.PULL_REQUEST)


def test_a_branch_that_is_not_ours_is_never_pushed_by_force(run: Deliver) -> None:
    with pytest.raises(NotAllowedError):
        run(policy=Policy.PULL_REQUEST, branch="main")


def test_a_branch_is_the_same_for_the_same_fields_and_another_for_another_object() -> None:
    api = Ref("apps", "Deployment", "ci", "api")
    fields = ["spec.replicas", "spec.template.spec.containers[name=web].image"]
    branch = branch_for(api, fields)
    assert branch == branch_for(api, fields)
    assert branch.startswith("raibid/deployment-api-spec-replicas-spec-template-")
    assert branch != branch_for(Ref("apps", "Deployment", "prod", "api"), fields)
    assert len(branch_for(Ref("", "x" * 300, "", "y" * 300), ["z" * 300])) < 100


@pytest.mark.parametrize("name", ["api", "..", "a b", "x.lock", "~^:", "é", "-"])
def test_every_branch_has_a_name_that_git_takes(name: str) -> None:
    command = ["git", "check-ref-format", "--branch", branch_for(Ref("", "Kind", "", name), [name])]
    assert subprocess.run(command, check=False, capture_output=True).returncode == 0


def test_a_diff_cannot_end_its_fence_and_a_huge_one_is_cut() -> None:
    said = text("Why.", "main", "f" * 40, "+```\n+````\n")
    assert said.count("`````") == 2
    assert len(text("Why.", "main", "f" * 40, "+x\n" * 100_000)) < 60_000
