"""Others push too: before us, while we do, and over what we did."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from components.fleet import push as fleet_push
from components.fleet.errors import HistoryError, MovedError
from components.fleet.git import Remote
from components.fleet.push import push
from tests.fleet.conftest import Ask
from tests.fleet.repository import Repository


class Busy:
    """Somebody who commits each time we are about to push."""

    def __init__(self, repository: Repository, times: int, monkeypatch: pytest.MonkeyPatch) -> None:
        self.calls = 0
        original = Remote.push

        def first(remote: Remote, *updates: str) -> bool:
            self.calls += 1
            if self.calls <= times:
                repository.commit({f"apps/local/{self.calls}.yaml": "x\n"})
            return original(remote, *updates)

        monkeypatch.setattr(Remote, "push", first)


def test_when_somebody_is_faster_all_is_decided_anew_on_top_of_it(
    repository: Repository, ask: Ask, monkeypatch: pytest.MonkeyPatch
) -> None:
    push(ask())
    busy = Busy(repository, 2, monkeypatch)
    result = push(ask(files={"README.md": b"# new\n"}))
    assert busy.calls == 3
    assert repository.head == result.revision
    assert {"apps/local/1.yaml", "apps/local/2.yaml", "README.md"} <= set(repository.files)
    assert repository.git("log", "--format=%an").splitlines() == ["raibid-ci", "Dev", "Dev", "raibid-ci"]


def test_when_somebody_is_always_faster_it_ends_and_says_so(
    repository: Repository, ask: Ask, monkeypatch: pytest.MonkeyPatch
) -> None:
    push(ask())
    busy = Busy(repository, 99, monkeypatch)
    with pytest.raises(MovedError, match=r"5 times in a row.*\[rejected\]"):
        push(ask(files={"README.md": b"# new\n"}))
    assert busy.calls == fleet_push.ATTEMPTS
    assert repository.read("README.md") == b"# fleet\n"


def test_a_remote_that_cannot_move_its_refs_is_quoted(repository: Repository, ask: Ask) -> None:
    """ "Cannot lock ref" is also what a branch in the way says, or a full disk: nobody else pushed."""
    push(ask(branch="main/x"))
    with pytest.raises(MovedError, match="'refs/heads/main/x' exists"):
        push(ask(environment="dev"))


def test_a_ref_that_changes_while_git_sends_is_tried_again(
    repository: Repository, ask: Ask, monkeypatch: pytest.MonkeyPatch
) -> None:
    push(ask())
    hook = repository.directory / "hooks" / "pre-receive"
    # Once: a commit appears between the check and the update, as two pushes at the same moment do.
    hook.write_text(
        "#!/bin/sh\nrm -- $0\nunset GIT_QUARANTINE_PATH GIT_OBJECT_DIRECTORY GIT_ALTERNATE_OBJECT_DIRECTORIES\n"
        "export GIT_AUTHOR_NAME=a GIT_AUTHOR_EMAIL=a GIT_COMMITTER_NAME=a GIT_COMMITTER_EMAIL=a\n"
        'git update-ref refs/heads/main "$(git commit-tree -p main -m raced main^{tree})"\n'
    )
    hook.chmod(0o755)
    push(ask(files={"README.md": b"# new\n"}))
    assert repository.git("log", "--format=%s").splitlines()[1] == "raced"
    assert repository.read("README.md") == b"# new\n"


def rewrite(repository: Repository) -> None:
    desk = repository.desk()
    fresh = repository.git("commit-tree", "HEAD^{tree}", "-m", "history begins today", cwd=desk)
    repository.git("push", "-q", "--force", "origin", f"{fresh}:refs/heads/main", cwd=desk)


def amend(repository: Repository) -> None:
    desk = repository.desk()
    repository.git("commit", "-q", "--amend", "-m", "nicer", cwd=desk)
    repository.git("push", "-q", "--force", "origin", "main", cwd=desk)


@pytest.mark.parametrize("change", [rewrite, amend], ids=["replaced", "amended"])
def test_a_rewritten_history_is_refused_and_built_upon_only_when_asked(
    change: Callable[[Repository], None], repository: Repository, ask: Ask
) -> None:
    last = push(ask()).revision
    change(repository)
    refs = repository.refs
    with pytest.raises(HistoryError, match=last) as error:
        push(ask(files={"README.md": b"# new\n"}))
    assert "refs/raibid/local" in error.value.hint
    assert repository.refs == refs
    asked = push(ask(files={"README.md": b"# new\n"}, overwrite=True))
    assert repository.git("rev-parse", "refs/raibid/local") == asked.revision == repository.head
    assert not push(ask(files={"README.md": b"# new\n"})).pushed


@pytest.mark.parametrize("files", [{"README.md": b"# new\n"}, {}], ids=["changed", "the same"])
def test_a_push_stopped_before_the_new_trace_is_made_good_by_the_next(
    files: dict[str, bytes], repository: Repository, ask: Ask, monkeypatch: pytest.MonkeyPatch
) -> None:
    push(ask())
    rewrite(repository)
    original, pushes = Remote.push, 0

    def stopped(remote: Remote, *updates: str) -> bool:
        nonlocal pushes
        pushes += 1
        if pushes == 2:
            raise KeyboardInterrupt
        return original(remote, *updates)

    asked = ask(files={**ask().files, **files})
    with monkeypatch.context() as patch:
        patch.setattr(Remote, "push", stopped)
        with pytest.raises(KeyboardInterrupt):
            push(asked.model_copy(update={"overwrite": True}))
    assert "refs/raibid/local" not in repository.refs
    again = push(asked)
    assert not again.pushed
    assert repository.git("rev-parse", "refs/raibid/local") == again.revision == repository.head
    amend(repository)
    with pytest.raises(HistoryError, match=again.revision):
        push(asked)


def test_a_branch_that_is_gone_is_refused(repository: Repository, ask: Ask) -> None:
    push(ask())
    repository.git("update-ref", "-d", "refs/heads/main")
    with pytest.raises(HistoryError, match="does not contain"):
        push(ask())


def test_commits_of_others_on_top_are_no_rewriting(repository: Repository, ask: Ask) -> None:
    push(ask())
    for number in range(3):
        repository.commit({f"apps/local/{number}.yaml": "x\n"})
    assert push(ask(files={"README.md": b"# new\n"})).pushed


def test_a_push_that_fails_half_way_changes_no_ref(repository: Repository, ask: Ask) -> None:
    push(ask())
    refs = repository.refs
    hook = repository.directory / "hooks" / "update"
    hook.write_text('#!/bin/sh\n[ "$1" != refs/raibid/local ]\n')
    hook.chmod(0o755)
    with pytest.raises(Exception, match="hook declined"):
        push(ask(files={"README.md": b"# new\n"}))
    assert repository.refs == refs


def test_the_word_force_is_in_no_command(repository: Repository, ask: Ask, monkeypatch: pytest.MonkeyPatch) -> None:
    updates: list[str] = []
    original = Remote.push

    def watched(remote: Remote, *given: str) -> bool:
        updates.extend(given)
        return original(remote, *given)

    monkeypatch.setattr(Remote, "push", watched)
    push(ask())
    rewrite(repository)
    push(ask(overwrite=True, files={"README.md": b"# new\n"}))
    assert updates
    assert not [update for update in updates if update.startswith("+")]
