"""What Gitea answers to each of our calls: the same tests on the real one (tests/cluster/test_gitea_api.py) and on
recordings of it (tests/forge/test_gitea_recorded.py).

A test gets a `Scene`: clients by role, and `given` for what is done beside the API, by git and by people.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import pytest
from raibid.forge.commit_status import CommitState, CommitStatus
from raibid.forge.errors import ForgeForbiddenError, ForgeNotFoundError
from raibid.forge.forge import Head
from raibid.forge.gitea import GiteaClient

from tests.forge.recorded_forge import Facts, Player, Recorder

if TYPE_CHECKING:
    from tests.cluster.test_gitea_api import Real

Role = Literal["admin", "reporter", "agent"]
"""The stack's administrator; whom the API speaks as; whom agents clone as."""
ORGANISATION = "raibid"
DONE = CommitStatus(state=CommitState.SUCCESS, context="raibid", description="built in 7 s")
MARKER = "<!-- raibid:pr -->"
NOTHING = "1" * 40


@dataclass
class Scene:
    """One test's Gitea."""

    behind: Recorder | Player
    real: Real | None
    credentials: Callable[[Role], Path]
    url: str
    open: contextlib.ExitStack

    def client(self, role: Role) -> GiteaClient:
        """Small pages, so that there are several; nothing is tried twice."""
        return self.open.enter_context(GiteaClient.connect(self.url, self.credentials(role), tries=0, page=2))

    def given(self, make: Callable[[Real], Facts]) -> Facts:
        """What there is to begin with."""
        return self.behind.given(make, self.real)


class Questions:
    """What both forges are asked (`raibid.forge.forge.Forge`)."""

    def test_a_status_is_shown_as_it_was_said(self, scene: Scene) -> None:
        made = scene.given(lambda real: real.repository("shown"))
        shown = scene.client("reporter").set_status(made["name"], made["sha"], DONE)
        assert (shown.state, shown.context, shown.description) == ("success", "raibid", "built in 7 s")

    def test_a_status_follows_a_renamed_repository(self, scene: Scene) -> None:
        made = scene.given(lambda real: real.renamed(real.repository("former"), "latter"))
        client = scene.client("reporter")
        assert client.set_status(f"{ORGANISATION}/former", made["sha"], DONE).state == "success"
        assert client.repository(f"{ORGANISATION}/former").full_name == f"{ORGANISATION}/latter"

    def test_what_can_never_be_shown_is_a_refusal(self, scene: Scene) -> None:
        made = scene.given(lambda real: real.repository("refused"))
        client = scene.client("reporter")
        for name, sha in ((made["name"], NOTHING), (f"{ORGANISATION}/nothing", made["sha"])):
            with pytest.raises(ForgeNotFoundError):
                client.set_status(name, sha, DONE)
        with pytest.raises(ForgeForbiddenError):
            scene.client("agent").set_status(made["name"], made["sha"], DONE)

    def test_a_repository_tells_what_it_is(self, scene: Scene) -> None:
        made = scene.given(lambda real: real.repository("plain"))
        told = scene.client("reporter").repository(made["name"])
        assert (told.full_name, told.default_branch, told.private) == (made["name"], "main", True)
        assert not any((told.mirror, told.empty, told.archived, told.fork))
        assert told.clone_url.endswith(f"/{made['name']}.git")

    def test_an_owner_is_listed_whole_though_in_pages(self, scene: Scene) -> None:
        scene.given(lambda real: real.organisation("listed", 5))
        admin = scene.client("admin")
        assert sorted(one.full_name for one in admin.repositories("listed")) == [f"listed/r{n}" for n in range(5)]
        with pytest.raises(ForgeNotFoundError):
            list(admin.repositories("nobody"))

    def test_all_that_we_may_read_is_listed(self, scene: Scene) -> None:
        made = scene.given(lambda real: {**real.organisation("hidden", 1), **real.repository("seen")})
        seen = {one.full_name for one in scene.client("reporter").repositories()}
        assert made["name"] in seen
        assert "hidden/r0" not in seen

    def test_all_branches_are_told_though_in_pages(self, scene: Scene) -> None:
        made = scene.given(lambda real: real.branches("branchy", ["a/b", "c", "d", "ä#"]))
        heads = scene.client("reporter").heads(made["name"])
        assert sorted(heads, key=lambda head: head.branch) == [
            Head(branch, made[branch]) for branch in ("a/b", "c", "d", "main", "ä#")
        ]

    def test_an_empty_repository_has_no_branches(self, scene: Scene) -> None:
        made = scene.given(lambda real: real.empty("bare"))
        client = scene.client("reporter")
        assert client.heads(made["name"]) == []
        assert client.repository(made["name"]).empty

    def test_open_pull_requests_are_told_as_their_webhook_tells_them(self, scene: Scene) -> None:
        made = scene.given(lambda real: real.pull_requests("asked"))
        found = {event.number: event for event in scene.client("reporter").pulls(made["name"])}
        assert sorted(found) == [1, 2, 3], "without the one that is closed"
        own, gift = found[1], found[2]
        assert (own.sha, own.base, own.fork, own.author, own.title) == (made["own"], "main", "", "ada", "Own")
        assert (gift.sha, gift.fork, gift.author) == (made["gift"], "mallory/asked", "mallory")
        assert gift.repo == made["name"]
        assert own.default_branch == "main"

    def test_a_push_changes_the_files_of_all_its_commits(self, scene: Scene) -> None:
        made = scene.given(lambda real: real.history("changed"))
        client = scene.client("reporter")
        told = client.changes(made["name"], made["first"], made["third"])
        assert told.files == ("README.md", "moved.md", "src/ä b.rs")
        assert told.message.strip() == "Third\n\n[skip ci]"

    def test_a_forced_push_also_changes_what_it_undid(self, scene: Scene) -> None:
        made = scene.given(lambda real: real.history("forced"))
        client = scene.client("reporter")
        assert client.changes(made["name"], made["other"], made["third"]).files == (
            "README.md", "moved.md", "other.md", "src/ä b.rs",
        )  # fmt: skip
        assert client.changes(made["name"], made["other"], made["first"]).files == ("other.md",)

    def test_a_branch_is_compared_whatever_it_is_called(self, scene: Scene) -> None:
        made = scene.given(lambda real: real.branches("named", ["a/b", "ä#%&+"]))
        client = scene.client("reporter")
        for branch in ("a/b", "ä#%&+"):
            assert (
                client.changes(made["name"], "main", made[branch]).files
                == client.changes(made["name"], branch, made["main"]).files
            )

    def test_a_new_branch_has_a_message_and_no_files_of_its_own(self, scene: Scene) -> None:
        made = scene.given(lambda real: real.repository("fresh"))
        told = scene.client("reporter").changes(made["name"], "0" * 40, made["sha"])
        assert (told.files, told.message.strip()) == (None, "The first one")

    def test_a_commit_that_is_gone_is_not_there(self, scene: Scene) -> None:
        made = scene.given(lambda real: real.repository("gone"))
        client = scene.client("reporter")
        for sides in ((NOTHING, made["sha"]), (made["sha"], NOTHING)):
            with pytest.raises(ForgeNotFoundError):
                client.changes(made["name"], *sides)

    def test_a_pull_request_changes_what_differs_from_its_base_alone(self, scene: Scene) -> None:
        made = scene.given(lambda real: real.pull_requests("offered"))
        told = scene.client("reporter").pull_changes(made["name"], 1, made["own"])
        assert told.message.strip() == "Own"
        assert told.files == ("README.md", "old.md", "own/1", "own/2", "renamed.md"), "a renaming touches both names"

    def test_our_comment_is_written_once_and_then_rewritten(self, scene: Scene) -> None:
        made = scene.given(lambda real: real.pull_requests("commented"))
        client = scene.client("reporter")
        for text in ("red", "red", "green"):
            client.upsert_comment(made["name"], 1, MARKER, text)
        assert scene.given(lambda real: real.comments(made["name"], 1)) == {
            "0": f"ada: {MARKER} quoted", "1": f"ci-status: {MARKER}\ngreen",
        }  # fmt: skip

    def test_a_comment_that_is_only_to_be_rewritten_is_not_begun(self, scene: Scene) -> None:
        made = scene.given(lambda real: real.pull_requests("silent"))
        scene.client("reporter").upsert_comment(made["name"], 1, MARKER, "green", rewrite_only=True)
        assert scene.given(lambda real: real.comments(made["name"], 1)) == {"0": f"ada: {MARKER} quoted"}

    def test_administrators_are_told_who_may_push(self, scene: Scene) -> None:
        made = scene.given(lambda real: real.shared("shared", {"grace": "write", "mallory": "read"}))
        admin = scene.client("admin")
        asked = ("ada", "grace", "mallory", "nobody-at-all", "")
        assert [admin.may_write(made["name"], user) for user in asked] == [True, True, False, False, False]
        with pytest.raises(ForgeNotFoundError):
            admin.may_write(f"{ORGANISATION}/nothing", "ada")

    def test_of_those_who_may_push_is_told_who_approved_this_very_commit(self, scene: Scene) -> None:
        made = scene.given(lambda real: real.reviewed("reviewed"))
        client = scene.client("reporter")
        assert client.approvers(made["name"], 1, made["head"]) == ("grace",)
        assert client.approvers(made["name"], 1, made["early"]) == (), "mallory may only read"

    def test_who_may_not_ask_gets_no_guess(self, scene: Scene) -> None:
        made = scene.given(lambda real: real.repository("discreet"))
        with pytest.raises(ForgeForbiddenError):
            scene.client("reporter").may_write(made["name"], "ada")
