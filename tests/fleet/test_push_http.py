"""A password on its way to a real HTTP server: it arrives, and it is nowhere else."""

from __future__ import annotations

import os
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from urllib.parse import quote

import pytest

from components.fleet.errors import CredentialsError, RequestError, UnreachableError
from components.fleet.push import push
from tests.fleet.conftest import Ask
from tests.fleet.git_server import PASSWORD, USER, git_server, serving
from tests.fleet.repository import Repository

# A git that writes down how it was called, who can read what lies beside it, then does what it is for.
WITNESS = """\
#!/bin/sh
{ printf '%s\\n' "$@"; env; } >> "$0.log"
for f in "$TMPDIR"/*/*; do [ -f "$f" ] && stat -c '%a %n' "$f" >> "$0.modes"; done
for f in "$TMPDIR"/*/repository.git/config; do [ -f "$f" ] && cat "$f" >> "$0.log"; done
exec REAL "$@"
"""


@pytest.fixture
def url(repository: Repository) -> Iterator[str]:
    repository.git("config", "http.receivepack", "true")
    with git_server(repository.directory.parent) as base:
        yield f"{base}/{repository.directory.name}"


@pytest.fixture
def witness(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    real = next(
        f"{directory}/git" for directory in os.environ["PATH"].split(":") if os.access(f"{directory}/git", os.X_OK)
    )
    script = tmp_path / "bin" / "git"
    script.parent.mkdir()
    script.write_text(WITNESS.replace("REAL", real))
    script.chmod(0o755)
    monkeypatch.setenv("PATH", f"{script.parent}:{os.environ['PATH']}")
    return script


def test_a_password_opens_the_repository(repository: Repository, ask: Ask, url: str) -> None:
    result = push(ask(url=url, username=USER, password=PASSWORD))
    assert result.revision == repository.head
    assert not push(ask(url=url, username=USER, password=PASSWORD)).pushed


def test_the_user_may_stand_in_the_address(repository: Repository, ask: Ask, url: str) -> None:
    assert push(ask(url=url.replace("//", f"//{USER}@"), password=PASSWORD)).revision == repository.head


def test_the_password_is_in_no_argument_environment_configuration_or_mode(ask: Ask, url: str, witness: Path) -> None:
    push(ask(url=url, username=USER, password=PASSWORD))
    seen = witness.with_name("git.log").read_text()
    assert "ls-remote" in seen
    assert "push" in seen
    assert "[core]" in seen
    for spelling in (PASSWORD, quote(PASSWORD, safe="")):
        assert spelling not in seen
    lines = witness.with_name("git.modes").read_text().splitlines()
    modes = {Path(name).name: mode for mode, name in map(str.split, lines)}
    assert modes == {"askpass": "700", "password": "600", "username": "600"}


def test_traces_that_print_headers_are_switched_off(
    ask: Ask, url: str, witness: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GIT_TRACE_CURL", "1")
    monkeypatch.setenv("GIT_ASKPASS", "/bin/false")
    push(ask(url=url, username=USER, password=PASSWORD))
    assert "GIT_TRACE_CURL" not in witness.with_name("git.log").read_text()


@pytest.mark.parametrize(("user", "password"), [(USER, "wrong-password"), ("", "")])
def test_wrong_credentials_say_which_setting_and_not_the_password(user: str, password: str, ask: Ask, url: str) -> None:
    with pytest.raises(CredentialsError) as error:
        push(ask(url=url, username=user, password=password))
    assert "gitPassword" in error.value.hint
    assert url in str(error.value)
    assert "wrong-password" not in f"{error.value}{error.value.hint}"


def test_passwords_that_somebody_stored_are_not_used(
    ask: Ask, url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / ".gitconfig").write_text(f'[credential]\n\thelper = "!touch {tmp_path}/asked #"\n')
    monkeypatch.setenv("HOME", str(tmp_path))
    push(ask(url=url, username=USER, password=PASSWORD))
    assert not (tmp_path / "asked").exists()


def test_a_repository_that_is_not_there_says_to_create_it(ask: Ask, url: str) -> None:
    with pytest.raises(UnreachableError) as error:
        push(ask(url=f"{url}-not", username=USER, password=PASSWORD))
    assert "create the repository" in error.value.hint


def test_a_password_in_the_address_is_refused_and_not_repeated(ask: Ask) -> None:
    with pytest.raises(RequestError) as error:
        push(ask(url="https://me:hunter2@git.example.org/fleet.git"))
    assert "hunter2" not in f"{error.value}{error.value.hint}"


def test_a_redirection_never_takes_the_password_elsewhere(ask: Ask) -> None:
    asked: list[str] = []

    class Elsewhere(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_error(401)

        def log_message(self, *_: object) -> None:
            """Tests print nothing."""

    with serving(Elsewhere) as elsewhere:

        class Here(Elsewhere):
            def do_GET(self) -> None:
                self.send_response(302)
                self.send_header("Location", f"{elsewhere}{self.path}")
                self.end_headers()

        with serving(Here) as here, pytest.raises(UnreachableError):
            push(ask(url=f"{here}/fleet.git", username=USER, password=PASSWORD))
    assert asked == []
