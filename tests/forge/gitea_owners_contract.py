"""What Gitea answers to those who administer it: webhooks, organisations, users, tokens, protected branches, files,
pull requests. Like `gitea_contract.py`, on the real one and on recordings.
"""

from __future__ import annotations

import pytest
from raibid.forge.errors import (
    ForgeAnswerError,
    ForgeConflictError,
    ForgeForbiddenError,
    ForgeInvalidError,
    ForgeNotFoundError,
)
from raibid.forge.gitea.admin import GiteaAdmin, Protection
from raibid.forge.gitea.hooks import GiteaHooks
from raibid.forge.hooks import Ensured, WantedHook

from tests.forge.gitea_contract import ORGANISATION, Scene

EVENTS = frozenset({"push", "pull_request_only", "pull_request_sync"})
WANTED = WantedHook(url="http://127.0.0.1:9/webhook/gitea", events=EVENTS, secret="of-this-contract-alone")
PASSWORD = "of this contract alone, 1 Login"


def hooks_of(scene: Scene) -> GiteaHooks:
    return GiteaHooks(scene.client("admin").session)


def admin_of(scene: Scene) -> GiteaAdmin:
    return GiteaAdmin(scene.client("admin").session)


class Owners:
    """What only Gitea is asked, by its administrator."""

    @pytest.mark.parametrize("whole", [False, True], ids=["repository", "organisation"])
    def test_the_second_time_no_hook_is_made_or_changed(self, scene: Scene, whole: bool) -> None:
        place = "hooked" if whole else f"{ORGANISATION}/hooked"
        scene.given(lambda real: real.organisation("hooked", 0) if whole else real.repository("hooked"))
        hooks = hooks_of(scene)
        done = [hooks.ensure_hook(place, WANTED) for _ in range(3)]
        assert done == [Ensured.CREATED, Ensured.UNCHANGED, Ensured.UNCHANGED]
        [hook] = hooks.list(place)
        assert (hook.url, hook.active, hook.content_type) == (WANTED.url, True, "json")

    def test_a_hook_that_was_changed_by_hand_is_corrected_in_place(self, scene: Scene) -> None:
        made = scene.given(lambda real: real.repository("touched"))
        hooks = hooks_of(scene)
        before = hooks.create(made["name"], WANTED)
        other = WantedHook(url=WANTED.url, events=frozenset({"issues"}), secret=WANTED.secret)
        hooks.patch(made["name"], before.id, other)
        assert hooks.ensure_hook(made["name"], WANTED) is Ensured.CORRECTED
        assert [(hook.id, hook.events) for hook in hooks.list(made["name"])] == [(before.id, before.events)]

    def test_another_secret_replaces_the_hook_and_twins_go(self, scene: Scene) -> None:
        made = scene.given(lambda real: real.repository("rotated"))
        hooks = hooks_of(scene)
        for _ in range(2):
            hooks.create(made["name"], WANTED)
        assert hooks.ensure_hook(made["name"], WANTED) is Ensured.CORRECTED
        rotated = WantedHook(url=WANTED.url, events=EVENTS, secret="another-of-this-contract")
        assert hooks.ensure_hook(made["name"], rotated) is Ensured.REPLACED
        assert [hook.name for hook in hooks.list(made["name"])] == [rotated.mark]

    def test_who_may_write_code_may_not_see_or_set_hooks(self, scene: Scene) -> None:
        made = scene.given(lambda real: real.repository("unhooked"))
        with pytest.raises(ForgeForbiddenError):
            GiteaHooks(scene.client("reporter").session).ensure_hook(made["name"], WANTED)

    def test_an_organisation_and_a_user_are_made_once(self, scene: Scene) -> None:
        admin = admin_of(scene)
        assert [admin.ensure_organisation("once", description="Mirrors") for _ in range(2)] == [True, False]
        assert [
            admin.ensure_user("once-user", email="once@example.com", password=PASSWORD) for _ in range(2)
        ] == [True, False]  # fmt: skip

    def test_a_token_of_the_same_name_is_replaced(self, scene: Scene) -> None:
        client = scene.client("admin")
        admin = GiteaAdmin(client.session)
        assert all(admin.create_token(client.login, "mirrors", ["write:repository"]) for _ in range(2))

    def test_a_protected_branch_is_set_once_and_tightened_again(self, scene: Scene) -> None:
        made = scene.given(lambda real: real.repository("guarded"))
        admin, wanted = admin_of(scene), Protection(rule_name="release/*", push_whitelist_usernames=["ada"])
        assert [admin.ensure_protection(made["name"], wanted) for _ in range(2)] == [True, False]
        loosened = Protection(rule_name="release/*", enable_push_whitelist=False, required_approvals=1)
        assert [admin.ensure_protection(made["name"], loosened) for _ in range(2)] == [True, False]
        assert admin.ensure_protection(made["name"], wanted)

    def test_a_file_is_written_read_and_replaced_by_whoever_saw_it_last(self, scene: Scene) -> None:
        made = scene.given(lambda real: real.repository("written"))
        admin, name, path = admin_of(scene), made["name"], "dir ö/a#1.yaml"
        admin.write_file(name, path, b"one\n", message="Add it")
        first = admin.read_file(name, path)
        assert first.content == b"one\n"
        with pytest.raises(ForgeInvalidError):
            admin.write_file(name, path, b"new\n", message="It is there")
        commit = admin.write_file(name, path, b"two\n", message="Change it", replaces=first.sha)
        assert (len(commit), admin.read_file(name, path, branch="main").content) == (40, b"two\n")
        with pytest.raises((ForgeInvalidError, ForgeConflictError)):
            admin.write_file(name, path, b"three\n", message="Too late", replaces=first.sha)
        with pytest.raises(ForgeNotFoundError):
            admin.read_file(name, "nothing")
        with pytest.raises(ForgeAnswerError):
            admin.read_file(name, "dir ö")

    def test_a_pull_request_is_opened_once(self, scene: Scene) -> None:
        made = scene.given(lambda real: real.repository("proposed"))
        admin = admin_of(scene)
        admin.write_file(made["name"], "new", b"1\n", message="Offer", branch="main", new_branch="offer")
        assert admin.create_pull(made["name"], head="offer", base="main", title="Take it", body="please") == 1
        with pytest.raises(ForgeConflictError):
            admin.create_pull(made["name"], head="offer", base="main", title="Again")
