"""Where `raibid gitops set` and its like are tried: an API server, a forge and a repository over real HTTP.

Owns: one fleet of a web server and its ConfigMap, applied by a Flux Kustomization; the command as it is typed.
Leaves to others: git (`git_host.py`), the API server (`writing_server.py`), the forge's API (`pulls_forge.py`).
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from raibid.cli.main import run
from raibid.contract import Env

from tests.gitops.git_host import GitHost
from tests.gitops.memory_cluster import MemoryCluster, Written
from tests.gitops.pulls_forge import GiteaPullsApi
from tests.gitops.writing_server import WritingServer

FLEET = "raibid/fleet"
FILE = "apps/dgx-spark/web.yaml"
WEB = """\
# the web server
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, namespace: ci}
spec:
  replicas: 1  # one is enough
  template:
    spec:
      containers:
        - name: web
          image: registry.example.org/web:1.0
"""
CONFIG = """\
apiVersion: v1
kind: ConfigMap
metadata: {name: web, namespace: ci}
data:
  LEVEL: "1"
"""
FILES = {
    "apps/dgx-spark/kustomization.yaml": "resources:\n  - web.yaml\n  - config.yaml\n",
    FILE: WEB,
    "apps/dgx-spark/config.yaml": CONFIG,
}


def deployment(name: str = "web") -> dict[str, Any]:
    """The live object."""
    container = {"name": "web", "image": "registry.example.org/web:1.0"}
    servers = {"uid": "1", "managedFields": [{"manager": "kustomize-controller"}]}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name, "namespace": "ci", **servers},
        "spec": {"replicas": 1, "template": {"spec": {"containers": [container]}}},
        "status": {"readyReplicas": 1},
    }


def config_map(name: str = "web") -> dict[str, Any]:
    metadata = {"name": name, "namespace": "ci"}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": {"LEVEL": "1"}}


def kustomization(name: str, path: str, *ids: str, **spec: Any) -> dict[str, Any]:
    reference = {"sourceRef": {"kind": "GitRepository", "name": "fleet"}}
    return {
        "apiVersion": "kustomize.toolkit.fluxcd.io/v1",
        "kind": "Kustomization",
        "metadata": {"name": name, "namespace": "flux-system"},
        "spec": {"path": path, **reference, **spec},
        "status": {"inventory": {"entries": [{"id": found, "v": "v1"} for found in ids]}},
    }


@dataclass
class Stage:
    """All parts, and what was said."""

    cluster: MemoryCluster
    server: WritingServer
    host: GitHost
    forge: GiteaPullsApi
    capsys: pytest.CaptureFixture[str]

    def __call__(self, *arguments: str) -> tuple[int, str, str]:
        """`raibid gitops …`: exit code, stdout, stderr."""
        code = run(["gitops", *arguments])
        said = self.capsys.readouterr()
        return code, said.out, said.err

    def change(self, *arguments: str) -> dict[str, Any]:
        """The report of a change that is committed without a question and not followed."""
        code, out, err = self(*arguments, "--yes", "--no-watch", "--json")
        assert code == 0, err
        report: dict[str, Any] = json.loads(out)["change"]
        return report

    def file(self, path: str = FILE) -> str:
        return self.host.text(FLEET, path)

    @property
    def commits(self) -> int:
        """On main."""
        return len(self.host.log(FLEET))

    @property
    def writes(self) -> list[Written]:
        """What was applied to the cluster for good."""
        return [written for written in self.cluster.written if not written.dry_run]


@contextmanager
def staged(place: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Iterator[Stage]:
    """A stage on which nobody sits at a terminal."""
    cluster = MemoryCluster.of(deployment(), config_map(), deployment("alone"), config_map("alone"))
    with GitHost(place / "host") as host, WritingServer(cluster) as server:
        url = host.repository(FLEET, FILES)
        source = {"name": "fleet", "namespace": "flux-system"}
        kind = {"apiVersion": "source.toolkit.fluxcd.io/v1", "kind": "GitRepository"}
        cluster.put({**kind, "metadata": source, "spec": {"url": url, "ref": {"branch": "main"}}})
        cluster.put(kustomization("apps", "./apps/dgx-spark", "ci_web_apps_Deployment", "ci_web__ConfigMap"))
        forge = GiteaPullsApi(host)
        host.api = forge
        settings = place / "gitops.yaml"
        settings.write_text(f"hosts: [127.0.0.1]\ndefault: {{repository: {url}, path: apps/dgx-spark}}\n")
        monkeypatch.setenv("KUBECONFIG", str(server.kubeconfig(place)))
        monkeypatch.setenv(Env.GITOPS_FILE, str(settings))
        monkeypatch.setenv(Env.FORGE_CREDENTIALS_FILE, str(host.credentials(place / "credentials")))
        monkeypatch.setattr("sys.stdin", (place / "credentials").open())
        yield Stage(cluster, server, host, forge, capsys)
