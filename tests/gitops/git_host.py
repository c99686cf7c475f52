"""A forge as git sees it: repositories over HTTP to fetch and to push, with a login, protected branches and races.

with GitHost(tmp_path) as host:
    url = host.repository("raibid/fleet", {"apps/a.yaml": "a: 1\n"})
    host.protect("raibid/fleet", "main")

Owns: git's own http-backend behind Basic authentication; what others push meanwhile.
Leaves to others: the forge's API (`tests/gitops/pulls_forge.py`).
"""

from __future__ import annotations

import base64
import json
import os
import subprocess
import tempfile
import threading
from collections.abc import Callable, Mapping
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any, Final, Protocol
from urllib.parse import parse_qsl, urlsplit

from tests.http_server import HttpServer

USER: Final = "raibid"
PASSWORD: Final = "s3cret-of-the-host"
_WHO: Final = {
    "GIT_AUTHOR_NAME": "Dev",
    "GIT_AUTHOR_EMAIL": "dev@example.org",
    "GIT_COMMITTER_NAME": "Dev",
    "GIT_COMMITTER_EMAIL": "dev@example.org",
}
_GUARD: Final = """#!/bin/sh
while read -r old new ref; do
  if grep -qxF "$ref" protected; then
    echo "Gitea: Not allowed to push to protected branch ${ref#refs/heads/}" >&2
    exit 1
  fi
done
"""


class Api(Protocol):
    """A forge's API: its status and answer, which is sent as JSON."""

    def answer(self, method: str, path: str, query: Mapping[str, str], body: Any) -> tuple[int, Any]: ...


class GitHost(HttpServer):
    """Its repositories are bare ones below `root`; a push, and every fetch, needs the login."""

    def __init__(self, root: Path) -> None:
        self.root: Final = root
        self.pushes = 0
        """That reached the host, also those that were refused."""
        self.before_push: Callable[[], None] | None = None
        """Called when a push arrives, and before it is looked at: another push may land in between."""
        self.lose_answer = False
        """The next push goes in, and whoever pushed is never told."""
        self.api: Api | None = None
        """What answers below `/api/`; None: it is a host without an API that we know."""
        self.lock = threading.Lock()

    def repository(self, name: str, files: Mapping[str, str | bytes], *, branch: str = "main") -> str:
        """Make a repository of one commit; its URL."""
        bare = self.bare(name)
        git(self.root, "init", "--quiet", "--bare", f"--initial-branch={branch}", str(bare))
        for key in ("http.receivepack", "uploadpack.allowReachableSHA1InWant"):
            git(bare, "config", key, "true")
        (bare / "protected").touch()
        (bare / "hooks" / "pre-receive").write_text(_GUARD)
        (bare / "hooks" / "pre-receive").chmod(0o755)
        self.commit(name, files, "first", branch=branch)
        return self.clone_url(name)

    def bare(self, name: str) -> Path:
        return self.root / f"{name}.git"

    def clone_url(self, name: str) -> str:
        return f"{self.url}/{name}.git"

    def credentials(self, file: Path, password: str = PASSWORD) -> Path:
        """A file as git-credential-store has it, with the login for this host."""
        file.write_text(f"http://{USER}:{password}@127.0.0.1:{self.port}\n")
        return file

    def protect(self, name: str, branch: str = "main") -> None:
        """From now on nobody pushes to this branch over HTTP."""
        with (self.bare(name) / "protected").open("a") as protected:
            protected.write(f"refs/heads/{branch}\n")

    def commit(
        self,
        name: str,
        files: Mapping[str, str | bytes | None],
        message: str = "somebody else's",
        *,
        branch: str = "main",
        who: Mapping[str, str] = _WHO,
    ) -> str:
        """What somebody else pushes, on top of what is there; the commit."""
        bare, ref = self.bare(name), f"refs/heads/{branch}"
        with tempfile.TemporaryDirectory() as place:
            at = {**os.environ, **who, "GIT_INDEX_FILE": f"{place}/index"}
            before = git(bare, "for-each-ref", "--format=%(objectname)", ref)
            if before:
                git(bare, "read-tree", before, env=at)
            for path, content in files.items():
                if content is None:
                    git(bare, "update-index", "--index-info", lines=f"0 {'0' * 40}\t{path}\n".encode(), env=at)
                    continue
                data = content.encode() if isinstance(content, str) else content
                blob = git(bare, "hash-object", "-w", "--stdin", lines=data)
                git(bare, "update-index", "--add", "--cacheinfo", f"100644,{blob},{path}", env=at)
            tree = git(bare, "write-tree", env=at)
            parents = ("-p", before) if before else ()
            made = git(bare, "commit-tree", tree, *parents, "-m", message, env=at)
        git(bare, "update-ref", ref, made, before or "0" * 40)
        return made

    def head(self, name: str, branch: str = "main") -> str:
        """A branch's newest commit; empty: there is no such branch."""
        return git(self.bare(name), "for-each-ref", "--format=%(objectname)", f"refs/heads/{branch}")

    def log(self, name: str, branch: str = "main") -> list[str]:
        """All commits of a branch, newest first."""
        return git(self.bare(name), "rev-list", branch).splitlines()

    def message(self, name: str, revision: str = "main") -> str:
        return git(self.bare(name), "log", "-1", "--format=%B", revision)

    def files(self, name: str, revision: str = "main") -> list[str]:
        return git(self.bare(name), "ls-tree", "-r", "--name-only", revision).splitlines()

    def text(self, name: str, path: str, revision: str = "main") -> str:
        """A file's content, as it is."""
        return git(self.bare(name), "cat-file", "blob", f"{revision}:{path}", strip=False)

    def handler(self) -> type[BaseHTTPRequestHandler]:
        return type("Bound", (_Handler,), {"host": self})


class _Handler(BaseHTTPRequestHandler):
    """git http-backend as a CGI program, behind a login."""

    host: GitHost
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self._answer(b"")

    def do_POST(self) -> None:
        self._answer(self._body())

    def do_PATCH(self) -> None:
        self._answer(self._body())

    def _body(self) -> bytes:
        if self.headers.get("Transfer-Encoding", "").lower() != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length", "0")))
        parts = []
        while size := int(self.rfile.readline().strip() or b"0", 16):
            parts.append(self.rfile.read(size))
            self.rfile.readline()
        self.rfile.readline()
        return b"".join(parts)

    def _answer(self, body: bytes) -> None:
        wanted = base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
        # Bearer: GitHub is told the password as a token.
        if self.headers.get("Authorization") not in (f"Basic {wanted}", f"Bearer {PASSWORD}"):
            return self._send(401, [("WWW-Authenticate", 'Basic realm="host"')], b"")
        where, host = urlsplit(self.path), self.host
        if where.path.startswith("/api/") and host.api:
            asked = json.loads(body) if body else None
            status, found = host.api.answer(self.command, where.path, dict(parse_qsl(where.query)), asked)
            return self._send(status, [("Content-Type", "application/json")], json.dumps(found).encode())
        pushed = where.path.endswith("/git-receive-pack")
        if pushed:
            with host.lock:
                host.pushes += 1
                between, lost = host.before_push, host.lose_answer
                host.lose_answer = False
            if between:
                between()
        status, fields, content = self._backend(where.path, where.query, body)
        if pushed and lost:
            self.close_connection = True
            return None
        return self._send(status, fields, content)

    def _backend(self, path: str, query: str, body: bytes) -> tuple[int, list[tuple[str, str]], bytes]:
        environment = {
            "PATH": os.environ["PATH"],
            "GIT_PROJECT_ROOT": str(self.host.root),
            "GIT_HTTP_EXPORT_ALL": "1",
            "GIT_PROTOCOL": self.headers.get("Git-Protocol", ""),
            "HTTP_CONTENT_ENCODING": self.headers.get("Content-Encoding", ""),
            "PATH_INFO": path,
            "QUERY_STRING": query,
            "REQUEST_METHOD": self.command,
            "REMOTE_USER": USER,
            "CONTENT_TYPE": self.headers.get("Content-Type", ""),
            "GIT_CONFIG_COUNT": "1",
            "GIT_CONFIG_KEY_0": "safe.directory",
            "GIT_CONFIG_VALUE_0": "*",
        }
        command = ["git", "http-backend"]
        said = subprocess.run(command, input=body, capture_output=True, env=environment, check=False).stdout
        head, _, content = said.partition(b"\r\n\r\n")
        fields = [(name, value) for line in head.decode().split("\r\n") for name, _, value in [line.partition(": ")]]
        status = next((int(value.split()[0]) for name, value in fields if name == "Status"), 200)
        return status, [field for field in fields if field[0] and field[0] != "Status"], content

    def _send(self, status: int, fields: list[tuple[str, str]], content: bytes) -> None:
        self.send_response(status)
        for name, value in fields:
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  (the name of the overridden one)
        """Quiet."""


def git(at: Path, *arguments: str, lines: bytes = b"", env: Mapping[str, str] | None = None, strip: bool = True) -> str:
    """What git prints, as the machine's owner: no fence."""
    at.mkdir(parents=True, exist_ok=True)
    command = ["git", "-C", str(at), *arguments]
    done = subprocess.run(command, input=lines, capture_output=True, check=False, timeout=60, env=env)
    assert not done.returncode, done.stderr.decode()
    return done.stdout.decode().strip() if strip else done.stdout.decode()
