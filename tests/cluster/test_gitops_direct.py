"""What nobody applies from Git, changed on a real API server: only it knows which fields a manager would lose."""

from __future__ import annotations

import json
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

import pytest
import yaml
from raibid.cli.main import run
from raibid.contract import Env, ExitCode

from tests.cluster.parts.control_plane import ControlPlane

LABELS = {"app": "alone"}
CONTAINERS = [
    {"name": "web", "image": "web:1", "args": ["a", "b"], "ports": [{"containerPort": 80}]},
    {"name": "side", "image": "side:1"},
]
ALONE = {
    "apiVersion": "apps/v1",
    "kind": "Deployment",
    "metadata": {"name": "alone"},
    "spec": {
        "replicas": 2,
        "selector": {"matchLabels": LABELS},
        "template": {"metadata": {"labels": LABELS}, "spec": {"containers": CONTAINERS}},
    },
}
NUMBERS = count()


@dataclass
class Stage:
    """A namespace with a Deployment, and `raibid gitops …` as it is typed."""

    plane: ControlPlane
    namespace: str
    capsys: pytest.CaptureFixture[str]

    def ended(self, *arguments: str) -> tuple[int, str, str]:
        code = run(["gitops", *arguments, "--yes"])
        said = self.capsys.readouterr()
        return code, said.out, said.err

    def change(self, verb: str, about: str, *rest: str) -> dict[str, Any]:
        code, out, err = self.ended(verb, about, *rest, "-n", self.namespace, "--json")
        assert code == 0, err
        report: dict[str, Any] = json.loads(out)["change"]
        return report

    def kubectl(self, *arguments: str) -> str:
        return self.plane.kubectl("-n", self.namespace, *arguments)

    def get(self, about: str) -> Any:
        return json.loads(self.kubectl("get", about, "-o", "json"))


@pytest.fixture(params=["kubectl", "raibid gitops apply"])
def stage(
    request: pytest.FixtureRequest,
    control_plane: ControlPlane,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Stage:
    """Of a Deployment that somebody, or an earlier `apply`, has made."""
    stage = Stage(control_plane, f"direct-{next(NUMBERS)}", capsys)
    (tmp_path / "gitops.yaml").write_text("provider: none\n")
    alone = {**ALONE, "metadata": {"name": "alone", "namespace": stage.namespace}}
    (tmp_path / "alone.yaml").write_text(yaml.safe_dump(alone))
    monkeypatch.setenv("KUBECONFIG", str(control_plane.kubeconfig()))
    monkeypatch.setenv(Env.GITOPS_FILE, str(tmp_path / "gitops.yaml"))
    control_plane.kubectl("create", "namespace", stage.namespace)
    if request.param == "kubectl":
        stage.kubectl("create", "-f", str(tmp_path / "alone.yaml"))
    else:
        assert stage.ended("apply", "-f", str(tmp_path / "alone.yaml"))[0] == 0
    return stage


def test_a_later_direct_change_keeps_what_an_earlier_one_has_set(stage: Stage) -> None:
    stage.change("scale", "deploy/alone", "5")
    told = stage.change("set", "deploy/alone", "spec.paused=true")
    assert [line for line in told["diff"].splitlines() if line.startswith(("+ ", "- "))] == ["+  paused: true"]
    stage.change("image", "deploy/alone", "web=web:2")
    stage.change("set", "deploy/alone", "spec.template.spec.containers[0].args[1]=c", "metadata.annotations.why=test")
    stage.change("scale", "deploy/alone", "4")
    found = stage.get("deploy/alone")["spec"]
    assert (found["replicas"], found["paused"]) == (4, True)
    web, side = found["template"]["spec"]["containers"]
    assert (web["image"], web["args"], web["ports"][0]["containerPort"]) == ("web:2", ["a", "c"], 80)
    assert side["image"] == "side:1"


def test_who_else_sets_the_field_is_told(stage: Stage) -> None:
    stage.kubectl("scale", "deployment", "alone", "--replicas=3")
    assert "kubectl" in stage.change("scale", "deploy/alone", "4")["warnings"][0]
    assert stage.change("scale", "deploy/alone", "5")["warnings"] == []


def test_the_same_again_is_no_change(stage: Stage) -> None:
    assert stage.change("scale", "deploy/alone", "4")["changed"] is True
    assert stage.change("scale", "deploy/alone", "4")["changed"] is False


def test_a_field_that_the_kind_does_not_know_is_refused_and_shown(stage: Stage) -> None:
    code, out, err = stage.ended("set", "deploy/alone", "-n", stage.namespace, "spec.replcas=3")
    assert code == ExitCode.FAILED
    assert 'unknown field "spec.replcas"' in err
    assert "+  replcas: 3" in out


def test_a_value_of_a_secret_is_changed_by_its_text(stage: Stage) -> None:
    stage.kubectl("create", "secret", "generic", "key", "--from-literal=a=1", "--from-literal=b=2")
    assert "hunter2" not in json.dumps(stage.change("set", "secret/key", "stringData.a=hunter2"))
    assert stage.get("secret/key")["data"] == {"a": "aHVudGVyMg==", "b": "Mg=="}
    assert stage.change("set", "secret/key", "stringData.a=hunter2")["changed"] is False
