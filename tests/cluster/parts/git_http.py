"""Git over HTTP without a forge: repositories of one commit each, served by git's own http-backend.

Owns: the repositories, the server.
Leaves to others: a forge with users, hooks and statuses (`gitea_server.py`).
"""

from __future__ import annotations

import subprocess
import threading
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import Final, Self
from urllib.parse import urlsplit

from raibid.ledger import NewJob
from raibid.model.job import JobSpec

_WHO: Final = ("-c", "user.name=Dev", "-c", "user.email=dev@example.org", "-c", "commit.gpgsign=false")


class GitServer:
    """Serves the repositories in `root`, to read, at `address`."""

    def __init__(self, root: Path, address: str) -> None:
        self.root: Final = root
        self._server = ThreadingHTTPServer((address, 0), git_handler(root))
        self._thread = threading.Thread(target=self._server.serve_forever, name="git-http", daemon=True)
        self.url: Final = f"http://{address}:{self._server.server_port}"

    def repository(self, name: str, files: Mapping[str, str]) -> str:
        """Make (or replace the content of) a repository; its commit."""
        work, bare = self.root / f"{name}.work", self.root / f"{name}.git"
        if not bare.exists():
            _git(self.root, "init", "--quiet", "--bare", "--initial-branch=main", str(bare))
            _git(self.root, "init", "--quiet", "--initial-branch=main", str(work))
        for path, text in files.items():
            (work / path).parent.mkdir(parents=True, exist_ok=True)
            (work / path).write_text(text)
        _git(work, "add", "--all")
        _git(work, *_WHO, "commit", "--quiet", "--allow-empty", "-m", name)
        _git(work, "push", "--quiet", "--force", str(bare), "main")
        return _git(work, "rev-parse", "HEAD")

    def job(self, name: str, pipeline: str, **more: str) -> NewJob:
        """A job that builds a repository with this pipeline file."""
        sha = self.repository(name, {".raibid.yaml": pipeline, **more})
        spec = JobSpec(repo=f"tests/{name}", clone_url=f"{self.url}/{name}.git", ref="refs/heads/main", sha=sha)
        return NewJob(spec=spec, dedupe=f"tests|{name}|{sha}")

    def __enter__(self) -> Self:
        self.root.mkdir(parents=True, exist_ok=True)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


def git_handler(root: Path) -> type[BaseHTTPRequestHandler]:
    """Answers git about the repositories in `root`."""

    class Handler(BaseHTTPRequestHandler):
        """git http-backend as a CGI program."""

        def do_GET(self) -> None:
            self._answer(b"")

        def do_POST(self) -> None:
            self._answer(self.rfile.read(int(self.headers.get("Content-Length", "0"))))

        def _answer(self, body: bytes) -> None:
            where = urlsplit(self.path)
            environment = {
                "GIT_PROJECT_ROOT": str(root),
                "GIT_HTTP_EXPORT_ALL": "1",
                "GIT_PROTOCOL": self.headers.get("Git-Protocol", ""),
                "HTTP_CONTENT_ENCODING": self.headers.get("Content-Encoding", ""),
                "PATH_INFO": where.path,
                "QUERY_STRING": where.query,
                "REQUEST_METHOD": self.command,
                "CONTENT_TYPE": self.headers.get("Content-Type", ""),
            }
            # The directories belong to whoever runs the tests; git asks because it was started as another user's.
            # Forges leave out what they are asked to leave out.
            settings = {"safe.directory": "*", "uploadpack.allowFilter": "true"}
            pairs = {
                f"GIT_CONFIG_{kind}_{number}": text
                for number, pair in enumerate(settings.items())
                for kind, text in zip(("KEY", "VALUE"), pair, strict=True)
            }
            trusted = {"GIT_CONFIG_COUNT": str(len(settings)), **pairs}
            said = subprocess.run(
                ["git", "http-backend"], input=body, capture_output=True, env={**environment, **trusted}, check=True
            ).stdout
            head, _, content = said.partition(b"\r\n\r\n")
            fields = [line.split(": ", 1) for line in head.decode("latin-1").split("\r\n")]
            status = next((value for name, value in fields if name == "Status"), "200 OK")
            self.send_response(int(status.split()[0]))
            for name, value in fields:
                if name != "Status":
                    self.send_header(name, value)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002  (the name of the overridden one)
            """Quiet: a build's checkout is no news."""

    return Handler


def _git(at: Path, *arguments: str) -> str:
    done = subprocess.run(["git", "-C", str(at), *arguments], check=True, capture_output=True, text=True, timeout=60)
    return done.stdout.strip()
