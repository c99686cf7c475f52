"""The emitted admission policies in the API server's own CEL engine: its verdicts are those of `policies.rules`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from components import agents
from components.admission import IMAGES, WORKLOADS, manifests
from components.kustomize.build import substitute
from components.manifest_tree import SecretManifest
from components.namespaces import POD_SECURITY, pod_security_labels
from components.settings import load_stack
from policies.rule import Bounds, judge
from policies.rules import AGENT, RULES, rule
from tests.cluster.admission import policies_in_force
from tests.cluster.parts.control_plane import ControlPlane
from tests.cluster.tree.api import Api, Manifest
from tests.cluster.tree.emitted import EmittedCluster, definitions, install
from tests.flux.rendered import pods
from tests.waiting import until

POLICIES = Path(__file__).parent.parent / "policies"
VIOLATIONS = sorted((POLICIES / "violations").glob("*.yaml"))
GOOD = sorted((POLICIES / "good").glob("*.yaml"))
BOUNDS = Bounds(images="docker[.]io/library/|gitea[.]example/", most_agents=3)


def documents(*files: Path) -> list[Manifest]:
    return [manifest for file in files for manifest in yaml.safe_load_all(file.read_text())]


def the_policies() -> list[Manifest]:
    """As emitted, with the bounds that the counter-examples were written for."""
    (items,) = manifests(load_stack("dgx-spark")).directories.values()
    values = {IMAGES: str(BOUNDS.images), agents.MOST: str(BOUNDS.most_agents)}
    return [substitute(item, values) for item in items if not isinstance(item, SecretManifest)]


KINDS = {
    "Pod": "v1",
    "Deployment": "apps/v1",
    "StatefulSet": "apps/v1",
    "DaemonSet": "apps/v1",
    "ReplicaSet": "apps/v1",
    "Job": "batch/v1",
    "CronJob": "batch/v1",
}
_VERSION = "admissionregistration.k8s.io/v1"
TWINS = [
    check["message"].partition(":")[0] for policy in the_policies() for check in policy["spec"].get("validations", ())
]


OF_ONE_KIND = ("scaled-job-budget", "agent-job")


def violation(name: str) -> list[Manifest]:
    return documents(POLICIES / "violations" / f"{name}.yaml")


def holding(spec: Manifest, kind: str, namespace: str) -> Manifest:
    """An object of that kind which makes pods of this spec."""
    labels = {"app": "bad"}
    # A Job of ci may be an agent's and nothing else.
    once = {"restartPolicy": "Never", "serviceAccountName": AGENT} if kind in ("Job", "CronJob") else {}
    template = {"metadata": {"labels": labels}, "spec": {**spec, **once}}
    more: dict[str, Any] = {
        "Pod": template["spec"],
        "Job": {"template": template},
        "CronJob": {"schedule": "0 0 * * *", "jobTemplate": {"spec": {"template": template}}},
    }.get(kind) or {"selector": {"matchLabels": labels}, "template": template}
    if kind == "StatefulSet":
        more = {**more, "serviceName": "bad"}
    metadata = {"name": "bad", "namespace": namespace}
    return {"apiVersion": KINDS[kind], "kind": kind, "metadata": metadata, "spec": more}


@pytest.fixture(scope="module")
def judging(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    """An API server that holds the pool's namespaces and policies, and nothing else."""
    with ControlPlane(tmp_path_factory.mktemp("judging")) as plane:
        api = Api(plane)
        install(api, definitions(*documents(*VIOLATIONS, *GOOD)))
        for name in POD_SECURITY:
            labels = pod_security_labels(name)
            answer = api.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}})
            assert answer.accepted, answer.said
        for policy in the_policies():
            answer = api.apply(policy)
            assert answer.accepted, answer.said
        policies_in_force(api)
        yield api


@pytest.mark.parametrize("name", TWINS)
def test_a_counter_example_is_refused_with_its_rules_message(judging: Api, name: str) -> None:
    for manifest in violation(name):
        answer = judging.create(manifest, dry_run=True)
        assert answer.status == 422, answer
        assert f"{name}: {rule(name).message}" in answer.said


@pytest.mark.parametrize("path", [*VIOLATIONS, *GOOD], ids=lambda path: path.stem)
def test_the_api_server_and_the_rules_give_one_verdict(judging: Api, path: Path) -> None:
    for manifest in documents(path):
        broken = {found.rule.id for found in judge(manifest, RULES, BOUNDS)} & set(TWINS)
        decrypted = {key: value for key, value in manifest.items() if key != "sops"}
        said = judging.create(decrypted, dry_run=True).said
        assert verdict(said) <= broken
        assert bool(said) == bool(broken), said


def verdict(said: str) -> set[str]:
    """Rules that a refusal names; the API server tells the first and no more."""
    return {name for name in TWINS if f"{name}: {rule(name).message}" in said}


@pytest.mark.parametrize(
    "name", [name for name in TWINS if any(list(pods(m)) for m in violation(name)) and name not in OF_ONE_KIND]
)
@pytest.mark.parametrize("kind", KINDS)
def test_a_bad_pod_is_refused_in_every_kind_that_makes_pods(judging: Api, name: str, kind: str) -> None:
    (first, *_) = violation(name)
    for spec in pods(first):
        answer = judging.create(holding(spec, kind, first["metadata"]["namespace"]), dry_run=True)
        assert verdict(answer.said) == {name} or (kind == "Pod" and "PodSecurity" in answer.said), answer.said


def test_every_twin_was_tried_by_a_counter_example() -> None:
    assert {path.stem for path in VIOLATIONS} >= set(TWINS)


def test_everything_of_our_own_is_let_in_while_the_policies_are_in_force(emitted_cluster: EmittedCluster) -> None:
    policies_in_force(emitted_cluster.api)
    again = [emitted_cluster.api.apply(take.manifest, force=True, dry_run=True) for take in emitted_cluster.takes]
    assert [(answer.said, answer.warnings) for answer in again if answer.said or answer.warnings] == []


def test_an_agents_pod_is_let_in_while_the_policies_are_in_force(emitted_cluster: EmittedCluster) -> None:
    policies_in_force(emitted_cluster.api)
    answer = emitted_cluster.api.create(emitted_cluster.agent("agent"), dry_run=True)
    assert (answer.said, answer.warnings) == ("", ())


def test_the_api_server_finds_no_fault_in_the_types_of_any_expression(judging: Api) -> None:
    def checked() -> list[dict[str, Any]]:
        found = [policy.get("status", {}) for policy in judging.list(_VERSION, "ValidatingAdmissionPolicy")]
        return found if all("typeChecking" in status for status in found) else []

    for status in until(checked, "every policy's types are checked"):
        assert not status["typeChecking"].get("expressionWarnings")


def test_other_teams_work_in_the_same_cluster_is_not_judged(judging: Api) -> None:
    (bad, _) = violation("image-exact")
    for namespace in {"default", *POD_SECURITY} - set(WORKLOADS):
        elsewhere = {**bad, "metadata": {**bad["metadata"], "namespace": namespace}}
        assert judging.create(elsewhere, dry_run=True).said == ""
