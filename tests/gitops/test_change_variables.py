"""A value that is a `${var}` of another Kustomization's ConfigMap: followed until the object itself has it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from raibid.gitops.objects import Ref

from tests.gitops.change_stage import CONFIG, FLEET, Stage, kustomization, staged
from tests.gitops.memory_cluster import Written

VARS = Ref("", "ConfigMap", "flux-system", "cluster-vars")
WEB = Ref("", "ConfigMap", "ci", "web")
SOURCE = Ref("source.toolkit.fluxcd.io", "GitRepository", "flux-system", "fleet")
GROUP = "kustomize.toolkit.fluxcd.io"
FROM = {"postBuild": {"substituteFrom": [{"kind": "ConfigMap", "name": "cluster-vars"}]}}


@pytest.fixture
def raibid(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Iterator[Stage]:
    with staged(tmp_path, monkeypatch, capsys) as stage:
        files = {
            "apps/dgx-spark/config.yaml": CONFIG.replace('"1"', "${level}"),
            "clusters/dgx-spark/kustomization.yaml": "resources: [vars.yaml]\n",
            "clusters/dgx-spark/vars.yaml": variables("'\"1\"'"),
        }
        stage.host.commit(FLEET, files)
        stage.cluster.put(
            {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata(VARS), "data": {"level": '"1"'}}
        )
        at(stage, stage.host.head(FLEET))
        yield stage


def variables(level: str) -> str:
    about = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: cluster-vars, namespace: flux-system}\n"
    return f"{about}data:\n  level: {level}\n"


def metadata(ref: Ref) -> dict[str, str]:
    return {"name": ref.name, "namespace": ref.namespace}


def at(raibid: Stage, sha: str, *appliers: str) -> None:
    """The source, and these appliers (or all), are at a commit."""
    revision = f"main@sha1:{sha}"
    ready = {"conditions": [{"type": "Ready", "status": "True", "reason": "ReconciliationSucceeded"}]}
    raibid.cluster.put({**raibid.cluster.get(SOURCE), "status": {"artifact": {"revision": revision}, **ready}})
    for name, path, ids, spec in (
        ("apps", "./apps/dgx-spark", ("ci_web_apps_Deployment", "ci_web__ConfigMap"), FROM),
        ("flux-system", "./clusters/dgx-spark", ("flux-system_cluster-vars__ConfigMap",), {}),
    ):
        if name in appliers or not appliers:
            made: dict[str, Any] = kustomization(name, path, *ids, **spec)
            made["status"] |= {"lastAppliedRevision": revision, "lastAttemptedRevision": revision, **ready}
            raibid.cluster.put(made)


def test_an_applier_that_was_quicker_than_the_variable_is_asked_once_more(raibid: Stage) -> None:
    """`apps` has the commit first, with the old variable: that alone is no success."""
    asked: list[str] = []

    def react(written: Written) -> None:
        if written.verb != "annotate":
            return
        asked.append(written.ref.name)
        sha = raibid.host.head(FLEET)
        if written.ref == SOURCE:
            at(raibid, sha)
        elif written.ref.name == "apps":
            raibid.cluster.put({**raibid.cluster.get(WEB), "data": {"LEVEL": "2"}})
            request = dict(written.body).get("reconcile.fluxcd.io/requestedAt", "")
            live: Any = raibid.cluster.get(written.ref)
            live["status"]["lastHandledReconcileAt"] = request
            raibid.cluster.put(live)

    raibid.cluster.react = react
    code, out, err = raibid("set", "cm/web", "-n", "ci", "data.LEVEL=2", "--yes", "--json")
    assert code == 0, err
    assert asked == ["fleet", "apps"]
    followed = [json.loads(line)["step"] for line in out.splitlines() if line.startswith('{"step"')]
    assert "flux-system" in json.dumps(followed) + json.dumps(json.loads(out.splitlines()[-1]))


def test_a_change_that_goes_through_no_variable_asks_for_no_value(
    raibid: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: dict[str, Any] = {}
    import raibid.gitops.watch.follow as module

    follow: Callable[..., Any] = module.follow
    monkeypatch.setattr(module, "follow", lambda *a, **k: seen.update(k) or follow(*a, **k, timeout=0.1))
    raibid("scale", "deploy/web", "2", "-n", "ci", "--yes")
    assert seen["wished"] == ()
