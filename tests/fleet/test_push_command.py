"""`python -m components push` as Pulumi runs it: a process with everything on stdin."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from tests.fleet.conftest import SENTINEL, Ask
from tests.fleet.repository import Repository

ROOT = Path(__file__).parents[2]
COMMAND = [sys.executable, "-m", "components", "push"]


def run(text: str, *options: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*COMMAND, *options], input=text, cwd=ROOT, capture_output=True, text=True, timeout=60)


def test_the_answer_names_the_commit_and_no_secret(repository: Repository, ask_secret: Ask, cluster_key: str) -> None:
    answer = run(ask_secret(password="hunter2").model_dump_json(), "--json")
    assert answer.returncode == 0, answer.stderr
    result = json.loads(answer.stdout)
    assert (result["revision"], result["pushed"]) == (repository.head, True)
    for word in (SENTINEL, "hunter2", cluster_key):
        assert word not in answer.stdout + answer.stderr


def test_people_get_a_sentence(ask: Ask) -> None:
    assert "3 written, 0 deleted" in run(ask().model_dump_json()).stdout
    assert "is up to date at" in run(ask().model_dump_json()).stdout


def test_notices_are_told_on_stderr(ask: Ask) -> None:
    answer = run(ask(unavailable=("a.enc.yaml",)).model_dump_json(), "--json")
    assert "notice: 1 Secrets are missing" in answer.stderr
    assert json.loads(answer.stdout)["missing"] == ["a.enc.yaml"]


def test_a_refusal_names_the_file_and_what_to_do(repository: Repository, ask: Ask) -> None:
    repository.commit({"README.md": "# theirs\n"})
    answer = run(ask().model_dump_json())
    assert answer.returncode == 1
    assert "README.md: exists, and this stack did not emit it" in answer.stderr
    assert "fleet.overwrite" in answer.stderr
    assert "Traceback" not in answer.stderr


@pytest.mark.parametrize("text", ["", "{}", f'{{"identity": "{SENTINEL}", "files": 5}}'])
def test_what_is_no_request_is_refused_without_repeating_it(text: str) -> None:
    answer = run(text)
    assert answer.returncode == 2
    assert "not a push request" in answer.stderr
    assert SENTINEL not in answer.stderr
    assert "Traceback" not in answer.stderr


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_push_that_is_stopped_leaves_nothing_behind(number: signal.Signals, ask: Ask) -> None:
    scratch = Path(os.environ["TMPDIR"])
    with socket.create_server(("127.0.0.1", 0)) as server:
        url = f"http://127.0.0.1:{server.getsockname()[1]}/fleet.git"
        process = subprocess.Popen(
            COMMAND, cwd=ROOT, stdin=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
        )
        assert process.stdin is not None
        process.stdin.write(ask(url=url, password="hunter2").model_dump_json())
        process.stdin.close()
        connection, _ = server.accept()  # git waits for an answer that never comes
        assert list(scratch.iterdir())
        process.send_signal(number)
        assert process.wait(timeout=30) == 130
        connection.close()
    assert not list(scratch.iterdir())
    assert process.stderr is not None
    assert "Traceback" not in process.stderr.read()
    process.stderr.close()


def test_help_has_examples() -> None:
    answer = run("", "--help")
    assert answer.returncode == 0
    assert "python -m components push --json < request.json" in answer.stdout
