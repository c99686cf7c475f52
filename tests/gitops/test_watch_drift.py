"""Drift: whose fields are a person's."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from raibid.gitops.watch.drift import drift

from tests.gitops.junk import JUNK


def managed(*entries: dict[str, Any]) -> dict[str, Any]:
    return {"kind": "Deployment", "metadata": {"name": "web", "managedFields": list(entries)}}


def entry(manager: str, fields: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"manager": manager, "operation": "Update", "fieldsType": "FieldsV1", "fieldsV1": fields, **more}


def test_a_field_that_kubectl_took_over_is_named_as_one_writes_it() -> None:
    image: dict[str, Any] = {"f:containers": {'k:{"name":"web"}': {".": {}, "f:image": {}}}}
    found = drift(managed(entry("kubectl-set", {"f:spec": {"f:replicas": {}, "f:template": {"f:spec": image}}})))
    assert found == ["kubectl-set has set spec.replicas, spec.template.spec.containers[name=web].image"]


def test_what_appliers_and_controllers_set_is_no_drift() -> None:
    fields: dict[str, Any] = {"f:spec": {"f:replicas": {}}}
    managers = ("kustomize-controller", "helm-controller", "argocd-controller", "keda-operator")
    assert drift(managed(*(entry(manager, fields) for manager in managers))) == []


def test_a_status_is_no_drift() -> None:
    assert drift(managed(entry("kubectl-edit", {"f:status": {"f:phase": {}}}, subresource="status"))) == []


@given(fields=JUNK)
def test_whatever_strangers_wrote_is_read(fields: Any) -> None:
    assert isinstance(drift({"metadata": {"managedFields": fields}}), list)
    assert isinstance(drift(managed(entry("kubectl", {"f:spec": fields, "k:": fields, "v:1": fields}))), list)
