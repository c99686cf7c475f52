"""Every object is one that the API server would take, to the last field."""

from __future__ import annotations

import copy
from typing import Any

import kubernetes_validate
import pytest

from components.versions import KUBERNETES_MINOR
from tests.contract.cluster import Cluster, identity
from tests.contract.schemas import CRDS, is_native, problems

needs_crds = pytest.mark.skipif(
    not CRDS.is_dir(), reason="no CRDs beside the checkout; RAIBID_CRDS names their directory"
)


def test_every_native_object_validates_strictly_against_the_pinned_minor(cluster: Cluster) -> None:
    for item in cluster.objects:
        if is_native(item.manifest):
            plain = {key: value for key, value in item.manifest.items() if key != "sops"}
            try:
                used = kubernetes_validate.validate(plain, KUBERNETES_MINOR, strict=True)
            except kubernetes_validate.ValidationError as error:
                pytest.fail(f"{item.path}: {identity(item.manifest)}: {error.message}")
            assert used == KUBERNETES_MINOR


@needs_crds
def test_every_custom_resource_validates_against_its_crd(cluster: Cluster) -> None:
    custom = [item for item in cluster.objects if not is_native(item.manifest)]
    assert custom
    found = [f"{item.path}: {problem}" for item in custom for problem in problems(item.manifest)]
    assert found == []


SCALED_JOB: dict[str, Any] = {
    "apiVersion": "keda.sh/v1alpha1",
    "kind": "ScaledJob",
    "metadata": {"name": "a"},
    "spec": {
        "jobTargetRef": {"template": {"spec": {"containers": [{"name": "a", "image": "a:1"}]}}},
        "triggers": [{"type": "redis-streams", "metadata": {"streamLength": "1"}}],
    },
}


@needs_crds
def test_the_check_knows_a_good_object() -> None:
    assert list(problems(SCALED_JOB)) == []


@needs_crds
@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("spec", "cooldownPeriod"), 30),
        (("spec", "maxReplicaCount"), "3"),
        (("spec", "triggers"), [{"metadata": {}}]),
        (("spec", "jobTargetRef", "template", "spec", "containers"), [{"name": "a", "imaeg": "a:1"}]),
    ],
    ids=["unknown field", "wrong type", "missing field", "misspelt deep down"],
)
def test_the_check_refuses_what_the_api_server_would(path: tuple[str, ...], value: object) -> None:
    bad = copy.deepcopy(SCALED_JOB)
    holder = bad
    for part in path[:-1]:
        holder = holder[part]
    holder[path[-1]] = value
    assert list(problems(bad))
