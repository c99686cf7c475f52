"""What a push or a pull request really changes, as GitHub tells it; and where it does not tell all."""

from __future__ import annotations

import pytest
from raibid.forge.errors import ForgeNotFoundError
from raibid.forge.forge import Changes
from raibid.forge.github import GithubClient

from tests.forge.github_fake import Repository


def test_a_push_of_several_commits_changes_the_files_of_all(github_client: GithubClient, anvil: Repository) -> None:
    before = anvil.branches["main"]
    anvil.commit({"one": "1"}, "One")
    after = anvil.commit({"two": "2", "README.md": None}, "Two\n\n[skip ci]")
    assert github_client.changes("acme/anvil", before, after) == Changes(
        files=("README.md", "one", "two"), message="Two\n\n[skip ci]"
    )


def test_a_forced_push_also_changes_what_it_undid(github_client: GithubClient, anvil: Repository) -> None:
    first = anvil.branches["main"]
    undone = anvil.commit({"undone": "1"})
    anvil.push_back(first)
    after = anvil.commit({"done": "1"}, "Again")
    assert github_client.changes("acme/anvil", undone, after).files == ("done", "undone")
    assert github_client.changes("acme/anvil", undone, first).files == ("undone",)


def test_more_files_than_github_compares_are_not_known(github_client: GithubClient, anvil: Repository) -> None:
    before = anvil.branches["main"]
    after = anvil.commit({f"f{number}": "1" for number in range(301)})
    assert github_client.changes("acme/anvil", before, after).files is None


def test_a_branch_is_compared_whatever_it_is_called(github_client: GithubClient, anvil: Repository) -> None:
    after = anvil.commit({"one": "1"}, "One", branch="feature/a#b c")
    assert github_client.changes("acme/anvil", "main", after).files == ("one",)
    after = anvil.commit({"two": "1"}, "Two")
    assert github_client.changes("acme/anvil", "feature/a#b c", after).files == ("one", "two")


def test_a_new_branch_has_a_message_and_no_files_of_its_own(github_client: GithubClient, anvil: Repository) -> None:
    assert github_client.changes("acme/anvil", "0" * 40, anvil.branches["main"]) == Changes(message="The first one")


def test_a_commit_that_a_forced_push_removed_is_not_there(github_client: GithubClient, anvil: Repository) -> None:
    with pytest.raises(ForgeNotFoundError):
        github_client.changes("acme/anvil", "1" * 40, anvil.branches["main"])


def test_a_pull_request_changes_what_differs_from_its_base_alone(
    github_client: GithubClient, anvil: Repository
) -> None:
    head = anvil.commit({f"f{number:03}": "1" for number in range(130)}, "Offer", branch="offer")
    anvil.commit({"elsewhere": "1"}, "On main meanwhile")
    told = github_client.pull_changes("acme/anvil", anvil.pull("offer"), head)
    assert (told.files, told.message) == (tuple(f"f{number:03}" for number in range(130)), "Offer")


def test_more_files_than_github_lists_of_a_pull_request_are_not_known(
    github_client: GithubClient, anvil: Repository
) -> None:
    head = anvil.commit({f"f{number}": "1" for number in range(3_001)}, branch="large")
    assert github_client.pull_changes("acme/anvil", anvil.pull("large"), head).files is None
