"""GitHub's API against the fake that answers as documented: each question, and where GitHub's answers mislead."""

from __future__ import annotations

from pathlib import Path

import pytest
from raibid.forge.commit_status import CommitState, CommitStatus
from raibid.forge.errors import (
    ForgeForbiddenError,
    ForgeInvalidError,
    ForgeLoginError,
    ForgeNotFoundError,
    ForgeRefusedError,
)
from raibid.forge.forge import Head
from raibid.forge.github import GithubClient
from raibid.forge.github.client import site_of

from tests.forge.github_fake import BOT, FakeGithub, Repository

DONE = CommitStatus(state=CommitState.SUCCESS, context="raibid", description="built in 7 s")
MARKER = "<!-- raibid:pr -->"


# --- statuses ----------------------------------------------------------------------------------------------


def test_a_status_is_shown_as_it_was_said(github_client: GithubClient, anvil: Repository) -> None:
    sha = anvil.branches["main"]
    github_client.set_status("acme/anvil", sha, DONE)
    assert anvil.statuses == [
        {"sha": sha, "state": "success", "context": "raibid", "description": "built in 7 s", "target_url": ""}
    ]


def test_a_commit_that_is_gone_is_a_refusal(github_client: GithubClient, anvil: Repository) -> None:
    with pytest.raises(ForgeInvalidError, match="No commit found"):
        github_client.set_status("acme/anvil", "1" * 40, DONE)


def test_a_status_follows_a_renamed_repository(
    github_client: GithubClient, github: FakeGithub, anvil: Repository
) -> None:
    github.rename("acme/anvil", "acme/hammer")
    github_client.set_status("acme/anvil", anvil.branches["main"], DONE)
    assert [one["state"] for one in anvil.statuses] == ["success"]
    assert github.writes()[-1].startswith("POST /repos/acme/hammer/")


def test_a_repository_that_we_may_only_read_takes_no_status(github_client: GithubClient, github: FakeGithub) -> None:
    theirs = github.repository("other/thing")
    github.organisations["other"] = {}
    sha = theirs.commit({"a": "1"})
    with pytest.raises(ForgeForbiddenError):
        github_client.set_status("other/thing", sha, DONE)


# --- repositories ------------------------------------------------------------------------------------------


def test_a_repository_is_told_by_its_present_name(
    github_client: GithubClient, github: FakeGithub, anvil: Repository
) -> None:
    github.rename("acme/anvil", "acme/hammer")
    told = github_client.repository("acme/anvil")
    assert (told.full_name, told.description, told.private, told.default_branch) == (
        "acme/hammer", "Heavy", True, "main",
    )  # fmt: skip


def test_a_repository_that_is_not_ours_to_see_is_not_there(github_client: GithubClient) -> None:
    with pytest.raises(ForgeNotFoundError):
        github_client.repository("acme/nothing")


def test_an_organisation_is_listed_page_by_page_and_whole(github_client: GithubClient, github: FakeGithub) -> None:
    names = [f"acme/r{number:03}" for number in range(250)]
    for name in names:
        github.repository(name)
    listed = github_client.repositories("acme")
    assert next(listed).full_name == names[0]
    assert len([asked for asked in github.asked if "/orgs/acme/repos" in asked]) == 1, "a page at a time"
    assert [one.full_name for one in listed] == names[1:]


@pytest.mark.parametrize(
    ("owner", "expected"),
    [
        ("ada", ["ada/open"]),  # of another user: what everybody sees
        (BOT, [f"{BOT}/hidden", f"{BOT}/open"]),
        ("", ["acme/anvil", f"{BOT}/hidden", f"{BOT}/open"]),
    ],
)
def test_who_asks_decides_what_is_listed(
    github_client: GithubClient, github: FakeGithub, anvil: Repository, owner: str, expected: list[str]
) -> None:
    github.user("ada")
    for user in ("ada", BOT):
        github.repository(f"{user}/open")
        github.repository(f"{user}/hidden", private=True)
    assert [one.full_name for one in github_client.repositories(owner)] == expected


def test_an_owner_that_is_not_there_is_no_empty_list(github_client: GithubClient) -> None:
    with pytest.raises(ForgeNotFoundError):
        list(github_client.repositories("nobody"))


# --- branches and pull requests ----------------------------------------------------------------------------


def test_all_branches_are_told(github_client: GithubClient, anvil: Repository) -> None:
    for number in range(150):
        anvil.branches[f"b{number:03}"] = f"{number:040x}"
    heads = github_client.heads("acme/anvil")
    assert (len(heads), heads[0]) == (151, Head("b000", "0" * 40))


def test_an_empty_repository_has_no_branches(github_client: GithubClient, github: FakeGithub) -> None:
    github.repository("acme/empty")
    assert github_client.heads("acme/empty") == []


def test_open_pull_requests_are_told_as_their_webhook_tells_them(
    github_client: GithubClient, anvil: Repository
) -> None:
    own = anvil.commit({"offer": "1"}, branch="offer")
    gift = anvil.commit({"gift": "1"}, branch="gift")
    anvil.pull("offer", title="Take it", author="ada")
    anvil.pull("gift", title="A gift", author="mallory", fork=True)
    closed = anvil.pull("gift", author="mallory")
    anvil.pulls[closed].state = "closed"
    newest, oldest = github_client.pulls("acme/anvil")
    assert (oldest.number, oldest.sha, oldest.base, oldest.fork, oldest.author) == (1, own, "main", "", "ada")
    assert (newest.sha, newest.fork, newest.ref, newest.forge) == (gift, "mallory/anvil", "refs/pull/2/head", "github")


def test_a_pull_request_of_a_deleted_fork_is_still_a_forks(github_client: GithubClient, anvil: Repository) -> None:
    anvil.commit({"gift": "1"}, branch="gift")
    anvil.pulls[anvil.pull("gift", fork=True)].head_repo = None
    assert github_client.pulls("acme/anvil")[0].fork == "no branch that is there"


def test_a_pull_request_with_a_name_that_no_webhook_may_bring_does_not_hide_the_others(
    github_client: GithubClient, anvil: Repository
) -> None:
    anvil.branches |= {"bad name": "1" * 40, "good": "2" * 40}
    anvil.pulls[anvil.pull("good")].base = "bad name"
    anvil.pull("good")
    assert [event.number for event in github_client.pulls("acme/anvil")] == [2]


# --- comments ----------------------------------------------------------------------------------------------


def test_our_comment_is_written_once_and_then_rewritten(github_client: GithubClient, anvil: Repository) -> None:
    number = anvil.pull("main")
    anvil.comments[number] = [{"id": n + 10_000, "body": "hello", "user": {"login": "ada"}} for n in range(130)]
    for text in ("red", "green"):
        github_client.upsert_comment("acme/anvil", number, MARKER, text)
    assert [c["body"] for c in anvil.comments[number] if c["user"]["login"] == BOT] == [f"{MARKER}\ngreen"]


def test_the_same_text_writes_nothing(github_client: GithubClient, github: FakeGithub, anvil: Repository) -> None:
    number = anvil.pull("main")
    github_client.upsert_comment("acme/anvil", number, MARKER, "red\n")
    before = len(github.writes())
    anvil.comments[number][0]["body"] = f"{MARKER}\r\nred"
    github_client.upsert_comment("acme/anvil", number, MARKER, "red")
    assert len(github.writes()) == before


def test_a_strangers_comment_that_quotes_our_marker_is_left_alone(
    github_client: GithubClient, anvil: Repository
) -> None:
    number = anvil.pull("main")
    anvil.comments[number] = [{"id": 7, "body": f"{MARKER} look", "user": {"login": "mallory"}}]
    github_client.upsert_comment("acme/anvil", number, MARKER, "red")
    assert [c["body"] for c in anvil.comments[number]] == [f"{MARKER} look", f"{MARKER}\nred"]


def test_what_a_person_whose_token_we_have_wrote_about_our_marker_is_left_alone(
    github_client: GithubClient, anvil: Repository
) -> None:
    number = anvil.pull("main")
    anvil.comments[number] = [{"id": 7, "body": f"Why does it write `{MARKER}` first?", "user": {"login": BOT}}]
    github_client.upsert_comment("acme/anvil", number, MARKER, "red")
    assert [c["body"][:3] for c in anvil.comments[number]] == ["Why", MARKER[:3]]


def test_a_comment_that_is_only_to_be_rewritten_is_not_begun(github_client: GithubClient, anvil: Repository) -> None:
    number = anvil.pull("main")
    github_client.upsert_comment("acme/anvil", number, MARKER, "green", rewrite_only=True)
    assert anvil.comments[number] == []


def test_a_second_comment_of_ours_that_a_slow_forge_made_late_goes(
    github_client: GithubClient, anvil: Repository
) -> None:
    number = anvil.pull("main")
    own = [{"id": n, "body": f"{MARKER}\n{text}", "user": {"login": BOT}} for n, text in ((7, "red"), (8, "late"))]
    anvil.comments[number] = [own[0], {"id": 9, "body": "hello", "user": {"login": "ada"}}, own[1]]
    github_client.upsert_comment("acme/anvil", number, MARKER, "green")
    assert [c["body"] for c in anvil.comments[number]] == [f"{MARKER}\ngreen", "hello"]


def test_a_second_comment_that_a_person_deleted_meanwhile_is_gone_all_the_same(
    github_client: GithubClient, github: FakeGithub, anvil: Repository
) -> None:
    number = anvil.pull("main")
    anvil.comments[number] = [{"id": n, "body": f"{MARKER}\nred", "user": {"login": BOT}} for n in (7, 8)]
    github.trouble = lambda asked: 404 if asked.startswith("DELETE") else 0
    github_client.upsert_comment("acme/anvil", number, MARKER, "red")


# --- reviews -----------------------------------------------------------------------------------------------


def test_the_last_review_of_this_very_commit_by_who_may_push_counts(
    github_client: GithubClient, github: FakeGithub, anvil: Repository
) -> None:
    early = anvil.commit({"offer": "1"}, branch="offer")
    number = anvil.pull("offer")
    anvil.review(number, "early")
    head = anvil.commit({"offer": "2"}, branch="offer")
    for reviewer, states in {
        "grace": ["CHANGES_REQUESTED", "APPROVED", "COMMENTED"],
        "back": ["APPROVED", "DISMISSED"],
    }.items():
        for state in states:
            anvil.review(number, reviewer, state)
    anvil.collaborators |= {github.user(name): "write" for name in ("early", "grace", "back")}
    anvil.review(number, github.user("mallory"))
    assert github_client.approvers("acme/anvil", number, head) == ["grace"]
    assert github_client.approvers("acme/anvil", number, early) == ["early"]


# --- who may -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("user", "may"), [("admin", True), ("writer", True), ("reader", False), ("unknown", False), ("", False)]
)
def test_who_may_push(github_client: GithubClient, github: FakeGithub, anvil: Repository, user: str, may: bool) -> None:
    for name, level in (("admin", "admin"), ("writer", "write"), ("reader", "read")):
        anvil.collaborators[github.user(name)] = level
    assert github_client.may_write("acme/anvil", user) is may


def test_of_a_repository_that_is_not_there_nobody_knows_who_may_push(github_client: GithubClient) -> None:
    with pytest.raises(ForgeNotFoundError):
        github_client.may_write("acme/nothing", "ada")


def test_who_may_not_ask_gets_no_guess(github_client: GithubClient, github: FakeGithub) -> None:
    github.repository("other/thing")
    github.organisations["other"] = {}
    with pytest.raises(ForgeRefusedError):
        github_client.may_write("other/thing", "ada")


# --- login -------------------------------------------------------------------------------------------------


def test_a_wrong_token_is_the_operators_to_mend(github: FakeGithub, anvil: Repository, tmp_path: Path) -> None:
    stale = github.credentials(tmp_path / "stale", token="ghp_revoked")
    with GithubClient.connect(github.url, stale) as client, pytest.raises(ForgeLoginError):
        client.repository("acme/anvil")


@pytest.mark.parametrize(
    ("api", "site"),
    [
        ("https://api.github.com", "https://github.com"),
        ("https://git.example.test/api/v3", "https://git.example.test"),
        ("https://api.octo.ghe.com/", "https://octo.ghe.com"),
    ],
)
def test_the_token_is_that_of_the_site(api: str, site: str) -> None:
    assert site_of(api) == site
