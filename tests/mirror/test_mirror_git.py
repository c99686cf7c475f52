"""git at sources and mirrors: no secret in sight, and nothing that cannot be ended."""

from __future__ import annotations

import signal
import subprocess
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from raibid.git.cli import Git
from raibid.git.errors import GitError, StoppedError
from raibid.git.rooms import Rooms
from raibid.mirror.errors import MirrorTokenError
from raibid.mirror.sides import Side
from raibid.mirror.tokens import Tokens

from tests.waiting import until


def test_a_failure_of_gits_is_one_line_without_credentials() -> None:
    with pytest.raises(GitError) as failed:
        Side("https://user:secret@127.0.0.1:1/a/b", Git()).refs()
    assert "secret" not in str(failed.value)
    assert "\n" not in str(failed.value)


def test_how_a_command_ended_is_told_without_credentials() -> None:
    ended = Git().attempt("ls-remote", "--", "https://user:secret@127.0.0.1:1/a/b")
    assert ended.code == 128
    assert ended.out == ""
    assert "127.0.0.1" in ended.err
    assert "secret" not in repr(ended)


def test_no_argument_and_no_setting_of_git_holds_the_token(tmp_path: Path) -> None:
    file = tmp_path / "credentials"
    file.write_text("https://user:topsecret@127.0.0.1\n")
    asked = subprocess.run(
        ["git", "credential", "fill"],
        input="protocol=https\nhost=127.0.0.1\n\n",
        env=Git(credentials=file)._environment(),
        capture_output=True,
        text=True,
        check=True,
    )
    assert "password=topsecret" in asked.stdout
    assert "topsecret" not in str(Git(credentials=file)._environment())


def test_a_refused_credential_is_not_erased_from_the_file(tmp_path: Path) -> None:
    file = tmp_path / "credentials"
    file.write_text("https://user:topsecret@127.0.0.1\n")
    told = "protocol=https\nhost=127.0.0.1\nusername=user\npassword=topsecret\n\n"
    subprocess.run(
        ["git", "credential", "reject"], input=told, env=Git(credentials=file)._environment(), text=True, check=True
    )
    assert file.read_text() == "https://user:topsecret@127.0.0.1\n"


@pytest.mark.parametrize("text", ["top-secret", "top-secret\n", " top-secret \r\n", "\ntop-secret\t\n"])
def test_git_reads_a_token_as_we_do(tmp_path: Path, text: str) -> None:
    (tmp_path / "forge").write_bytes(text.encode())
    tokens = Tokens(tmp_path)
    filled = subprocess.run(
        ["git", "credential", "fill"],
        input="protocol=https\nhost=127.0.0.1\n\n",
        env=Git(token=tokens.file("forge"))._environment(),
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert "password=top-secret\n" in filled
    assert tokens.value("forge") == "top-secret"


@pytest.mark.parametrize("text", ["", "\n", "two words", "two\nlines", "bell\a"])
def test_a_token_is_one_word(tmp_path: Path, text: str) -> None:
    (tmp_path / "forge").write_text(text)
    with pytest.raises(MirrorTokenError, match="one line without blanks"):
        Tokens(tmp_path).file("forge")


@pytest.fixture
def silent() -> Iterator[tuple[str, threading.Event]]:
    """A forge that takes a request and never answers; its URL, and whether it was asked."""
    asked, over = threading.Event(), threading.Event()

    class Silent(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.set()
            over.wait()

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002  (the name of the overridden one)
            """Quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Silent)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/a/b.git", asked
    over.set()
    server.shutdown()
    server.server_close()
    thread.join()


def test_git_that_waits_for_a_silent_forge_is_ended_with_all_its_children(silent: tuple[str, threading.Event]) -> None:
    url, asked = silent
    stop, ended = threading.Event(), []

    def ask() -> None:
        try:
            Side(url, Git(stop=stop)).refs()
        except StoppedError as error:
            ended.append(error)

    asking = threading.Thread(target=ask)
    asking.start()
    until(asked.is_set, "the forge is asked")
    stop.set()
    asking.join(20)
    assert ended
    assert not asking.is_alive()


def test_ctrl_c_ends_git_as_well(silent: tuple[str, threading.Event]) -> None:
    url, asked = silent
    processes: list[subprocess.Popen[str]] = []

    class Pressed(threading.Event):
        def is_set(self) -> bool:
            if asked.is_set():
                raise KeyboardInterrupt
            return False

    class Seen(Git):
        @staticmethod
        def _wait(process: subprocess.Popen[str], *arguments: Any) -> tuple[str, str]:
            processes.append(process)
            return Git._wait(process, *arguments)

    with pytest.raises(KeyboardInterrupt):
        Seen(stop=Pressed()).run("ls-remote", "--", url)
    assert processes[0].returncode == -signal.SIGKILL


def test_git_that_takes_too_long_is_ended(silent: tuple[str, threading.Event]) -> None:
    with pytest.raises(GitError, match=r"ls-remote took longer than 0\.3 s"):
        Git().run("ls-remote", "--", silent[0], seconds=0.3)


def test_whoever_waits_for_the_large_room_goes_when_we_end() -> None:
    rooms = Rooms()
    with rooms.large():
        rooms.stop.set()
        with pytest.raises(StoppedError), rooms.large():
            pass
