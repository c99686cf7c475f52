"""Changes of what nobody applies from Git: which objects, what is sent, what is shown; the rest is a cluster's."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from raibid.contract import ExitCode
from raibid.gitops.change.direct import direct_values
from raibid.gitops.objects import Ref, ref_of
from raibid.kube.errors import KubeConflictError, KubeInvalidError

from tests.gitops.change_stage import Stage, deployment, staged
from tests.gitops.memory_cluster import MemoryCluster

ALONE = Ref("apps", "Deployment", "ci", "alone")


@pytest.fixture
def raibid(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Iterator[Stage]:
    with staged(tmp_path, monkeypatch, capsys) as stage:
        yield stage


def test_what_nobody_owns_is_changed_directly_and_nothing_else_of_it(raibid: Stage) -> None:
    before: Any = raibid.cluster.get(ALONE)
    report = raibid.change("set", "deploy/alone", "-n", "ci", "spec.template.spec.containers[0].image=web:2")
    (written,) = raibid.writes
    assert written.manager == "raibid"
    before["spec"]["template"]["spec"]["containers"][0]["image"] = "web:2"
    assert written.body == before
    assert report["done"] == {"applied": "Deployment/ci/alone"}
    assert raibid.commits == 1


def test_what_is_so_already_is_not_sent(raibid: Stage) -> None:
    assert raibid.change("scale", "deploy/alone", "1", "-n", "ci")["changed"] is False
    assert raibid.writes == []


def test_what_the_api_server_refuses_is_shown_and_not_made(raibid: Stage) -> None:
    def admit(manifest: object) -> None:
        raise KubeInvalidError("no more than 1")

    raibid.cluster.admit = admit
    code, out, err = raibid("scale", "deploy/alone", "2", "-n", "ci", "--yes")
    assert code == ExitCode.FAILED
    assert "+  replicas: 2" in out
    assert "no more than 1" in err


def test_a_write_of_somebody_else_in_between_is_kept() -> None:
    class Racing(MemoryCluster):
        raced = False

        def replace(self, manifest: Any, *, manager: str, dry_run: bool = False) -> Any:
            if not self.raced and not dry_run:
                self.raced = True
                live: Any = self.get(ref_of(manifest))
                live["spec"]["paused"] = True
                self.put(live)
            return super().replace(manifest, manager=manager, dry_run=dry_run)

    cluster = Racing.of(deployment("alone"))
    change = direct_values(cluster, cluster.get(ALONE), {"spec.replicas": 3})
    assert change.send()["spec"] | {"template": {}} == {"replicas": 3, "paused": True, "template": {}}


def test_one_who_is_always_late_gives_up() -> None:
    class Busy(MemoryCluster):
        def replace(self, manifest: Any, *, manager: str, dry_run: bool = False) -> Any:
            raise KubeConflictError("the object has been modified")

    cluster = Busy.of(deployment("alone"))
    change = direct_values(cluster, cluster.get(ALONE), {"spec.replicas": 3})
    assert isinstance(change.refused, KubeConflictError)


def test_the_child_of_an_unmanaged_object_is_refused_for_its_parent_makes_it_again(raibid: Stage) -> None:
    parent = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "alone", "controller": True, "uid": "1"}
    metadata = {"name": "alone-1", "namespace": "ci", "ownerReferences": [parent]}
    raibid.cluster.put({"apiVersion": "apps/v1", "kind": "ReplicaSet", "metadata": metadata, "spec": {"replicas": 1}})
    code, _, err = raibid("scale", "rs/alone-1", "3", "-n", "ci", "--yes")
    assert code == ExitCode.FAILED
    assert "raibid gitops set deployment/alone -n ci" in err
    assert raibid.writes == []


def test_a_value_of_a_secret_is_in_no_message(raibid: Stage, tmp_path: Path) -> None:
    metadata = {"name": "alone", "namespace": "ci"}
    raibid.cluster.put({"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "stringData": {"KEY": "old"}})
    (tmp_path / "value").write_text("hunter2\n")
    code, out, err = raibid("set", "secret/alone", "-n", "ci", f"stringData.KEY=@{tmp_path}/value", "--yes")
    assert code == ExitCode.OK
    assert raibid.writes[0].body["stringData"] == {"KEY": "hunter2"}
    assert "hunter2" not in out + err
