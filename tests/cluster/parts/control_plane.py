"""A Kubernetes control plane as plain processes: etcd, kube-apiserver, kube-controller-manager, kube-scheduler.

Owns: which parts, their order, kubeconfigs and clients.
Leaves to others: nodes, KEDA, Flux, Gitea (a file each).
"""

from __future__ import annotations

import subprocess
from collections.abc import Iterable, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Final

import yaml
from lightkube import Client, KubeConfig
from raibid.local.redis_server import free_port

from tests.cluster.errors import ClusterError
from tests.cluster.parts.certificates import Authority
from tests.cluster.parts.composite import Composite
from tests.cluster.parts.etcd import Etcd
from tests.cluster.parts.kube_apiserver import ADMIN, KubeApiserver
from tests.cluster.parts.process import Part, answers
from tests.cluster.tools.toolchain import tool


class ControlPlane(Composite):
    """One cluster without nodes, in a private directory, on random ports: any number run side by side."""

    def __init__(
        self,
        directory: Path,
        *,
        address: str = "127.0.0.1",
        users: Mapping[str, str] | None = None,
        controllers: Iterable[str] = ("*",),
        scheduler: bool = False,
    ) -> None:
        self.directory: Final = directory
        self.authority: Final = Authority(directory / "pki")
        self.etcd: Final = Etcd(directory / "etcd")
        self.apiserver: Final = KubeApiserver(
            directory / "kube-apiserver", self.etcd.url, self.authority, address=address, users=users or {}
        )
        self.controllers: Final = self._controller_manager(",".join(controllers))
        self.scheduler: Final = self._scheduler() if scheduler else None

    @property
    def url(self) -> str:
        """Where the API server listens."""
        return self.apiserver.url

    @property
    def parts(self) -> list[Part]:
        """Its processes, in the order in which they start."""
        return [self.etcd, self.apiserver, self.controllers, *([self.scheduler] if self.scheduler else [])]

    def kubeconfig(self, user: str = ADMIN, *, token: str = "") -> Path:
        """A kubeconfig of one of its users, or of whoever has `token` (a service account's)."""
        file = self.directory / f"{user}.kubeconfig"
        file.touch(mode=0o600)
        entry = {"cluster": {"server": self.url, "certificate-authority": str(self.authority.certificate)}}
        config = {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "tests", **entry}],
            "users": [{"name": user, "user": {"token": token or self.apiserver.tokens[user]}}],
            "contexts": [{"name": "tests", "context": {"cluster": "tests", "user": user}}],
            "current-context": "tests",
        }
        file.write_text(yaml.safe_dump(config))
        return file

    def client(self, user: str = ADMIN) -> Client:
        """A client of one of its users."""
        return Client(config=KubeConfig.from_file(self.kubeconfig(user)), trust_env=False)

    def kubectl(self, *arguments: str, stdin: str | None = None, user: str = ADMIN) -> str:
        """What kubectl prints. Raises KubectlError with its stderr."""
        done = subprocess.run(
            [tool("kubectl"), f"--kubeconfig={self.kubeconfig(user)}", *arguments],
            input=stdin,
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )
        if done.returncode:
            raise KubectlError(f"kubectl {' '.join(arguments)}: {done.stderr.strip()}")
        return done.stdout

    def apply(self, *manifests: Mapping[str, Any]) -> None:
        """Server-side apply, with strict field validation."""
        text = yaml.safe_dump_all(manifests)
        self.kubectl("apply", "--server-side", "--force-conflicts", "--validate=strict", "-f", "-", stdin=text)

    def _start(self, stack: ExitStack) -> None:
        for part in self.parts:
            stack.enter_context(part)

    def _controller_manager(self, controllers: str) -> Part:
        port, directory = free_port(), self.directory / "kube-controller-manager"
        return Part(
            "kube-controller-manager",
            directory,
            [
                tool("kube-controller-manager"),
                f"--kubeconfig={self.kubeconfig()}",
                f"--service-account-private-key-file={self.apiserver.service_account_key}",
                f"--root-ca-file={self.authority.certificate}",
                "--leader-elect=false",
                "--bind-address=127.0.0.1",
                f"--secure-port={port}",
                f"--cert-dir={directory}",
                f"--controllers={controllers}",
            ],
            ready=_unauthenticated(port, directory / "kube-controller-manager.crt"),
        )

    def _scheduler(self) -> Part:
        port, directory = free_port(), self.directory / "kube-scheduler"
        return Part(
            "kube-scheduler",
            directory,
            [
                tool("kube-scheduler"),
                f"--kubeconfig={self.kubeconfig()}",
                "--leader-elect=false",
                "--bind-address=127.0.0.1",
                f"--secure-port={port}",
                f"--cert-dir={directory}",
            ],
            ready=_unauthenticated(port, directory / "kube-scheduler.crt"),
        )


class KubectlError(ClusterError):
    """kubectl refused; the message is its own."""


def _unauthenticated(port: int, certificate: Path) -> Any:
    """Probe of a component that signs its own certificate, which is written at its start."""

    def probe() -> bool:
        # Created first, filled then: an unfinished certificate is none.
        whole = certificate.exists() and b"END CERTIFICATE" in certificate.read_bytes()
        return whole and answers(f"https://localhost:{port}/healthz", ca=certificate)()

    return probe
