from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from components.fleet.push import push
from tests.fleet.conftest import Ask
from tests.fleet.repository import Repository, digest


def test_an_empty_repository_gets_the_whole_tree(repository: Repository, ask: Ask) -> None:
    result = push(ask())
    assert repository.files["infrastructure/a.yaml"] == b"a: 1\n"
    assert repository.record() == {path: digest(data) for path, data in ask().files.items()}
    assert (result.revision, result.pushed) == (repository.head, True)


def test_the_commit_names_stack_digest_and_version(repository: Repository, ask: Ask) -> None:
    push(ask(), clock=lambda: datetime(2026, 11, 21, tzinfo=UTC))
    shown = repository.git("log", "-1", "--format=%s|%ct|%(trailers:only,unfold,separator=%x2C)")
    trailers = f"Raibid-Stack: local,Raibid-Digest: {'d' * 64},Raibid-Version: 0.1.0"
    assert shown == f"Emit local: 3 files written|1795219200|{trailers}"


def test_the_same_emission_again_makes_no_commit(repository: Repository, ask: Ask) -> None:
    first = push(ask())
    refs = repository.refs
    again = push(ask(digest="e" * 64, version="0.2.0"))
    assert (again.pushed, again.written, again.revision) == (False, (), first.revision)
    assert repository.refs == refs


def test_only_what_changed_is_written(repository: Repository, ask: Ask) -> None:
    push(ask())
    result = push(ask(files={"infrastructure/a.yaml": b"a: 2\n", "README.md": b"# fleet\n"}))
    assert result.written == ("clusters/local/emitted.json", "infrastructure/a.yaml")
    assert repository.git("log", "--format=%s") == "Emit local: 2 files written\nEmit local: 3 files written"


def test_what_is_no_longer_emitted_is_deleted(repository: Repository, ask: Ask) -> None:
    push(ask())
    result = push(ask(files={"README.md": b"# fleet\n"}))
    assert result.deleted == ("infrastructure/a.yaml",)
    assert set(repository.files) == {"README.md", "clusters/local/emitted.json"}


def test_a_file_may_become_a_directory(repository: Repository, ask: Ask) -> None:
    push(ask(files={"docs": b"x"}))
    push(ask(files={"docs/a.md": b"x"}))
    assert "docs/a.md" in repository.files


def test_files_of_developers_are_left_alone(repository: Repository, ask: Ask) -> None:
    push(ask())
    repository.commit({"apps/local/shop/deployment.yaml": "kind: Deployment\n"})
    push(ask(files={"README.md": b"# changed\n"}))
    assert repository.files["apps/local/shop/deployment.yaml"] == b"kind: Deployment\n"
    assert "by hand" in repository.git("log", "--format=%s")


def test_a_seed_is_written_once_and_then_belongs_to_whoever_edits_it(repository: Repository, ask: Ask) -> None:
    seeds = {"apps/local/kustomization.yaml": b"resources: []\n"}
    push(ask(seeds=seeds))
    repository.commit({"apps/local/kustomization.yaml": "resources: [shop]\n"})
    result = push(ask(seeds=seeds))
    assert not result.pushed
    assert repository.files["apps/local/kustomization.yaml"] == b"resources: [shop]\n"
    push(ask())
    assert "apps/local/kustomization.yaml" in repository.files


def test_bytes_that_are_no_text_arrive_as_they_are(repository: Repository, ask: Ask) -> None:
    push(ask(files={"logo.png": b"\x89PNG\r\n\0\xff"}))
    assert repository.files["logo.png"] == b"\x89PNG\r\n\0\xff"


def test_another_branch_is_another_history(repository: Repository, ask: Ask) -> None:
    push(ask())
    push(ask(branch="next", environment="dev", files={"b": b""}))
    assert repository.git("ls-tree", "-r", "--name-only", "next").splitlines() == ["b", "clusters/dev/emitted.json"]


@pytest.mark.parametrize("spelling", ["{path}", "file://{path}"])
def test_a_directory_and_a_file_url_are_the_same(spelling: str, repository: Repository, ask: Ask) -> None:
    assert push(ask(url=spelling.format(path=repository.directory))).revision == repository.head


def test_nothing_is_left_beside_the_repository(ask: Ask, tmp_path: Path) -> None:
    push(ask())
    assert not list((tmp_path / "scratch").iterdir())
