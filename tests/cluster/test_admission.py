"""The emitted admission policies in the API server's own CEL engine: its verdicts are those of `policies.rules`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from components.admission import IMAGES, MOST_AGENTS, WORKLOADS, manifests
from components.kustomize.build import substitute
from components.manifest_tree import SecretManifest
from components.namespaces import POD_SECURITY, pod_security_labels
from components.settings import load_stack
from policies.rule import Bounds, judge
from policies.rules import RULES, rule
from tests.cluster.admission import policies_in_force
from tests.cluster.api import Api, Manifest
from tests.cluster.control_plane import ControlPlane
from tests.cluster.emitted import EmittedCluster, definitions, install
from tests.flux.rendered import pods

POLICIES = Path(__file__).parent.parent / "policies"
VIOLATIONS = sorted((POLICIES / "violations").glob("*.yaml"))
GOOD = sorted((POLICIES / "good").glob("*.yaml"))
BOUNDS = Bounds(images="docker[.]io/library/|gitea[.]example/", most_agents=3)


def documents(*files: Path) -> list[Manifest]:
    return [manifest for file in files for manifest in yaml.safe_load_all(file.read_text())]


def the_policies() -> list[Manifest]:
    """As emitted, with the bounds that the counter-examples were written for."""
    (items,) = manifests(load_stack("dgx-spark")).directories.values()
    values = {IMAGES: str(BOUNDS.images), MOST_AGENTS: str(BOUNDS.most_agents)}
    return [substitute(item, values) for item in items if not isinstance(item, SecretManifest)]


TWINS = [
    check["message"].partition(":")[0]
    for policy in the_policies()
    for check in policy["spec"].get("validations", ())
]


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
    for manifest in documents(POLICIES / "violations" / f"{name}.yaml"):
        answer = judging.create(manifest, dry_run=True)
        assert answer.status == 422, answer
        assert f"{name}: {rule(name).message}" in answer.said


@pytest.mark.parametrize("path", [*VIOLATIONS, *GOOD], ids=lambda path: path.stem)
def test_the_api_server_and_the_rules_give_one_verdict(judging: Api, path: Path) -> None:
    for manifest in documents(path):
        broken = {found.rule.id for found in judge(manifest, RULES, BOUNDS)} & set(TWINS)
        said = judging.create(manifest, dry_run=True).said
        assert bool(said) == bool(broken)
        assert not said or any(f"{name}: {rule(name).message}" in said for name in broken), said


def test_everything_of_our_own_is_let_in_while_the_policies_are_in_force(emitted_cluster: EmittedCluster) -> None:
    policies_in_force(emitted_cluster.api)
    judged = [take.manifest for take in emitted_cluster.takes]
    twins = [{**m, "metadata": {**m["metadata"], "name": f"{m['metadata']['name']}-too"}} for m in judged]
    refused = [(m["kind"], answer.said) for m in twins if not (answer := emitted_cluster.api.create(m, dry_run=True)).accepted]
    assert refused == []


def test_every_pod_of_our_own_is_let_in(emitted_cluster: EmittedCluster) -> None:
    policies_in_force(emitted_cluster.api)
    for take in emitted_cluster.takes:
        for spec in pods(take.manifest):
            metadata = {"name": "one", "namespace": take.manifest["metadata"]["namespace"]}
            pod = {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec}
            answer = emitted_cluster.api.create(pod, dry_run=True)
            assert (take.name, answer.said, answer.warnings) == (take.name, "", ())


def test_the_api_server_finds_no_fault_in_the_types_of_any_expression(judging: Api) -> None:
    for policy in judging.list("admissionregistration.k8s.io/v1", "ValidatingAdmissionPolicy"):
        print(yaml.safe_dump(policy.get("status")))


def test_whoever_is_not_judged_here_may_do_as_they_like(judging: Api) -> None:
    (bad, _) = documents(POLICIES / "violations" / "image-exact.yaml")
    for namespace in {"default", "keda"} - set(WORKLOADS):
        elsewhere = {**bad, "metadata": {**bad["metadata"], "namespace": namespace}}
        assert judging.create(elsewhere, dry_run=True).accepted
