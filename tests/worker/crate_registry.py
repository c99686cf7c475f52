"""A registry of crates as cargo's sparse protocol has it, over real HTTP, which remembers what was fetched."""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import Final, Self

VERSION: Final = "1.0.0"


class CrateRegistry:
    """Serves the crates it was given; `fetched` has the names of those that were downloaded, in order."""

    def __init__(self) -> None:
        self.fetched: list[str] = []
        self._files: dict[str, bytes] = {}
        registry = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                registry._answer(self)

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
                return

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever)
        self._files["/index/config.json"] = json.dumps({"dl": f"{self._url}/crates"}).encode()

    @property
    def _url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    @property
    def settings(self) -> str:
        """cargo's config.toml that has crates come from here."""
        return f"""
[source.crates-io]
replace-with = "test"
[source.test]
registry = "sparse+{self._url}/index/"
"""

    def publish(self, name: str, code: str) -> None:
        """Add a library; its name has four letters or more."""
        manifest = f'[package]\nname = "{name}"\nversion = "{VERSION}"\nedition = "2021"\n'
        packed = io.BytesIO()
        with tarfile.open(fileobj=packed, mode="w:gz") as archive:
            for path, text in (("Cargo.toml", manifest), ("src/lib.rs", code)):
                entry = tarfile.TarInfo(f"{name}-{VERSION}/{path}")
                entry.size = len(text.encode())
                archive.addfile(entry, io.BytesIO(text.encode()))
        line = {
            "name": name,
            "vers": VERSION,
            "deps": [],
            "cksum": hashlib.sha256(packed.getvalue()).hexdigest(),
            "features": {},
            "yanked": False,
        }
        self._files[f"/index/{name[:2]}/{name[2:4]}/{name}"] = json.dumps(line).encode() + b"\n"
        self._files[f"/crates/{name}/{VERSION}/download"] = packed.getvalue()

    def _answer(self, request: BaseHTTPRequestHandler) -> None:
        content = self._files.get(request.path)
        if request.path.startswith("/crates/"):
            self.fetched.append(request.path.split("/")[2])
        request.send_response(200 if content is not None else 404)
        request.send_header("Content-Length", str(len(content or b"")))
        request.end_headers()
        request.wfile.write(content or b"")

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


def snapshot(directory: Path) -> dict[str, bytes]:
    """Every file of a directory, to see later whether anything changed."""
    return {
        str(path.relative_to(directory)): path.read_bytes() for path in sorted(directory.rglob("*")) if path.is_file()
    }
