"""kube-apiserver, with a CA and tokens of its own.

Owns: its certificates, its users (a token each), its command line.
Leaves to others: the objects (`control_plane.py` gives clients), what runs beside it.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from raibid.local.redis_server import free_port

from tests.cluster.parts.certificates import Authority, signing_key
from tests.cluster.parts.process import Part, answers
from tests.cluster.tools.toolchain import tool

SERVICES: Final = "10.0.0.0/24"
ADMIN: Final = "admin"
USERS: Final[Mapping[str, str]] = {ADMIN: "system:masters"}
"""User → group."""


class KubeApiserver(Part):
    """One API server at `address`; `users` beside the administrator get a token each."""

    def __init__(
        self, directory: Path, etcd: str, authority: Authority, *, address: str, users: Mapping[str, str]
    ) -> None:
        self.port: Final = free_port()
        self.url: Final = f"https://{address}:{self.port}"
        self.tokens: Final = {user: secrets.token_hex(16) for user in {**USERS, **users}}
        self.service_account_key: Final = signing_key(_private(directory) / "service-accounts.key")
        to_kubelets = authority.issue("kube-apiserver-kubelet-client", [])
        serving = authority.issue("kube-apiserver", ["localhost", "127.0.0.1", "10.0.0.1", address])
        super().__init__(
            "kube-apiserver",
            directory,
            [
                tool("kube-apiserver"),
                f"--etcd-servers={etcd}",
                f"--bind-address={address}",
                f"--advertise-address={address}",
                f"--secure-port={self.port}",
                f"--tls-cert-file={serving.certificate}",
                f"--tls-private-key-file={serving.key}",
                f"--client-ca-file={authority.certificate}",
                f"--service-account-key-file={self.service_account_key}",
                f"--service-account-signing-key-file={self.service_account_key}",
                "--service-account-issuer=https://kubernetes.default.svc",
                f"--token-auth-file={self._token_file(directory, {**USERS, **users})}",
                "--authorization-mode=Node,RBAC",
                "--enable-admission-plugins=NodeRestriction",
                f"--service-cluster-ip-range={SERVICES}",
                "--allow-privileged=true",
                "--endpoint-reconciler-type=none",
                "--kubelet-preferred-address-types=InternalIP",
                f"--kubelet-client-certificate={to_kubelets.certificate}",
                f"--kubelet-client-key={to_kubelets.key}",
            ],
            ready=answers(f"{self.url}/readyz", ca=authority.certificate, token=self.tokens[ADMIN]),
        )

    def stop(self) -> None:
        """SIGKILL: all it knows is in etcd, and a graceful end waits 20 s for watches that a test has left open."""
        self.kill()

    def _token_file(self, directory: Path, users: Mapping[str, str]) -> Path:
        file = directory / "tokens.csv"
        file.touch(mode=0o600)
        file.write_text("".join(f'{self.tokens[user]},{user},{user},"{group}"\n' for user, group in users.items()))
        return file


def _private(directory: Path) -> Path:
    directory.mkdir(parents=True, exist_ok=True, mode=0o700)
    return directory
