"""What `git push --porcelain` says, as git and forges write it: raced, refused, or git's own error."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from raibid.git.cli import Ended
from raibid.git.errors import GitError
from raibid.gitops.change.push_answer import push_error
from raibid.gitops.errors import GitopsError, PushRacedError, PushRefusedError

TO = "To https://gitea.dgx.local/raibid/fleet.git\n"
GITEA = "remote: \nremote: Gitea: Not allowed to push to protected branch main        \n"
GITHUB = "remote: error: GH006: Protected branch update failed for refs/heads/main.        \n"
RULES = "remote: error: GH013: Repository rule violations found for refs/heads/main.        \n"


@pytest.mark.parametrize(
    "why",
    [
        "[rejected] (fetch first)",
        "[rejected] (non-fast-forward)",
        "[rejected] (stale info)",
        "[remote rejected] (cannot lock ref 'refs/heads/main': is at 1a but expected 2b)",
        "[remote rejected] (failed to update ref)",
        "[remote rejected] (incorrect old value provided)",
        "[remote rejected] (reference already exists)",
    ],
)
def test_who_was_late_is_raced(why: str) -> None:
    error = push_error("main", Ended(1, f"{TO}!\tHEAD:refs/heads/main\t{why}\nDone\n", "error: failed to push\n"))
    assert isinstance(error, PushRacedError)


@pytest.mark.parametrize(
    ("why", "err", "said"),
    [
        ("[remote rejected] (pre-receive hook declined)", GITEA, "Not allowed to push to protected branch main"),
        ("[remote rejected] (protected branch hook declined)", GITHUB, "GH006"),
        ("[remote rejected] (push declined due to repository rule violations)", RULES, "GH013"),
        ("[remote rejected] (shallow update not allowed)", "", "shallow update"),
        ("[remote rejected]", "", "remote rejected"),
    ],
)
def test_whom_the_forge_does_not_let_is_refused_in_its_words(why: str, err: str, said: str) -> None:
    error = push_error("main", Ended(1, f"{TO}!\tHEAD:refs/heads/main\t{why}\nDone\n", err))
    assert isinstance(error, PushRefusedError)
    assert said in str(error)
    assert "\n" not in str(error)


def test_a_hook_does_not_steer_the_terminal() -> None:
    line = "!\tHEAD:refs/heads/main\t[remote rejected] (pre-receive hook declined)"
    assert "\x1b" not in str(push_error("main", Ended(1, line, "remote: \x1b[2J\x1b[31mno\x1b[0m")))


@pytest.mark.parametrize(
    "err",
    [
        "fatal: unable to access 'https://x/': The requested URL returned error: 403",
        "fatal: Authentication failed for 'https://x/'",
        "fatal: could not read Username for 'https://x': terminal prompts disabled",
    ],
)
def test_without_the_right_credentials_it_is_refused(err: str) -> None:
    assert isinstance(push_error("main", Ended(128, "", err)), PushRefusedError)


@pytest.mark.parametrize(
    "err", ["fatal: unable to access 'https://x/': Could not resolve host: x", "", "error: RPC failed"]
)
def test_a_forge_that_is_away_is_neither(err: str) -> None:
    error = push_error("main", Ended(128, "", err))
    assert isinstance(error, GitError)


def test_the_reason_is_told_and_not_the_last_line() -> None:
    lines = (
        "error: RPC failed; HTTP 413 curl 22",
        "fatal: the remote end hung up unexpectedly",
        "Everything up-to-date",
    )
    assert "HTTP 413" in str(push_error("main", Ended(1, "", "\n".join(lines))))


@given(st.text(), st.text())
def test_whatever_is_said_is_an_error_of_one_kind(out: str, err: str) -> None:
    assert isinstance(push_error("main", Ended(1, out, err)), GitopsError | GitError)
