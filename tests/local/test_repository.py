"""What the pool serves: samples, a user's path, a URL; nothing of the user's is changed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from raibid.local import repository
from raibid.local.errors import RepositoryError
from raibid.local.git import git
from raibid.local.state import StateDir, opened

Own = Callable[[str], Path]


@pytest.fixture
def state(tmp_path: Path) -> Iterator[StateDir]:
    with opened(tmp_path / "state") as opened_state:
        yield opened_state


@pytest.fixture
def hooks_everywhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A user whose git config has hooks for every repository (husky, pre-commit), and they refuse everything."""
    hooks = tmp_path / "hooks"
    hooks.mkdir()
    for name in ("pre-commit", "pre-push", "commit-msg", "prepare-commit-msg", "post-receive"):
        (hooks / name).write_text("#!/bin/sh\necho refused by the user >&2\nexit 1\n")
        (hooks / name).chmod(0o755)
    config = tmp_path / "gitconfig"
    config.write_text(f"[core]\n\thooksPath = {hooks}\n")
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(config))


@pytest.mark.usefixtures("hooks_everywhere")
def test_hooks_of_the_users_own_git_config_neither_run_nor_keep_the_pools_from_running(state: StateDir) -> None:
    pushed = repository.push(repository.serve_sample(state, "python"))
    assert pushed.said == "raibid: no pool runs here: the push is stored but not built; start it with `raibid up`"


def test_a_push_of_what_is_there_already_is_told_from_a_silent_hook(own_repository: Own, state: StateDir) -> None:
    served = repository.serve_path(state, own_repository("true"))
    (served.bare / "hooks" / "post-receive").write_text("#!/bin/sh\n")
    first, second = repository.push(served), repository.push(served)
    assert (first.new, first.said) == (True, "")
    assert (second.new, second.said) == (False, "")


@pytest.mark.parametrize("sample", ["rust", "python"])
def test_a_sample_has_something_to_push_every_time(sample: str, state: StateDir) -> None:
    first = repository.push(repository.serve_sample(state, sample))
    second = repository.push(repository.serve_sample(state, sample))
    assert first.sha != second.sha
    assert "no pool runs here" in second.said
    assert second.job_id == ""


def test_a_path_is_served_from_its_current_branch_and_left_as_it_was(own_repository: Own, state: StateDir) -> None:
    own = own_repository("true")
    before = {p: p.read_bytes() for p in own.rglob("*") if p.is_file()}
    served = repository.serve_path(state, own)
    pushed = repository.push(served)
    assert (served.name, served.branch) == ("local/own", "trunk")
    assert git("rev-parse", "refs/heads/trunk", at=served.bare) == pushed.sha
    assert git("symbolic-ref", "HEAD", at=served.bare) == "refs/heads/trunk"
    assert {p: p.read_bytes() for p in own.rglob("*") if p.is_file()} == before


def test_uncommitted_files_are_counted(own_repository: Own, state: StateDir) -> None:
    own = own_repository("true")
    served = repository.serve_path(state, own)
    assert repository.uncommitted(served) == 0
    (own / "new.txt").write_text("x")
    assert repository.uncommitted(served) == 1


def test_a_url_is_cloned_with_its_default_branch(own_repository: Own, state: StateDir) -> None:
    served = repository.serve_url(state, own_repository("true").as_uri())
    assert served.branch == "trunk"
    assert repository.push(served).sha


def test_a_detached_head_is_served_under_a_name_of_its_own(own_repository: Own, state: StateDir) -> None:
    own = own_repository("true")
    git("checkout", "--quiet", "--detach", at=own)
    assert repository.serve_path(state, own).branch == "detached"


def test_a_rewritten_branch_is_pushed_all_the_same(own_repository: Own, state: StateDir) -> None:
    own = own_repository("true")
    repository.push(repository.serve_path(state, own))
    git("-c", "user.name=a", "-c", "user.email=a@b", "commit", "--quiet", "--amend", "--no-edit", "-m", "again", at=own)
    served = repository.serve_path(state, own)
    assert git("rev-parse", "refs/heads/trunk", at=served.bare) != repository.push(served).sha


def test_a_repository_without_a_commit_is_said_so(tmp_path: Path, state: StateDir) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    git("init", "--quiet", at=empty)
    with pytest.raises(RepositoryError, match="has no commit yet: commit something"):
        repository.serve_path(state, empty)


def test_a_folder_that_is_no_repository_is_said_so(tmp_path: Path, state: StateDir) -> None:
    with pytest.raises(RepositoryError, match="is not a git repository"):
        repository.serve_path(state, tmp_path)
