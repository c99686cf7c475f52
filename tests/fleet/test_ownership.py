from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.fleet.errors import DivergedError, FleetError, RecordError
from components.fleet.plan import Plan, Snapshot, plan
from components.fleet.push import _utc_now, push
from components.fleet.request import PushRequest
from tests.fleet.conftest import Ask
from tests.fleet.repository import Repository


def refused(repository: Repository, request: PushRequest) -> dict[str, str]:
    """Which paths a push refuses, and why; that the repository is as it was."""
    refs = repository.refs
    with pytest.raises(DivergedError) as error:
        push(request)
    assert repository.refs == refs
    assert "fleet.overwrite" in error.value.hint
    assert all(path in str(error.value) for path in error.value.files)
    return error.value.files


def test_a_file_edited_by_hand_is_refused_by_name(repository: Repository, ask: Ask) -> None:
    push(ask())
    repository.commit({"README.md": "# mine\n"})
    assert refused(repository, ask()) == {"README.md": "edited since the last emission"}


def test_a_file_deleted_by_hand_is_refused_by_name(repository: Repository, ask: Ask) -> None:
    push(ask())
    repository.commit({"README.md": None})
    assert refused(repository, ask()) == {"README.md": "deleted since the last emission"}


def test_an_edited_file_that_is_no_longer_emitted_is_refused_too(repository: Repository, ask: Ask) -> None:
    push(ask())
    repository.commit({"README.md": "# mine\n"})
    files = {"infrastructure/a.yaml": b"a: 1\n"}
    assert refused(repository, ask(files=files)) == {
        "README.md": "edited since the last emission, and no longer emitted"
    }


def test_a_file_that_we_did_not_emit_is_refused_by_name(repository: Repository, ask: Ask) -> None:
    repository.commit({"README.md": "# theirs\n"})
    assert refused(repository, ask()) == {"README.md": "exists, and this stack did not emit it"}


def test_a_file_that_already_says_the_same_is_taken_over(repository: Repository, ask: Ask) -> None:
    repository.commit({"README.md": "# fleet\n"})
    push(ask())
    assert "README.md" in repository.record()


def test_a_link_in_place_of_our_file_is_refused_and_never_followed(repository: Repository, ask: Ask) -> None:
    push(ask())
    desk = repository.desk()
    (desk / "README.md").unlink()
    (desk / "README.md").symlink_to("/etc/hostname")
    repository.publish("link")
    assert refused(repository, ask()) == {"README.md": "replaced by a link or submodule"}
    push(ask(overwrite=True))
    assert repository.files["README.md"] == b"# fleet\n"
    assert repository.git("ls-tree", "main", "README.md").startswith("100644")


def test_a_submodule_in_place_of_a_record_is_no_record(repository: Repository, ask: Ask) -> None:
    push(ask())
    desk = repository.desk()
    entry = f"160000,{repository.git('rev-parse', 'HEAD', cwd=desk)},clusters/dev/emitted.json"
    repository.git("update-index", "--add", "--cacheinfo", entry, cwd=desk)
    repository.git("commit", "-q", "-m", "not a file", cwd=desk)
    repository.git("push", "-q", "origin", "main", cwd=desk)
    assert push(ask(files={**ask().files, "README.md": b"# new\n"})).pushed


def test_a_link_in_place_of_a_directory_is_refused_even_when_asked(repository: Repository, ask: Ask) -> None:
    desk = repository.desk()
    (desk / "infrastructure").symlink_to("/etc")
    repository.publish("link")
    assert refused(repository, ask(overwrite=True)) == {
        "infrastructure/a.yaml": "infrastructure is a file or link in the repository, not a directory"
    }


def test_a_directory_in_place_of_our_file_is_refused_even_when_asked(repository: Repository, ask: Ask) -> None:
    repository.commit({"README.md/notes": "x"})
    assert refused(repository, ask(overwrite=True)) == {"README.md": "is a directory in the repository"}


def test_all_refused_paths_are_told_at_once(repository: Repository, ask: Ask) -> None:
    push(ask())
    repository.commit({"README.md": "# mine\n", "infrastructure/a.yaml": "a: 3\n"})
    assert list(refused(repository, ask())) == ["README.md", "infrastructure/a.yaml"]


def test_when_asked_everything_is_taken_back(repository: Repository, ask: Ask) -> None:
    push(ask())
    repository.commit({"README.md": "# mine\n", "infrastructure/a.yaml": None, "notes.txt": "mine\n"})
    push(ask(overwrite=True))
    assert repository.files["README.md"] == b"# fleet\n"
    assert repository.files["infrastructure/a.yaml"] == b"a: 1\n"
    assert repository.files["notes.txt"] == b"mine\n"
    assert not push(ask()).pushed


def test_two_environments_share_what_is_the_same_for_both(repository: Repository, ask: Ask) -> None:
    push(ask())
    result = push(ask(environment="dev", stack="dev"))
    assert result.written == ("clusters/dev/emitted.json",)
    assert repository.record("dev") == repository.record("local")


def test_what_another_environment_still_has_is_not_deleted(repository: Repository, ask: Ask) -> None:
    push(ask())
    push(ask(environment="dev"))
    result = push(ask(files={"README.md": b"# fleet\n"}))
    assert result.deleted == ()
    push(ask(environment="dev", files={}))
    assert set(repository.files) == {"README.md", "clusters/dev/emitted.json", "clusters/local/emitted.json"}


def test_a_base_that_one_environment_renewed_is_no_edit_to_the_other(repository: Repository, ask: Ask) -> None:
    push(ask(), clock=_utc_now)
    push(ask(environment="dev"))
    newer = {"infrastructure/a.yaml": b"a: 2\n", "README.md": b"# fleet\n"}
    assert push(ask(files=newer)).notices == ("1 changed files are of environment dev too",)
    push(ask(environment="dev", files=newer))
    assert repository.record("dev") == repository.record("local")


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", '{"files": 5}', '{"files": {"../x": "0"}}', '{"files": {"/etc": "0"}}']
)
def test_a_damaged_record_is_named_and_nothing_is_written(text: str, repository: Repository, ask: Ask) -> None:
    push(ask())
    repository.commit({"clusters/local/emitted.json": text})
    refs = repository.refs
    with pytest.raises(RecordError, match=r"clusters/local/emitted\.json") as error:
        push(ask())
    assert "git log -- clusters/local/emitted.json" in error.value.hint
    assert repository.refs == refs


names = st.sampled_from(["a", "b", "c/d", "c/e", "apps/x"])
trees = st.dictionaries(names, st.sampled_from([b"1", b"2", b"3"]))


def request_for(files: dict[str, bytes], *, overwrite: bool = False) -> PushRequest:
    return PushRequest(
        url="x", environment="local", stack="local", digest="d", version="v", files=files, overwrite=overwrite
    )


def applied(snapshot: Snapshot, change: Plan) -> Snapshot:
    contents = {path: data for path, data in snapshot.contents.items() if path not in change.deletes}
    contents |= change.writes
    return Snapshot(dict.fromkeys(contents, "100644"), contents)


@given(first=trees, edits=trees, second=trees, overwrite=st.booleans())
def test_whatever_happens_a_foreign_byte_is_only_lost_when_asked(
    first: dict[str, bytes], edits: dict[str, bytes], second: dict[str, bytes], overwrite: bool
) -> None:
    emitted = applied(Snapshot(), plan(request_for(first), Snapshot(), now=_utc_now()))
    edited = applied(emitted, Plan(edits, (), (), ()))
    foreign = {path: data for path, data in edits.items() if first.get(path) != data}
    try:
        after = applied(edited, plan(request_for(second, overwrite=overwrite), edited, now=_utc_now()))
    except FleetError:
        assert foreign
        assert not overwrite
        return
    assert all(after.contents[path] == data for path, data in second.items())
    for path, data in foreign.items():
        assert overwrite or after.contents[path] == data
    assert set(json.loads(after.contents["clusters/local/emitted.json"])["files"]) == set(second)
    again = plan(request_for(second), after, now=_utc_now())
    assert not again.writes
    assert not again.deletes
