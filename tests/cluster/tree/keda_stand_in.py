"""Stands in for KEDA and for Helm in what makes the order of their going matter.

Owns: the finalizer that KEDA puts on its objects and takes off again only while it is installed; what removing KEDA's
release takes along.
Leaves to others: saying Ready (`stand_ins`), KEDA itself (`parts.keda`).
"""

from __future__ import annotations

from typing import Final

from components import keda
from tests.cluster.tree.api import Api, Manifest

FINALIZER: Final = "finalizer.keda.sh"
"""KEDA 2.21.0, controllers/keda/scaledjob_finalizer.go and util/finalizer.go."""
HELD: Final = (("keda.sh/v1alpha1", "ScaledJob"), ("keda.sh/v1alpha1", "TriggerAuthentication"))
RELEASE: Final[Manifest] = {
    "apiVersion": "helm.toolkit.fluxcd.io/v2",
    "kind": "HelmRelease",
    "metadata": {"name": keda.NAME, "namespace": keda.NAMESPACE},
}
_HELM: Final = "finalizers.fluxcd.io"
_KEEP: Final = {"helm.sh/resource-policy": "keep"}


def hold_and_let_go(api: Api) -> None:
    """One look at everything that is KEDA's."""
    release = api.get(RELEASE)
    if release.accepted and "deletionTimestamp" in release.body["metadata"]:
        _uninstall(api, release.body)
    elif release.accepted:
        _held(api, release.body, _HELM)
        for version, kind in HELD:
            for item in api.list(version, kind):
                _held(api, {**item, "apiVersion": version, "kind": kind}, FINALIZER)


def _held(api: Api, item: Manifest, finalizer: str) -> None:
    """With the finalizer as long as nobody deletes it, and without it from then on."""
    finalizers = item["metadata"].get("finalizers", [])
    going = "deletionTimestamp" in item["metadata"]
    if going == (finalizer in finalizers):
        others = [name for name in finalizers if name != finalizer]
        _finalizers(api, item, others if going else [*others, finalizer])


def _uninstall(api: Api, release: Manifest) -> None:
    """The chart's CRDs are templates of it: Helm removes them with the release, unless they say that they stay."""
    if release["spec"]["values"].get("crds", {}).get("additionalAnnotations") != _KEEP:
        for crd in api.list("apiextensions.k8s.io/v1", "CustomResourceDefinition"):
            if crd["spec"]["group"] == "keda.sh":
                api.delete({**crd, "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition"})
    _finalizers(api, release, [name for name in release["metadata"].get("finalizers", []) if name != _HELM])


def _finalizers(api: Api, item: Manifest, names: list[str]) -> None:
    # With the version that was seen: somebody else's finalizer of this moment is not overwritten but looked at again.
    change = {"metadata": {"finalizers": names, "resourceVersion": item["metadata"]["resourceVersion"]}}
    answer = api.merge(item, change)
    assert answer.accepted or answer.status in (404, 409), answer.said
