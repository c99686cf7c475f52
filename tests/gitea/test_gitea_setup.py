"""Setting up a Gitea that is there, over HTTP."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from raibid.contract import Env, Secrets
from raibid.forge.credentials import Login, login_for
from raibid.worker.git_credential import answer

from components import agents, api, mirrors
from components.__main__ import run
from components.gitea_api import GiteaError
from components.gitea_bootstrap import LABELS, order
from components.gitea_config import root_url
from components.gitea_setup import Order, set_up
from components.kustomize.build import substitute
from components.manifest_tree import SecretManifest
from components.orders import OrderError
from components.settings import load_stack
from components.systems import budget_of
from tests.gitea.fake_gitea import FakeGitea
from tests.gitea.setting_up import PASSWORDS, SENTINELS, apply, wanted


def test_the_setup_is_given_the_passwords_that_it_asks_for() -> None:
    assert set(PASSWORDS) == set(LABELS)


def test_an_empty_gitea_gets_everything_that_flux_and_builds_need(gitea: FakeGitea) -> None:
    result = apply(gitea)
    assert result.changed == (
        "organisation raibid",
        "user flux",
        "user ci-agent",
        "user ci-status",
        "user ci-mirror",
        "user ci-rollback",
        "repository raibid/fleet",
        "read access of flux",
        "write access of ci-rollback",
        "protection of main",
        "hook",
        "organisation mirrors",
        "ci-mirror in team mirrors/Owners",
        "team raibid/ci-agents",
        "ci-agent in team raibid/ci-agents",
        "team raibid/ci-reporters",
        "ci-status in team raibid/ci-reporters",
        "hook of builds of raibid",
        "team mirrors/ci-agents",
        "ci-agent in team mirrors/ci-agents",
        "team mirrors/ci-reporters",
        "ci-status in team mirrors/ci-reporters",
        "hook of builds of mirrors",
    )
    assert result.repository == "http://gitea.example:3000/raibid/fleet.git"
    assert gitea.passwords["flux"] == "flux-sentinel"
    assert gitea.readers == {"flux": "read", "ci-rollback": "write"}
    assert gitea.repositories["raibid/fleet"]["private"] is True


def test_a_second_run_changes_nothing(gitea: FakeGitea) -> None:
    apply(gitea)
    gitea.calls.clear()
    assert apply(gitea).changed == ()
    assert gitea.writes() == []


@pytest.mark.parametrize("steps", range(48))
def test_a_run_that_broke_off_is_finished_by_the_next(gitea: FakeGitea, steps: int) -> None:
    with FakeGitea() as whole:
        apply(whole)
    assert len(whole.calls) == 48
    gitea.trouble = lambda fake: 500 if len(fake.calls) > steps else 0
    with pytest.raises(GiteaError, match="HTTP 500"):
        apply(gitea)
    gitea.trouble = lambda _: 0
    apply(gitea)
    for name in ("organisations", "readers", "protections", "passwords", "teams", "members", "hooks_of"):
        assert getattr(gitea, name) == getattr(whole, name)
    assert [len(hooks) for hooks in gitea.hooks_of.values()] == [1, 1, 1]


def test_only_the_administrator_and_who_takes_back_push_to_the_protected_branch(gitea: FakeGitea) -> None:
    apply(gitea)
    rule = gitea.protections["main"]
    assert rule["push_whitelist_usernames"] == ["raibid-admin", "ci-rollback"]
    assert (rule["enable_push_whitelist"], rule["enable_force_push"]) == (True, False)


def test_whoever_only_writes_code_does_not_merge_into_the_protected_branch(gitea: FakeGitea) -> None:
    apply(gitea)
    rule = gitea.protections["main"]
    assert rule["enable_merge_whitelist"] is True
    assert (rule["merge_whitelist_usernames"], rule["merge_whitelist_teams"]) == (["raibid-admin"], ["Owners"])


@pytest.mark.parametrize(
    ("key", "loose", "tight"),
    [
        ("push_whitelist_usernames", ["raibid-admin", "mallory"], ["raibid-admin", "ci-rollback"]),
        ("enable_merge_whitelist", False, True),
        ("merge_whitelist_teams", ["Owners", "ci-reporters"], ["Owners"]),
    ],
)
def test_a_loosened_protection_is_tightened_again(gitea: FakeGitea, key: str, loose: object, tight: object) -> None:
    apply(gitea)
    gitea.protections["main"][key] = loose
    assert apply(gitea).changed == ("protection of main",)
    assert gitea.protections["main"][key] == tight
    assert apply(gitea).changed == ()


def test_a_rotated_password_of_flux_is_set(gitea: FakeGitea) -> None:
    apply(gitea)
    assert apply(gitea, gitea_flux="another").changed == ("password of flux",)
    assert gitea.passwords["flux"] == "another"


def test_agents_read_the_code_of_every_repository_and_may_do_nothing_else(gitea: FakeGitea) -> None:
    apply(gitea)
    team = gitea.team("ci-agents")
    assert team["includes_all_repositories"] is True
    assert team["units_map"] == {"repo.code": "read"}
    assert gitea.members[str(team["id"])] == {agents.GIT_USER}


def test_who_reports_on_commits_writes_code_and_reads_pull_requests(gitea: FakeGitea) -> None:
    apply(gitea)
    team = gitea.team("ci-reporters")
    assert team["units_map"] == {"repo.code": "write", "repo.pulls": "read"}
    assert gitea.members[str(team["id"])] == {api.STATUS_USER}


def test_the_api_reports_at_the_address_it_is_given_with_the_password_that_gitea_was_given(
    gitea: FakeGitea, tmp_path: Path
) -> None:
    apply(gitea)
    objects = api.manifests(load_stack("dgx-spark")).directories[api.DIRECTORY]
    (secret,) = (i for i in objects if isinstance(i, SecretManifest) and i.name == Secrets.API_FORGE)
    (environment,) = (i["data"] for i in objects if isinstance(i, dict) and i["kind"] == "ConfigMap")
    file = tmp_path / "credentials"
    file.write_text(secret.manifest(PASSWORDS.__getitem__)["stringData"]["credentials"])
    assert login_for(environment[Env.GITEA_URL], file) == Login("ci-status", gitea.passwords["ci-status"])


def test_who_makes_mirrors_owns_their_organisation_and_is_nobody_in_the_others(gitea: FakeGitea) -> None:
    apply(gitea)
    owners = gitea.team("Owners", of="mirrors")
    assert [team for team, members in gitea.members.items() if mirrors.USER_NAME in members] == [str(owners["id"])]


@pytest.mark.parametrize(("team", "user"), [("ci-agents", agents.GIT_USER), ("ci-reporters", api.STATUS_USER)])
def test_mirrors_are_cloned_and_reported_on_with_the_rights_that_hold_elsewhere(
    gitea: FakeGitea, team: str, user: str
) -> None:
    apply(gitea)
    here, there = gitea.team(team, of="mirrors"), gitea.team(team)
    assert {**here, "id": 0, "organisation": ""} == {**there, "id": 0, "organisation": ""}
    assert gitea.members[str(here["id"])] == {user}


def test_the_api_is_told_of_mirrors_pushes_as_of_all_others(gitea: FakeGitea) -> None:
    apply(gitea)
    assert gitea.hooks_of["orgs/mirrors"] == gitea.organisation_hooks


def test_an_organisation_that_the_stack_names_later_gets_the_same(gitea: FakeGitea) -> None:
    apply(gitea)
    more = wanted(gitea).model_copy(update={"mirrors": ("mirrors", "acme")})
    changed = set_up(more, tries=2, pause=0).changed
    assert changed[:2] == ("organisation acme", "ci-mirror in team acme/Owners")
    assert all("acme" in change for change in changed)
    assert set_up(more, tries=2, pause=0).changed == ()


def test_a_team_that_was_given_more_is_set_back(gitea: FakeGitea) -> None:
    apply(gitea)
    team = gitea.team("ci-agents")
    team |= {"units_map": {"repo.code": "write"}, "includes_all_repositories": False}
    assert apply(gitea).changed == ("team raibid/ci-agents corrected",)
    assert team["includes_all_repositories"] is True
    assert apply(gitea).changed == ()


def test_agents_log_in_at_the_host_of_clone_urls_with_the_password_that_gitea_was_given(gitea: FakeGitea) -> None:
    settings = load_stack("dgx-spark")
    apply(gitea)
    (secret,) = (
        item
        for item in agents.manifests(settings).directories[agents.DIRECTORY]
        if isinstance(item, SecretManifest) and item.name == Secrets.AGENT_GITEA
    )
    known = agents.variables(settings, budget_of(settings))
    line = substitute(secret.manifest(PASSWORDS.__getitem__), known)["stringData"]["credentials"]
    forge = urlsplit(root_url(settings))
    said = answer({"protocol": forge.scheme, "host": forge.netloc}, line.splitlines())
    assert said == f"username=ci-agent\npassword={gitea.passwords['ci-agent']}\n"


def test_a_gitea_that_is_busy_for_a_moment_is_asked_again(gitea: FakeGitea) -> None:
    gitea.trouble = lambda fake: {1: 503, 2: 502}.get(len(fake.calls), 0)
    assert "hook" in apply(gitea).changed


def test_what_creates_is_never_sent_twice(gitea: FakeGitea) -> None:
    gitea.trouble = lambda fake: 503 if fake.calls[-1].startswith("POST") else 0
    with pytest.raises(GiteaError, match="HTTP 503"):
        apply(gitea)
    assert gitea.writes() == ["POST /orgs"]


def test_a_wrong_password_says_where_it_comes_from_and_not_what_it_is(gitea: FakeGitea) -> None:
    with pytest.raises(GiteaError, match="raibid-admin may not log in") as refused:
        apply(gitea, gitea_admin="wrong-sentinel")
    assert "sentinel" not in f"{refused.value!r}{refused.value.hint}"


def test_a_user_who_is_no_administrator_is_refused_before_anything_is_made(gitea: FakeGitea) -> None:
    gitea.admin = "somebody-else"
    with pytest.raises(GiteaError, match="is no administrator"):
        apply(gitea)
    assert gitea.writes() == []


def test_a_gitea_that_is_not_there_is_named_and_no_secret_is(gitea: FakeGitea) -> None:
    away = wanted(gitea).model_copy(update={"url": "http://127.0.0.1:1"})
    with pytest.raises(GiteaError, match=r"http://127\.0\.0\.1:1: no answer to GET /user") as refused:
        set_up(away, tries=1, pause=0)
    assert not any(sentinel in repr(refused.value) for sentinel in SENTINELS)
    assert refused.value.__cause__ is None


def test_an_order_that_is_none_is_refused_without_repeating_it() -> None:
    with pytest.raises(OrderError) as refused:
        Order.read(json.dumps({"url": "http://x", "admin": {"name": "a", "password": {"s": "sentinel"}}}))
    assert "sentinel" not in str(refused.value)


def test_no_representation_of_an_order_holds_a_secret(gitea: FakeGitea) -> None:
    assert not any(sentinel in repr(wanted(gitea)) for sentinel in SENTINELS)


def test_the_command_reads_stdin_and_answers_json(
    gitea: FakeGitea, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    text = json.dumps(order(load_stack("dgx-spark"), gitea.url, PASSWORDS))
    monkeypatch.setattr("sys.stdin", io.StringIO(text))
    assert run(["gitea-setup", "--json"]) == 0
    shown = capsys.readouterr()
    answer: dict[str, Any] = json.loads(shown.out)
    assert answer["repository"] == "http://gitea.example:3000/raibid/fleet.git"
    assert not any(sentinel in shown.out + shown.err for sentinel in SENTINELS)
