"""Bad input and bad days: each ends in a sentence that says what to do, and in a remote as it was."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest
from pydantic import ValidationError

from components.fleet.errors import CredentialsError, GitError, RequestError, UnreachableError, UnsafePathError
from components.fleet.push import push
from components.fleet.request import PushResult, read_request
from tests.fleet.conftest import SENTINEL, Ask
from tests.fleet.repository import Repository


def test_a_host_that_nobody_answers_at_is_named(ask: Ask) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{unused.getsockname()[1]}/fleet.git"
        with pytest.raises(UnreachableError, match=url) as error:
            push(ask(url=url))
    assert "is the host up" in error.value.hint


def test_a_host_without_a_name_is_named(ask: Ask) -> None:
    with pytest.raises(UnreachableError, match=r"nowhere\.invalid"):
        push(ask(url="http://nowhere.invalid/fleet.git"))


def test_a_directory_that_is_no_repository_says_how_to_make_one(ask: Ask, tmp_path: Path) -> None:
    with pytest.raises(UnreachableError) as error:
        push(ask(url=str(tmp_path / "nothing")))
    assert "git init --bare" in error.value.hint


def test_an_ssh_host_that_refuses_is_told_as_such(ask: Ask, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ssh = tmp_path / "ssh"
    ssh.write_text("#!/bin/sh\necho 'git@git.example.org: Permission denied (publickey).' >&2\nexit 255\n")
    ssh.chmod(0o755)
    monkeypatch.setenv("GIT_SSH_COMMAND", str(ssh))
    with pytest.raises(CredentialsError, match="Permission denied") as error:
        push(ask(url="ssh://git@git.example.org/fleet.git"))
    assert "ssh" in error.value.hint


def test_another_host_key_is_no_reason_to_go_on(ask: Ask, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ssh = tmp_path / "ssh"
    ssh.write_text("#!/bin/sh\necho 'Host key verification failed.' >&2\nexit 255\n")
    ssh.chmod(0o755)
    monkeypatch.setenv("GIT_SSH_COMMAND", str(ssh))
    with pytest.raises(UnreachableError) as error:
        push(ask(url="git@git.example.org:fleet.git"))
    assert "find out why" in error.value.hint


def test_a_hook_that_declines_is_quoted_and_not_tried_again(repository: Repository, ask: Ask, tmp_path: Path) -> None:
    hook = repository.directory / "hooks" / "pre-receive"
    hook.write_text(f"#!/bin/sh\necho x >> {tmp_path}/calls\necho 'main is protected' >&2\nexit 1\n")
    hook.chmod(0o755)
    with pytest.raises(GitError, match="main is protected"):
        push(ask())
    assert (tmp_path / "calls").read_text() == "x\n"
    assert repository.refs == ""


def test_a_checkout_is_no_place_to_push_to(ask: Ask, repository: Repository) -> None:
    push(ask())
    desk = repository.desk()
    with pytest.raises(GitError, match="checked out") as error:
        push(ask(url=str(desk), files={"README.md": b"# other\n"}))
    assert "git init --bare" in error.value.hint
    assert (desk / "README.md").read_text() == "# fleet\n"


def test_without_git_the_message_says_to_install_it(ask: Ask, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nonexistent")
    with pytest.raises(GitError, match="git is not on PATH"):
        push(ask())


@pytest.mark.parametrize(
    "path",
    ["/etc/passwd", "../up", "a/../../b", "a//b", "", ".", ".git/hooks/x", "a/.GIT/x", "a\nb", 'a"b', "a b", "é"],
)
@pytest.mark.parametrize("field", ["files", "seeds"])
def test_a_path_that_leads_elsewhere_is_refused(path: str, field: str, repository: Repository, ask: Ask) -> None:
    with pytest.raises(UnsafePathError) as error:
        push(ask(**{field: {path: b"x"}}))
    assert repr(path) in str(error.value)
    assert repository.refs == ""


@pytest.mark.parametrize("url", ["", "--upload-pack=touch /tmp/x"])
def test_an_address_that_is_none_is_refused(url: str, ask: Ask) -> None:
    with pytest.raises(RequestError, match=r"fleet\.url"):
        push(ask(url=url))


def test_a_transport_that_runs_commands_is_refused_whatever_the_user_allows(
    ask: Ask, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / ".gitconfig").write_text('[protocol "ext"]\n\tallow = always\n')
    monkeypatch.setenv("HOME", str(tmp_path))
    with pytest.raises(GitError, match="ext"):
        push(ask(url=f"ext::sh -c touch% {tmp_path}/ran"))
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("branch", ["", "-x", "a b", "a..b", "main:other"])
def test_a_branch_that_is_none_is_refused(branch: str, ask: Ask) -> None:
    with pytest.raises(RequestError, match=r"fleet\.branch"):
        push(ask(branch=branch))


@pytest.mark.parametrize("text", ["", "{", "[]", f'{{"seed": "{SENTINEL}"}}', f'{{"files": "{SENTINEL}"}}'])
def test_what_is_no_request_names_fields_and_never_values(text: str) -> None:
    with pytest.raises(RequestError, match="not a push request") as error:
        read_request(text)
    assert SENTINEL not in str(error.value)
    assert error.value.__cause__ is None


def test_a_request_made_wrongly_does_not_quote_its_secrets_either(ask: Ask) -> None:
    with pytest.raises(ValidationError) as error:
        ask(secrets=SENTINEL, identity=[SENTINEL])
    assert SENTINEL not in str(error.value)


def test_a_request_survives_json(ask_secret: Ask) -> None:
    request = ask_secret(files={"a": b"\xff", "b": "text\n"})
    assert read_request(request.model_dump_json()) == request


def test_an_answer_survives_json() -> None:
    result = PushResult(revision="a" * 40, branch="main", pushed=True, written=("a",), notices=("b",))
    assert PushResult.model_validate_json(result.model_dump_json()) == result
