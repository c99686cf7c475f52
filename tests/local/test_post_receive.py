"""The hook: what it sends is what Gitea would send, and what the pool's own parser understands."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import msgspec
import pytest
from raibid.forge import gitea
from raibid.local.git import git
from raibid.local.post_receive import RefUpdate, payload, ref_updates
from raibid.local.state import opened
from raibid.model.push_event import PushEvent

ZEROS = "0" * 40
WHO = ["-c", "user.name=Ada", "-c", "user.email=ada@localhost", "-c", "commit.gpgsign=false"]


@pytest.fixture
def bare(tmp_path: Path) -> Path:
    """Three commits on main: README added; changed, and a name with blanks added; README removed."""
    work = tmp_path / "work"
    work.mkdir()

    def commit(message: str) -> None:
        git("add", "--all", at=work)
        git(*WHO, "commit", "--quiet", "-m", message, at=work)

    git("init", "--quiet", "--initial-branch=main", at=work)
    (work / "README").write_text("1")
    commit("one")
    (work / "README").write_text("2")
    (work / "späte größe.txt").write_text("x")
    commit("two\n\nwith a body")
    (work / "README").unlink()
    commit("three")
    subprocess.run(["git", "clone", "--quiet", "--bare", str(work), str(tmp_path / "bare.git")], check=True)
    return tmp_path / "bare.git"


def event(bare: Path, update: RefUpdate) -> PushEvent:
    body = msgspec.json.encode(payload(bare, "acme/anvil", update))
    parsed = gitea.parse({"x-gitea-event": "push"}, body)
    assert isinstance(parsed, PushEvent)
    return parsed


def commits(bare: Path) -> list[str]:
    return git("rev-list", "--reverse", "main", at=bare).splitlines()


def test_a_message_cannot_pose_as_another_commit(bare: Path) -> None:
    first, _, last = commits(bare)
    said = "innocent\n\n\x1e" + "\x1f".join(["a" * 40, "2026-11-21T12:00:00+00:00", "x", "y", "z", ""])
    forged = git(*WHO, "commit-tree", f"{last}^{{tree}}", "-p", last, "-m", said, at=bare).strip()
    sent = payload(bare, "acme/anvil", RefUpdate(first, forged, "refs/heads/main"))["commits"]
    assert [commit["id"] for commit in sent] == [forged, last, commits(bare)[1]]


def test_a_push_lists_what_its_commits_changed(bare: Path) -> None:
    first, _, last = commits(bare)
    got = event(bare, RefUpdate(first, last, "refs/heads/main"))
    assert got.changed == ("README", "späte größe.txt")
    assert got.message == "three\n"
    assert got.clone_url == bare.as_uri()
    assert got.default_branch == "main"


def test_a_new_branch_brings_its_own_commits_though_its_ref_exists_already(bare: Path) -> None:
    last = commits(bare)[-1]
    sent = payload(bare, "acme/anvil", RefUpdate(ZEROS, last, "refs/heads/main"))
    assert sent["total_commits"] == 3
    assert sent["head_commit"]["message"] == "three\n"


def test_a_deleted_branch_has_no_commits(bare: Path) -> None:
    assert event(bare, RefUpdate(commits(bare)[-1], ZEROS, "refs/heads/gone")).deletes


def test_a_long_push_says_how_many_commits_it_does_not_list(bare: Path) -> None:
    tree, tip = git("rev-parse", "main^{tree}", at=bare), commits(bare)[-1]
    before = tip
    for number in range(7):
        tip = git(*WHO, "commit-tree", tree, "-p", tip, "-m", f"n{number}", at=bare)
    sent = payload(bare, "acme/anvil", RefUpdate(before, tip, "refs/heads/main"))
    assert sent["total_commits"] == 7
    assert len(sent["commits"]) == 5
    assert event(bare, RefUpdate(before, tip, "refs/heads/main")).changed is None


@pytest.fixture
def api() -> Iterator[tuple[str, list[bytes]]]:
    """An API that answers each delivery with the next of the given bodies."""
    answers: list[bytes] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            body = answers.pop(0)
            self.send_response(200 if b'"error"' not in body else 422)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}", answers
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_ref_that_is_refused_keeps_no_other_from_being_delivered(
    bare: Path, tmp_path: Path, api: tuple[str, list[bytes]]
) -> None:
    url, answers = api
    answers += [
        b'{"error": "too old", "remedy": "push anew"}',
        b"<html>a printer</html>",
        b'{"id": "0r4d0k3n5q1zj8wb"}',
    ]
    last = commits(bare)[-1]
    updates = "".join(f"{ZEROS} {last} refs/heads/{name}\n" for name in ("one", "two", "three"))
    with opened(tmp_path / "state") as state, state.announced(url, max_agents=1):
        served = state.repositories / "acme" / "anvil.git"
        served.parent.mkdir()
        bare.rename(served)
        hook = [sys.executable, "-m", "raibid.local.post_receive", str(state.path)]
        done = subprocess.run(hook, cwd=served, input=updates, capture_output=True, text=True, check=True)
    one, two, three = done.stdout.splitlines()
    assert one == "raibid: the pool's API refused the push: too old (422); push anew (refs/heads/one)"
    assert "does not answer like the pool's API (200)" in two
    assert three == "raibid: job 0r4d0k3n5q1zj8wb (refs/heads/three)"
    assert done.stderr == ""


def test_the_hooks_input_is_a_line_per_ref() -> None:
    lines = [f"{ZEROS} {'a' * 40} refs/heads/a b\n", f"{'b' * 40} {ZEROS} refs/tags/v1\n"]
    assert [update.ref for update in ref_updates(lines)] == ["refs/heads/a b", "refs/tags/v1"]
