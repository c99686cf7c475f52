"""GitHub's API against the fake that answers as documented: each question, and where GitHub's answers mislead."""

from __future__ import annotations

from collections.abc import Iterator
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
from raibid.forge.forge import Changes, Head
from raibid.forge.github import GithubClient
from raibid.forge.github.client import site_of

from tests.forge.github_fake import BOT, FakeGithub, Repository

DONE = CommitStatus(state=CommitState.SUCCESS, context="raibid", description="built in 7 s")
MARKER = "<!-- raibid:pr -->"


@pytest.fixture
def github() -> Iterator[FakeGithub]:
    with FakeGithub() as github:
        yield github


@pytest.fixture
def client(github: FakeGithub, tmp_path: Path) -> Iterator[GithubClient]:
    with GithubClient.connect(github.url, github.credentials(tmp_path / "credentials"), tries=0) as client:
        yield client


@pytest.fixture
def anvil(github: FakeGithub) -> Repository:
    anvil = github.repository("acme/anvil", private=True, description="Heavy")
    anvil.commit({"src/a.rs": "1", "README.md": "it"}, "The first one")
    return anvil


# --- statuses ----------------------------------------------------------------------------------------------


def test_a_status_is_shown_as_it_was_said(client: GithubClient, anvil: Repository) -> None:
    sha = anvil.branches["main"]
    client.set_status("acme/anvil", sha, DONE)
    assert anvil.statuses == [
        {"sha": sha, "state": "success", "context": "raibid", "description": "built in 7 s", "target_url": ""}
    ]


def test_a_commit_that_is_gone_is_a_refusal(client: GithubClient, anvil: Repository) -> None:
    with pytest.raises(ForgeInvalidError, match="No commit found"):
        client.set_status("acme/anvil", "1" * 40, DONE)


def test_a_status_follows_a_renamed_repository(client: GithubClient, github: FakeGithub, anvil: Repository) -> None:
    github.rename("acme/anvil", "acme/hammer")
    client.set_status("acme/anvil", anvil.branches["main"], DONE)
    assert [one["state"] for one in anvil.statuses] == ["success"]
    assert github.writes()[-1].startswith("POST /repos/acme/hammer/")


def test_a_repository_that_we_may_only_read_takes_no_status(client: GithubClient, github: FakeGithub) -> None:
    theirs = github.repository("other/thing")
    github.organisations["other"] = {}
    sha = theirs.commit({"a": "1"})
    with pytest.raises(ForgeForbiddenError):
        client.set_status("other/thing", sha, DONE)


# --- repositories ------------------------------------------------------------------------------------------


def test_a_repository_is_told_by_its_present_name(client: GithubClient, github: FakeGithub, anvil: Repository) -> None:
    github.rename("acme/anvil", "acme/hammer")
    told = client.repository("acme/anvil")
    assert (told.full_name, told.description, told.private, told.default_branch) == (
        "acme/hammer", "Heavy", True, "main",
    )  # fmt: skip


def test_a_repository_that_is_not_ours_to_see_is_not_there(client: GithubClient) -> None:
    with pytest.raises(ForgeNotFoundError):
        client.repository("acme/nothing")


def test_an_organisation_is_listed_page_by_page_and_whole(client: GithubClient, github: FakeGithub) -> None:
    names = [f"acme/r{number:03}" for number in range(250)]
    for name in names:
        github.repository(name)
    listed = client.repositories("acme")
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
    client: GithubClient, github: FakeGithub, anvil: Repository, owner: str, expected: list[str]
) -> None:
    github.user("ada")
    for user in ("ada", BOT):
        github.repository(f"{user}/open")
        github.repository(f"{user}/hidden", private=True)
    assert [one.full_name for one in client.repositories(owner)] == expected


def test_an_owner_that_is_not_there_is_no_empty_list(client: GithubClient) -> None:
    with pytest.raises(ForgeNotFoundError):
        list(client.repositories("nobody"))


# --- branches and pull requests ----------------------------------------------------------------------------


def test_all_branches_are_told(client: GithubClient, anvil: Repository) -> None:
    for number in range(150):
        anvil.branches[f"b{number:03}"] = f"{number:040x}"
    heads = client.heads("acme/anvil")
    assert (len(heads), heads[0]) == (151, Head("b000", "0" * 40))


def test_an_empty_repository_has_no_branches(client: GithubClient, github: FakeGithub) -> None:
    github.repository("acme/empty")
    assert client.heads("acme/empty") == []


def test_open_pull_requests_are_told_as_their_webhook_tells_them(client: GithubClient, anvil: Repository) -> None:
    own = anvil.commit({"offer": "1"}, branch="offer")
    gift = anvil.commit({"gift": "1"}, branch="gift")
    anvil.pull("offer", title="Take it", author="ada")
    anvil.pull("gift", title="A gift", author="mallory", fork=True)
    closed = anvil.pull("gift", author="mallory")
    anvil.pulls[closed].state = "closed"
    newest, oldest = client.pulls("acme/anvil")
    assert (oldest.number, oldest.sha, oldest.base, oldest.fork, oldest.author) == (1, own, "main", "", "ada")
    assert (newest.sha, newest.fork, newest.ref, newest.forge) == (gift, "mallory/anvil", "refs/pull/2/head", "github")


def test_a_pull_request_of_a_deleted_fork_is_still_a_forks(client: GithubClient, anvil: Repository) -> None:
    anvil.commit({"gift": "1"}, branch="gift")
    anvil.pulls[anvil.pull("gift", fork=True)].head_repo = None
    assert client.pulls("acme/anvil")[0].fork == "a repository that is gone"


def test_a_pull_request_with_a_name_that_no_webhook_may_bring_does_not_hide_the_others(
    client: GithubClient, anvil: Repository
) -> None:
    anvil.branches |= {"bad name": "1" * 40, "good": "2" * 40}
    anvil.pulls[anvil.pull("good")].base = "bad name"
    anvil.pull("good")
    assert [event.number for event in client.pulls("acme/anvil")] == [2]


# --- changes -----------------------------------------------------------------------------------------------


def test_a_push_of_several_commits_changes_the_files_of_all(client: GithubClient, anvil: Repository) -> None:
    before = anvil.branches["main"]
    anvil.commit({"one": "1"}, "One")
    after = anvil.commit({"two": "2", "README.md": None}, "Two\n\n[skip ci]")
    assert client.changes("acme/anvil", before, after) == Changes(
        files=("README.md", "one", "two"), message="Two\n\n[skip ci]"
    )


def test_a_forced_push_also_changes_what_it_undid(client: GithubClient, anvil: Repository) -> None:
    first = anvil.branches["main"]
    undone = anvil.commit({"undone": "1"})
    anvil.push_back(first)
    after = anvil.commit({"done": "1"}, "Again")
    assert client.changes("acme/anvil", undone, after).files == ("done", "undone")
    assert client.changes("acme/anvil", undone, first).files == ("undone",)


def test_more_files_than_github_compares_are_not_known(client: GithubClient, anvil: Repository) -> None:
    before = anvil.branches["main"]
    after = anvil.commit({f"f{number}": "1" for number in range(301)})
    assert client.changes("acme/anvil", before, after).files is None


def test_a_branch_is_compared_whatever_it_is_called(client: GithubClient, anvil: Repository) -> None:
    after = anvil.commit({"one": "1"}, "One", branch="feature/a#b c")
    assert client.changes("acme/anvil", "main", after).files == ("one",)
    after = anvil.commit({"two": "1"}, "Two")
    assert client.changes("acme/anvil", "feature/a#b c", after).files == ("one", "two")


def test_a_new_branch_has_a_message_and_no_files_of_its_own(client: GithubClient, anvil: Repository) -> None:
    assert client.changes("acme/anvil", "0" * 40, anvil.branches["main"]) == Changes(message="The first one")


def test_a_commit_that_a_forced_push_removed_is_not_there(client: GithubClient, anvil: Repository) -> None:
    with pytest.raises(ForgeNotFoundError):
        client.changes("acme/anvil", "1" * 40, anvil.branches["main"])


def test_a_pull_request_changes_what_differs_from_its_base_alone(client: GithubClient, anvil: Repository) -> None:
    head = anvil.commit({f"f{number:03}": "1" for number in range(130)}, "Offer", branch="offer")
    anvil.commit({"elsewhere": "1"}, "On main meanwhile")
    told = client.pull_changes("acme/anvil", anvil.pull("offer"), head)
    assert (told.files, told.message) == (tuple(f"f{number:03}" for number in range(130)), "Offer")


def test_more_files_than_github_lists_of_a_pull_request_are_not_known(client: GithubClient, anvil: Repository) -> None:
    head = anvil.commit({f"f{number}": "1" for number in range(3_001)}, branch="large")
    assert client.pull_changes("acme/anvil", anvil.pull("large"), head).files is None


# --- comments ----------------------------------------------------------------------------------------------


def test_our_comment_is_written_once_and_then_rewritten(client: GithubClient, anvil: Repository) -> None:
    number = anvil.pull("main")
    anvil.comments[number] = [{"id": n + 10_000, "body": "hello", "user": {"login": "ada"}} for n in range(130)]
    for text in ("red", "green"):
        client.upsert_comment("acme/anvil", number, MARKER, text)
    assert [c["body"] for c in anvil.comments[number] if c["user"]["login"] == BOT] == [f"{MARKER}\ngreen"]


def test_the_same_text_writes_nothing(client: GithubClient, github: FakeGithub, anvil: Repository) -> None:
    number = anvil.pull("main")
    client.upsert_comment("acme/anvil", number, MARKER, "red\n")
    before = len(github.writes())
    anvil.comments[number][0]["body"] = f"{MARKER}\r\nred"
    client.upsert_comment("acme/anvil", number, MARKER, "red")
    assert len(github.writes()) == before


def test_a_strangers_comment_that_quotes_our_marker_is_left_alone(client: GithubClient, anvil: Repository) -> None:
    number = anvil.pull("main")
    anvil.comments[number] = [{"id": 7, "body": f"{MARKER} look", "user": {"login": "mallory"}}]
    client.upsert_comment("acme/anvil", number, MARKER, "red")
    assert [c["body"] for c in anvil.comments[number]] == [f"{MARKER} look", f"{MARKER}\nred"]


def test_a_comment_that_is_only_to_be_rewritten_is_not_begun(client: GithubClient, anvil: Repository) -> None:
    number = anvil.pull("main")
    client.upsert_comment("acme/anvil", number, MARKER, "green", rewrite_only=True)
    assert anvil.comments[number] == []


def test_a_second_comment_of_ours_that_a_slow_forge_made_late_goes(client: GithubClient, anvil: Repository) -> None:
    number = anvil.pull("main")
    own = [{"id": n, "body": f"{MARKER}\n{text}", "user": {"login": BOT}} for n, text in ((7, "red"), (8, "late"))]
    anvil.comments[number] = [own[0], {"id": 9, "body": "hello", "user": {"login": "ada"}}, own[1]]
    client.upsert_comment("acme/anvil", number, MARKER, "green")
    assert [c["body"] for c in anvil.comments[number]] == [f"{MARKER}\ngreen", "hello"]


# --- reviews -----------------------------------------------------------------------------------------------


def test_the_last_review_of_this_very_commit_by_who_may_push_counts(
    client: GithubClient, github: FakeGithub, anvil: Repository
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
    assert client.approvers("acme/anvil", number, head) == ["grace"]
    assert client.approvers("acme/anvil", number, early) == ["early"]


# --- who may -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("user", "may"), [("admin", True), ("writer", True), ("reader", False), ("unknown", False), ("", False)]
)
def test_who_may_push(client: GithubClient, github: FakeGithub, anvil: Repository, user: str, may: bool) -> None:
    for name, level in (("admin", "admin"), ("writer", "write"), ("reader", "read")):
        anvil.collaborators[github.user(name)] = level
    assert client.may_write("acme/anvil", user) is may


def test_of_a_repository_that_is_not_there_nobody_knows_who_may_push(client: GithubClient) -> None:
    with pytest.raises(ForgeNotFoundError):
        client.may_write("acme/nothing", "ada")


def test_who_may_not_ask_gets_no_guess(client: GithubClient, github: FakeGithub) -> None:
    github.repository("other/thing")
    github.organisations["other"] = {}
    with pytest.raises(ForgeRefusedError):
        client.may_write("other/thing", "ada")


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
