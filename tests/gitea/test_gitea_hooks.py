"""Hooks at a Gitea that is there: who is told of what, signed with which secret, once."""

from __future__ import annotations

import json
from typing import Any

import pytest
from raibid.api.webhooks import ENDPOINTS
from raibid.contract import Secrets

from components import api
from components.gitea_bootstrap import BUILDS, order
from components.gitea_setup import Order, set_up
from components.manifest_tree import SecretManifest
from components.settings import load_stack
from tests.gitea.fake_gitea import FakeGitea
from tests.gitea.setting_up import PASSWORDS, apply


def test_a_push_or_a_pull_request_of_any_repository_of_the_organisation_is_told_to_the_api_once(
    gitea: FakeGitea,
) -> None:
    apply(gitea)
    (hook,) = gitea.organisation_hooks
    assert hook["config"] == {"url": BUILDS, "content_type": "json", "secret": "webhook-sentinel"}
    assert set(hook["events"]) == {"push", "pull_request", "pull_request_sync", "pull_request_review"}
    assert (hook["branch_filter"], hook["active"]) == ("*", True)


def test_the_hook_of_builds_is_signed_with_the_secret_that_the_api_reads(gitea: FakeGitea) -> None:
    apply(gitea)
    (tokens,) = (
        item.values(lambda label: PASSWORDS.get(label, "another"))
        for item in api.manifests(load_stack("dgx-spark")).directories[api.DIRECTORY]
        if isinstance(item, SecretManifest) and item.name == Secrets.API
    )
    assert gitea.organisation_hooks[0]["config"]["secret"] in tokens["webhook-secrets"].splitlines()
    assert BUILDS.removeprefix(api.URL) in ENDPOINTS


def test_a_hook_of_somebody_else_at_the_api_stays(gitea: FakeGitea) -> None:
    other = {"id": 9, "name": "", "config": {"url": f"{api.URL}/webhook/github", "content_type": "json"}}
    gitea.organisation_hooks.append(other)
    apply(gitea)
    assert other in gitea.organisation_hooks


def test_a_rotated_webhook_secret_makes_a_new_hook_as_patch_would_keep_the_old_secret(gitea: FakeGitea) -> None:
    apply(gitea)
    assert apply(gitea, api_webhook="another").changed == (
        "hook of builds of raibid replaced",
        "hook of builds of mirrors replaced",
    )
    (hook,) = gitea.organisation_hooks
    assert hook["config"]["secret"] == "another"


@pytest.mark.parametrize("change", [{"active": False}, {"branch_filter": "none"}, {"events": []}], ids=str)
def test_a_hook_that_was_changed_is_put_back(gitea: FakeGitea, change: dict[str, Any]) -> None:
    apply(gitea)
    before = {**gitea.organisation_hooks[0]}
    gitea.organisation_hooks[0] |= change
    assert apply(gitea).changed == ("hook of builds of raibid corrected",)
    assert gitea.organisation_hooks == [before]


def test_a_rotated_receiver_token_moves_the_hook_instead_of_adding_one(gitea: FakeGitea) -> None:
    apply(gitea)
    before = gitea.hooks[0]["config"]["url"]
    assert apply(gitea, flux_receiver="another").changed == ("hook replaced",)
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
    assert len(gitea.organisation_hooks) == 1
