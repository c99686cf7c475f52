"""The admission policies, evaluated: every counter-example is refused, everything of our own is let in."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import celpy
import pytest
import yaml
from celpy.adapter import json_to_cel

from components import agents
from components.admission import IMAGES, WORKLOADS, images_pattern, manifests, variables
from components.kustomize.applied import applied
from components.kustomize.build import substitute
from components.manifest_tree import Manifest, SecretManifest
from components.namespaces import POD_SECURITY
from components.settings import load_stack
from components.systems import budget_of, emission
from policies.rule import Bounds
from policies.rules import MAX_AGENTS, RULES, rule

HERE = Path(__file__).parent
BOUNDS = {IMAGES: "docker[.]io/library/|gitea[.]example/", agents.MOST: "3"}
KINDS = {
    "pods": "Pod", "deployments": "Deployment", "statefulsets": "StatefulSet", "daemonsets": "DaemonSet",
    "replicasets": "ReplicaSet", "jobs": "Job", "cronjobs": "CronJob", "scaledjobs": "ScaledJob",
    "kustomizations": "Kustomization", "helmreleases": "HelmRelease",
}  # fmt: skip


def policies(values: Mapping[str, str]) -> list[Manifest]:
    (items,) = manifests(load_stack("dgx-spark")).directories.values()
    plain = [item for item in items if not isinstance(item, SecretManifest)]
    return [substitute(item, values) for item in plain if item["kind"] == "ValidatingAdmissionPolicy"]


@cache
def program(expression: str) -> celpy.Runner:
    environment = celpy.Environment()
    return environment.program(environment.compile(expression))


def concerns(policy: Manifest, manifest: Manifest) -> bool:
    """What the API server decides from matchConstraints and matchConditions."""
    group = str(manifest["apiVersion"]).rpartition("/")[0]
    constraints = policy["spec"]["matchConstraints"]
    if not any(
        group in r["apiGroups"] and manifest["kind"] in [KINDS[plural] for plural in r["resources"]]
        for r in constraints["resourceRules"]
    ):
        return False
    space = manifest["metadata"].get("namespace", "")
    for match in constraints.get("namespaceSelector", {}).get("matchExpressions", ()):
        if (space in match["values"]) != (match["operator"] == "In"):
            return False
    bound = {"object": json_to_cel(dict(manifest))}
    return all(program(c["expression"]).evaluate(bound) for c in policy["spec"].get("matchConditions", ()))


def refusals(manifest: Manifest, values: Mapping[str, str] = BOUNDS) -> list[str]:
    """Messages of the validations that an object does not pass."""
    found: list[str] = []
    for policy in policies(values):
        if not concerns(policy, manifest):
            continue
        bound: dict[str, Any] = {"object": json_to_cel(dict(manifest)), "variables": celpy.celtypes.MapType()}
        for variable in policy["spec"].get("variables", ()):
            name = celpy.celtypes.StringType(variable["name"])
            bound["variables"][name] = program(variable["expression"]).evaluate(bound)
        checks = policy["spec"]["validations"]
        found += [check["message"] for check in checks if not program(check["expression"]).evaluate(bound)]
    return found


def twins() -> list[str]:
    return [
        check["message"].partition(":")[0] for policy in policies(BOUNDS) for check in policy["spec"]["validations"]
    ]


def fixture(path: Path) -> Manifest:
    manifest: Manifest = next(yaml.safe_load_all(path.read_text()))
    return manifest


@pytest.mark.parametrize("name", twins())
def test_a_counter_example_is_refused_by_its_own_policy_and_no_other(name: str) -> None:
    assert refusals(fixture(HERE / "violations" / f"{name}.yaml")) == [f"{name}: {rule(name).message}"]


def test_every_way_to_another_secret_or_account_is_refused_to_a_job() -> None:
    jobs = list(yaml.safe_load_all((HERE / "violations" / "agent-job.yaml").read_text()))
    assert [len(refusals(job)) for job in jobs] == [1] * len(jobs)
    assert all(list(rule("agent-job").check(job, Bounds())) for job in jobs)


@pytest.mark.parametrize("path", sorted((HERE / "good").glob("*.yaml")), ids=lambda p: p.stem)
def test_a_good_object_is_let_in(path: Path) -> None:
    assert refusals(fixture(path)) == []


@pytest.mark.parametrize("scaler", ["keda", "direct"])
@pytest.mark.parametrize("stack", ["local", "dev", "dgx-spark"])
def test_everything_of_our_own_is_let_in(stack: str, scaler: str) -> None:
    settings = load_stack(stack).model_copy(update={"scaler": scaler})
    whole = emission(settings)
    budget = budget_of(settings)
    values = {**variables(settings, budget), **agents.variables(settings, budget)}
    objects = applied({**whole.files, **whole.seeds}, settings.environment)
    judged = [item for item in objects if any(concerns(policy, item.manifest) for policy in policies(values))]
    scaler = "ScaledJob" if settings.scaler == "keda" else "CronJob"
    assert {item.manifest["kind"] for item in judged} >= {"StatefulSet", "Deployment", scaler, "Kustomization"}
    assert [(item.path, refusals(item.manifest, values)) for item in judged if refusals(item.manifest, values)] == []


def test_every_live_rule_for_objects_of_the_cluster_has_a_twin() -> None:
    """Those without one need what admission does not see: other files, KEDA's semantics, the repository."""
    without = {"secret-encrypted", "data-kept", "source-interval"}
    assert {r.id for r in RULES} - without == set(twins())


@pytest.mark.parametrize(
    ("image", "known"),
    [("docker.io/library/redis:8", True), ("docker.io/library/redis", False), ("x:latest", False), ("a:5000/b", False)],
)
def test_the_policy_and_the_rule_agree_about_tags(image: str, known: bool) -> None:
    spec = {"containers": [{"name": "a", "image": image}]}
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p", "namespace": "infrastructure"}, "spec": spec}
    said = [message for message in refusals(pod) if message.startswith("image-exact")]
    assert (not said) == known


@pytest.mark.parametrize("most", [None, "0", "3", "4", "", "-1", "+2", "1.5", "many", "9" * 30, "٣"])
def test_the_policy_and_the_rule_agree_about_how_many_agents_a_template_may_ask_for(most: str | None) -> None:
    template = {**fixture(HERE / "violations" / "template-within-budget.yaml")}
    template["metadata"] = {**template["metadata"], "annotations": {} if most is None else {MAX_AGENTS: most}}
    assert bool(refusals(template)) == (most not in (None, "0", "3"))
    assert bool(list(rule("template-within-budget").check(template, Bounds(most_agents=3)))) == bool(refusals(template))


def test_the_namespaces_of_charts_are_left_alone() -> None:
    bad = fixture(HERE / "violations" / "image-exact.yaml")
    for space in {*POD_SECURITY, "kube-system"}.difference(WORKLOADS):
        assert refusals({**bad, "metadata": {**bad["metadata"], "namespace": space}}) == []


@pytest.mark.parametrize("name", twins())
def test_other_teams_work_in_the_same_cluster_is_not_judged(name: str) -> None:
    bad = fixture(HERE / "violations" / f"{name}.yaml")
    for space in ("default", "inference", "kube-system"):
        assert refusals({**bad, "metadata": {**bad["metadata"], "namespace": space}}) == []


def test_developers_workloads_are_judged_as_the_pools_own() -> None:
    bad = fixture(HERE / "violations" / "image-exact.yaml")
    assert refusals({**bad, "metadata": {**bad["metadata"], "namespace": "apps"}})


def test_the_operators_own_kustomization_is_never_refused() -> None:
    bad = fixture(HERE / "violations" / "kustomization-complete.yaml")
    root = {**bad, "metadata": {"name": "flux-system", "namespace": "flux-system"}}
    assert refusals(bad)
    assert refusals(root) == []


def test_an_update_of_an_old_pod_is_never_refused() -> None:
    """It could not lose its Job's finalizer any more."""
    for policy in policies(BOUNDS):
        for rules in policy["spec"]["matchConstraints"]["resourceRules"]:
            if "pods" in rules["resources"]:
                assert rules["operations"] == ["CREATE"]


def bindings() -> Iterator[Manifest]:
    (items,) = manifests(load_stack("dgx-spark")).directories.values()
    yield from (i for i in items if not isinstance(i, SecretManifest) and i["kind"].endswith("Binding"))


def test_every_policy_is_bound_and_denies() -> None:
    assert {b["spec"]["policyName"] for b in bindings()} == {p["metadata"]["name"] for p in policies(BOUNDS)}
    assert all(binding["spec"]["validationActions"] == ["Deny"] for binding in bindings())


def test_the_list_of_sources_is_what_is_pinned_and_where_the_stack_pushes() -> None:
    pattern = images_pattern(load_stack("dgx-spark"))
    assert re.match(pattern, "docker.io/library/redis:8.2.3")
    for image in ("gitea.raibid.internal/raibid/ci-agent:1", "gitea.raibid.internal:3000/team/app:1"):
        assert re.match(pattern, image)
    assert not re.match(pattern, "docker.io/library/redis-like:1")
    assert not re.match(pattern, "docker_io/library/redis:1")
    assert not re.match(pattern, "gitea.raibid.internal.evil/raibid/a:1")
