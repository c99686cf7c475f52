"""What Flux's words say of who is to blame: where it is not the commit, no commit is taken back."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from raibid.gitops.objects import Condition
from raibid.gitops.rollback.blame import FAILED, helm_only, outside

OUTSIDE = [
    "substitute from 'ConfigMap/cluster-vars' error: configmaps \"cluster-vars\" not found",
    "substitute from 'Secret/cluster-secrets' error: Get \"https://10.0.0.1:443/api/v1/x\": EOF",
    "failed to build kube client: unable to read KubeConfig secret 'a/b' error: Secret \"b\" not found",
    "Deployment/ci/web dry-run failed (Unauthorized): Unauthorized",
    "context deadline exceeded",
    "client rate limiter Wait returned an error: context deadline exceeded",
    "Deployment/ci/web dry-run failed (Timeout): Timeout: request did not complete within requested timeout",
    "Deployment/ci/web dry-run failed (InternalError): Internal error occurred: resource quota evaluation timed out",
    "Deployment/ci/web dry-run failed: Internal error occurred: failed to call webhook",
    "unexpected EOF",
    "http2: client connection lost",
    'Get "https://10.0.0.1:443/api": net/http: request canceled while waiting for connection',
    'Get "https://10.0.0.1:443/api": x509: certificate has expired or is not yet valid',
    "write /tmp/kustomization-12: no space left on device",
    "etcdserver: request timed out",
]
THE_COMMIT = [
    "kustomize build failed: accumulating resources: yaml: line 7: mapping values are not allowed in this context",
    "envsubst error: variable substitution failed: missing closing brace",
    'Deployment/ci/web dry-run failed (Invalid): Deployment.apps "web" is invalid: spec.selector: Invalid value',
    "Deployment/ci/web dry-run failed (Forbidden): exceeded quota: ci",
    'Widget/ci/web dry-run failed: no matches for kind "Widget" in version "example.org/v1"',
    'admission webhook "policy.example.org" denied the request: no latest',
]
WAITED = "health check failed after 1m0s: timeout waiting for: [%s]"


def condition(reason: str, message: str) -> Condition:
    return Condition("Ready", "False", reason, message)


@pytest.mark.parametrize("message", OUTSIDE)
@pytest.mark.parametrize("reason", sorted(FAILED))
def test_what_is_outside_of_the_path_is_not_blamed_on_a_commit(reason: str, message: str) -> None:
    assert outside(condition(reason, message))


@pytest.mark.parametrize("message", THE_COMMIT)
def test_what_the_api_server_or_the_build_says_of_the_manifests_is(message: str) -> None:
    assert not outside(condition("ReconciliationFailed", message))


@pytest.mark.parametrize("kind", ["Kustomization", "HelmRepository", "GitRepository", "OCIRepository", "HelmChart"])
def test_a_stage_that_only_waits_for_flux_is_not_to_blame(kind: str) -> None:
    assert kind in outside(condition("HealthCheckFailed", WAITED % f"{kind}/apps/x status: 'Failed'"))


@pytest.mark.parametrize("name", ["sops-operator", "unauthorized", "etcdserver"])
def test_a_workloads_name_says_nothing(name: str) -> None:
    assert not outside(condition("HealthCheckFailed", WAITED % f"Deployment/ci/{name} status: 'InProgress'"))


def test_releases_alone_are_helms_to_take_back() -> None:
    redis, shop = "HelmRelease/apps/redis status: 'Failed'", "Deployment/apps/shop status: 'Failed'"
    assert helm_only(condition("HealthCheckFailed", WAITED % redis))
    assert not helm_only(condition("HealthCheckFailed", WAITED % f"{redis}, {shop}"))
    assert not helm_only(condition("BuildFailed", WAITED % redis))


@given(st.sampled_from(sorted(FAILED)), st.text(max_size=200))
def test_whatever_is_said_there_is_an_answer(reason: str, message: str) -> None:
    said = condition(reason, message)
    assert isinstance(outside(said), str)
    assert isinstance(helm_only(said), bool)
