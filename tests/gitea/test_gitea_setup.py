"""Setting up a Gitea that is there, over HTTP."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from typing import Any

import pytest

from components.__main__ import run
from components.gitea_bootstrap import order
from components.gitea_setup import GiteaError, Order, Result, set_up
from components.settings import load_stack
from tests.gitea.fake_gitea import FakeGitea

PASSWORDS = {"gitea/admin": "admin-sentinel", "gitea/flux": "flux-sentinel", "flux/receiver": "receiver-sentinel"}
SENTINELS = tuple(PASSWORDS.values())


@pytest.fixture
def gitea() -> Iterator[FakeGitea]:
    with FakeGitea() as fake:
        yield fake


def wanted(gitea: FakeGitea, **passwords: str) -> Order:
    known = {**PASSWORDS, **{name.replace("_", "/"): value for name, value in passwords.items()}}
    return Order.read(json.dumps(order(load_stack("dgx-spark"), gitea.url, known)))


def apply(gitea: FakeGitea, **passwords: str) -> Result:
    return set_up(wanted(gitea, **passwords), tries=2, pause=0)


def test_an_empty_gitea_gets_everything_that_flux_needs(gitea: FakeGitea) -> None:
    result = apply(gitea)
    assert result.changed == (
        "organisation raibid",
        "user flux",
        "repository raibid/fleet",
        "read access of flux",
        "protection of main",
        "hook",
    )
    assert result.repository == "http://gitea.example:3000/raibid/fleet.git"
    assert gitea.passwords["flux"] == "flux-sentinel"
    assert gitea.readers == {"flux": "read"}
    assert gitea.repositories["raibid/fleet"]["private"] is True


def test_a_second_run_changes_nothing(gitea: FakeGitea) -> None:
    apply(gitea)
    gitea.calls.clear()
    assert apply(gitea).changed == ()
    # The hook's secret cannot be read, so it is sent again.
    assert gitea.writes() == ["PATCH /repos/raibid/fleet/hooks/1"]


@pytest.mark.parametrize("steps", range(13))
def test_a_run_that_broke_off_is_finished_by_the_next(gitea: FakeGitea, steps: int) -> None:
    with FakeGitea() as whole:
        apply(whole)
    assert len(whole.calls) == 13
    gitea.trouble = lambda fake: 500 if len(fake.calls) > steps else 0
    with pytest.raises(GiteaError, match="HTTP 500"):
        apply(gitea)
    gitea.trouble = lambda _: 0
    apply(gitea)
    for name in ("organisations", "readers", "protections", "passwords"):
        assert getattr(gitea, name) == getattr(whole, name)
    assert len(gitea.hooks) == 1


def test_only_the_administrator_pushes_to_the_protected_branch(gitea: FakeGitea) -> None:
    apply(gitea)
    rule = gitea.protections["main"]
    assert rule["push_whitelist_usernames"] == ["raibid-admin"]
    assert (rule["enable_push_whitelist"], rule["enable_force_push"]) == (True, False)


def test_a_loosened_protection_is_tightened_again(gitea: FakeGitea) -> None:
    apply(gitea)
    gitea.protections["main"]["push_whitelist_usernames"] = ["raibid-admin", "mallory"]
    assert apply(gitea).changed == ("protection of main",)
    assert gitea.protections["main"]["push_whitelist_usernames"] == ["raibid-admin"]


def test_a_rotated_password_of_flux_is_set(gitea: FakeGitea) -> None:
    apply(gitea)
    assert apply(gitea, gitea_flux="another").changed == ("password of flux",)
    assert gitea.passwords["flux"] == "another"


def test_a_rotated_receiver_token_moves_the_hook_instead_of_adding_one(gitea: FakeGitea) -> None:
    apply(gitea)
    before = gitea.hooks[0]["config"]["url"]
    assert apply(gitea, flux_receiver="another").changed == ("hook corrected",)
    (hook,) = gitea.hooks
    assert hook["config"]["url"] != before
    assert hook["config"]["secret"] == "another"


def test_doubles_of_the_hook_go_and_hooks_of_others_stay(gitea: FakeGitea) -> None:
    apply(gitea)
    gitea.hooks.append({**gitea.hooks[0], "id": 7})
    gitea.hooks.append({**gitea.hooks[0], "id": 8, "config": {"url": "http://elsewhere/x", "content_type": "json"}})
    assert apply(gitea).changed == ("superfluous hook removed",)
    assert [hook["id"] for hook in gitea.hooks] == [1, 8]


def test_the_hook_goes_to_the_path_that_the_receiver_will_have(gitea: FakeGitea) -> None:
    apply(gitea)
    url = gitea.hooks[0]["config"]["url"]
    # sha256("receiver-sentinel" + "fleet" + "flux-system")
    assert url.startswith("http://webhook-receiver.flux-system.svc.cluster.local/hook/")
    assert len(url.rpartition("/")[2]) == 64


def test_without_notifications_there_is_no_hook(gitea: FakeGitea) -> None:
    settings = load_stack("dgx-spark")
    without = settings.model_copy(update={"systems": settings.systems.model_copy(update={"notifications": False})})
    set_up(Order.read(json.dumps(order(without, gitea.url, PASSWORDS))), tries=1, pause=0)
    assert gitea.hooks == []


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
    with pytest.raises(GiteaError) as refused:
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
