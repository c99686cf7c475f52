"""`raibid gitops owner` as it is typed: an API server and a repository over real HTTP, its answers and exit codes."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from raibid.cli.main import run
from raibid.contract import Env, ExitCode

from tests.gitops.api_server import ApiServer
from tests.gitops.git_host import GitHost
from tests.gitops.memory_cluster import MemoryCluster, documents

DEPLOYMENT: dict[str, Any] = {
    "apiVersion": "apps/v1",
    "kind": "Deployment",
    "metadata": {"name": "podinfo", "namespace": "web"},
}
PODINFO = """\
# the web's
{apiVersion: v1, kind: Service, metadata: {name: podinfo, namespace: web}}
---
{apiVersion: apps/v1, kind: Deployment, metadata: {name: podinfo, namespace: web}}
"""
FILES = {
    "apps/base/kustomization.yaml": "resources: [podinfo.yaml]\n",
    "apps/base/podinfo.yaml": PODINFO,
    "apps/dgx-spark/kustomization.yaml": "resources: [../base]\n",
}


@dataclass(frozen=True)
class Stage:
    cluster: MemoryCluster
    server: ApiServer
    url: str
    head: str

    def manages(self, name: str, *ids: str, source: str = "GitRepository", path: str = "./apps/dgx-spark") -> None:
        self.cluster.put(
            {
                "apiVersion": "kustomize.toolkit.fluxcd.io/v1",
                "kind": "Kustomization",
                "metadata": {"name": name, "namespace": "flux-system"},
                "spec": {"path": path, "sourceRef": {"kind": source, "name": "fleet"}},
                "status": {"inventory": {"entries": [{"id": found, "v": "v1"} for found in ids]}},
            }
        )


@pytest.fixture
def stage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Stage]:
    """A cluster with one Deployment, and a repository that describes it."""
    cluster = MemoryCluster.of(DEPLOYMENT)
    with GitHost(tmp_path) as host, ApiServer(cluster) as server:
        url = host.repository("raibid/fleet", FILES)
        source = {"name": "fleet", "namespace": "flux-system"}
        spec = {"url": url, "ref": {"branch": "main"}}
        kind = {"apiVersion": "source.toolkit.fluxcd.io/v1", "kind": "GitRepository"}
        cluster.put({**kind, "metadata": source, "spec": spec})
        settings = tmp_path / "gitops.yaml"
        settings.write_text("hosts: [127.0.0.1]\n")
        monkeypatch.setenv("KUBECONFIG", str(server.kubeconfig(tmp_path)))
        monkeypatch.setenv(Env.GITOPS_FILE, str(settings))
        monkeypatch.setenv(Env.FORGE_CREDENTIALS_FILE, str(host.credentials(tmp_path / "credentials")))
        yield Stage(cluster, server, url, host.head("raibid/fleet"))


@pytest.fixture
def owner(capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str, str]]:
    def call(*arguments: str) -> tuple[int, str, str]:
        code = run(["gitops", "owner", *arguments])
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return call


Owner = Callable[..., tuple[int, str, str]]


def test_the_answer_names_the_file_and_the_document_in_it(stage: Stage, owner: Owner) -> None:
    stage.manages("apps", "web_podinfo_apps_Deployment")

    code, out, _ = owner("deploy/podinfo", "-n", "web")

    assert code == ExitCode.OK
    assert "Deployment/web/podinfo is managed" in out
    assert "└─ Kustomization/flux-system/apps by inventory" in out
    assert f"repository  {stage.url}" in out
    assert "apps/base/podinfo.yaml, document 2" in out


def test_as_json_it_is_one_document_with_the_same(stage: Stage, owner: Owner) -> None:
    stage.manages("apps", "web_podinfo_apps_Deployment")

    code, out, err = owner("deployments.apps/podinfo", "--namespace", "web", "--json")

    (claim,) = json.loads(out)["claims"]
    assert (code, err) == (ExitCode.OK, "")
    assert claim["file"]["location"]["file"] == "apps/base/podinfo.yaml"
    assert claim["file"]["commit"] == stage.head
    assert claim["place"]["path"] == "apps/dgx-spark"
    assert claim["chain"][0]["how"] == "inventory"


def test_only_appliers_are_listed_and_never_the_objects(stage: Stage, owner: Owner) -> None:
    stage.manages("apps", "web_podinfo_apps_Deployment")

    owner("deploy/podinfo", "-n", "web", "--no-file")

    lists = {path.rpartition("/")[2] for path in stage.server.asked if not path.endswith(("/podinfo", "/fleet"))}
    assert lists <= {"api", "apis", "kustomizations", "apps"}


def test_a_host_that_is_not_allowed_is_a_note_and_no_error(
    stage: Stage, owner: Owner, monkeypatch: pytest.MonkeyPatch
) -> None:
    stage.manages("apps", "web_podinfo_apps_Deployment")
    monkeypatch.delenv(Env.GITOPS_FILE)

    code, out, _ = owner("deploy/podinfo", "-n", "web")

    assert code == ExitCode.OK
    assert "127.0.0.1" in out
    assert "is not an allowed host" in out


def test_a_repository_that_is_gone_is_a_note_and_no_error(stage: Stage, owner: Owner, tmp_path: Path) -> None:
    stage.manages("apps", "web_podinfo_apps_Deployment")
    (tmp_path / "raibid" / "fleet.git").rename(tmp_path / "elsewhere.git")

    code, out, _ = owner("deploy/podinfo", "-n", "web")

    assert code == ExitCode.OK
    assert "no such repository" in out


def test_nobody_and_several_have_exit_codes_of_their_own(stage: Stage, owner: Owner) -> None:
    assert owner("deploy/podinfo", "-n", "web", "--no-file")[0] == ExitCode.UNMANAGED

    stage.manages("apps", "web_podinfo_apps_Deployment")
    stage.manages("more", "web_podinfo_apps_Deployment")
    stage.server.forget()

    code, out, _ = owner("deploy/podinfo", "-n", "web", "--no-file")
    assert code == ExitCode.CONTESTED
    assert "Kustomization/flux-system/apps" in out
    assert "Kustomization/flux-system/more" in out


def test_without_access_to_the_appliers_the_answer_is_unknown_and_says_what_was_refused(
    stage: Stage, owner: Owner
) -> None:
    stage.manages("apps", "web_podinfo_apps_Deployment")
    stage.cluster.refuse = frozenset({"Kustomization"})

    code, out, _ = owner("deploy/podinfo", "-n", "web")

    assert code == ExitCode.REFUSED
    assert "Deployment/web/podinfo is unknown" in out
    assert "Kustomization is forbidden" in out


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["deploy/nobody", "-n", "web"], ExitCode.NOT_FOUND),
        (["gadget/podinfo"], ExitCode.NOT_FOUND),
        (["podinfo"], ExitCode.NOT_FOUND),
        (["deploy/podinfo", "--context", "nowhere"], ExitCode.USAGE),
    ],
)
def test_what_does_not_exist_is_a_sentence_on_stderr(
    stage: Stage, owner: Owner, arguments: list[str], code: int
) -> None:
    found, out, err = owner(*arguments)

    assert (found, out) == (code, "")
    assert err.startswith("raibid: ")
    assert "Traceback" not in err


def test_a_file_that_only_another_of_the_places_has_is_found_there(stage: Stage, owner: Owner) -> None:
    stage.manages("apps", "web_podinfo_apps_Deployment", source="ExternalArtifact", path="dgx-spark")
    for manifest in documents(Path(__file__).parent / "flux" / "artifact_of_two_directories.yaml"):
        stage.cluster.put(manifest)

    code, out, _ = owner("deploy/podinfo", "-n", "web")

    assert code == ExitCode.OK
    assert "file        apps/base/podinfo.yaml, document 2" in out
    assert "elsewhere/dgx-spark is no directory of the repository" in out
