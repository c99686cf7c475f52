"""etcd, from the distribution: what the API server keeps its objects in."""

from __future__ import annotations

from pathlib import Path

from raibid.local.redis_server import free_port

from tests.cluster.parts.process import Part, answers
from tests.cluster.tools.toolchain import system_program


class Etcd(Part):
    """One member, on loopback, without fsync: nothing of it outlives a test run."""

    def __init__(self, directory: Path) -> None:
        client, peer = (f"http://127.0.0.1:{free_port()}" for _ in range(2))
        super().__init__(
            "etcd",
            directory,
            [
                system_program("etcd", "etcd-server"),
                f"--data-dir={directory / 'data'}",
                f"--listen-client-urls={client}",
                f"--advertise-client-urls={client}",
                f"--listen-peer-urls={peer}",
                f"--initial-advertise-peer-urls={peer}",
                f"--initial-cluster=default={peer}",
                "--unsafe-no-fsync",
            ],
            ready=answers(f"{client}/health"),
        )
        self.url = client
