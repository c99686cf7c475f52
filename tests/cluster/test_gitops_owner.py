"""Who owns live objects of real API servers: what Flux applied, and the recorded states of HelmReleases and Argo CD."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from raibid.gitops.kube_cluster import KubeCluster
from raibid.gitops.objects import metadata_of, ref_of
from raibid.gitops.owner.find import find

from tests.cluster.gitops.recorded import Placed, connected
from tests.cluster.gitops.site import Site
from tests.cluster.parts.control_plane import ControlPlane
from tests.gitops.memory_cluster import MemoryCluster, documents

FIXTURES = Path(__file__).parents[1] / "gitops"
STATES = [
    *(
        FIXTURES / "argo" / "owner" / f"{name}.yaml"
        for name in (
            "application-of-applications",
            "application-outside-of-argocd-namespace",
            "both-flux-and-argocd-apply-it",
            "chart-with-values-in-another-source",
            "generated-by-an-application-set",
            "hydrated",
            "several-sources",
            "two-applications-list-one-object",
        )
    ),
    *(
        FIXTURES / "flux" / "shapes" / f"{name}.yaml"
        for name in (
            "helm_release",
            "helm_release_with_its_chart_in_git",
            "labels_copied",
            "resource_set",
            "two_kustomizations",
        )
    ),
]
"""Those whose objects an API server takes; the others have wrong types, or owners that were never made."""


def answer(site: Site, about: str, *options: str) -> dict[str, Any]:
    """What the command says of an object in `apps`, if there is one owner."""
    ended = site.raibid("gitops", "owner", about, "-n", "apps", "--json", *options)
    assert ended.code == 0, ended.err
    found: dict[str, Any] = ended.json
    return found


def claim(site: Site, about: str, *options: str) -> dict[str, Any]:
    (found,) = answer(site, about, *options)["claims"]
    return dict(found)


def chain(found: dict[str, Any]) -> list[tuple[str, str]]:
    return [(owner["ref"]["kind"], owner["how"]) for owner in found["chain"]]


def test_what_flux_applied_is_edited_in_the_file_of_its_path(site: Site) -> None:
    found = claim(site, "deployment/web")
    assert chain(found) == [("Kustomization", "inventory")]
    assert (found["place"]["path"], found["place"]["branch"], found["place"]["revision"]) == (
        "apps/web",
        "main",
        site.head,
    )
    assert (found["file"]["location"]["file"], found["file"]["location"]["index"]) == ("apps/web/deployment.yaml", 0)
    assert found["chain"][0]["applied"].endswith(site.head)


def test_a_pod_leads_to_the_deployment_that_is_edited(site: Site) -> None:
    (pod, *_) = [item for item in site.api.list("v1", "Pod", "apps") if item["metadata"]["labels"]["app"] == "web"]
    found = claim(site, f"pod/{pod['metadata']['name']}")
    assert chain(found) == [
        ("ReplicaSet", "ownerReference"),
        ("Deployment", "ownerReference"),
        ("Kustomization", "inventory"),
    ]
    assert (found["edit"]["kind"], found["edit"]["name"]) == ("Deployment", "web")
    assert found["file"]["location"]["file"] == "apps/web/deployment.yaml"


def test_a_kustomization_is_owned_by_the_root_that_applied_it(site: Site) -> None:
    ended = site.raibid("gitops", "owner", "kustomization/web", "-n", "flux-system", "--json")
    (found,) = ended.json["claims"]
    assert found["chain"][0]["ref"]["name"] == "flux-system"
    assert found["file"]["location"]["file"] == "clusters/test/apps.yaml"


def test_an_encrypted_secret_is_owned_and_its_value_is_not_told(site: Site) -> None:
    ended = site.raibid("gitops", "owner", "secret/token", "-n", "apps", "--json")
    assert ended.json["claims"][0]["file"]["location"]["file"] == "infra/token.enc.yaml"
    assert "a secret" not in ended.out + ended.err


def test_copied_labels_make_no_owner(site: Site) -> None:
    original = site.api.get({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "web", "namespace": "apps"}})
    labels = metadata_of(original.body)["labels"]
    assert labels["kustomize.toolkit.fluxcd.io/name"] == "web"
    copy = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "copy", "namespace": "apps", "labels": labels},
    }
    site.plane.apply(copy)
    ended = site.raibid("gitops", "owner", "cm/copy", "-n", "apps", "--json")
    assert ended.json["verdict"] == "unmanaged"
    assert any("inventory" in note for note in ended.json["notes"])


def test_who_may_read_nothing_gets_an_answer_and_no_traceback(site: Site) -> None:
    token = site.plane.kubectl("-n", "apps", "create", "token", "default").strip()
    stranger = {"KUBECONFIG": str(site.plane.kubeconfig("stranger", token=token))}
    ended = site.raibid("gitops", "owner", "deployment/web", "-n", "apps", **stranger)
    assert ended.code == 6
    assert "cannot list resource" in ended.out
    assert "Traceback" not in ended.err


def test_what_is_not_there_is_not_found(site: Site) -> None:
    assert site.raibid("gitops", "owner", "deployment/nobody", "-n", "apps").code == 7
    assert site.raibid("gitops", "owner", "banana/nobody", "-n", "apps").code == 7


@pytest.fixture(scope="module")
def quiet_plane(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:
    """One that collects no garbage: recorded objects name owners by uids that no API server ever gave."""
    controllers = ("*", "-garbage-collector-controller")
    with ControlPlane(tmp_path_factory.mktemp("quiet"), controllers=controllers) as plane:
        yield plane


@pytest.fixture(scope="module")
def cluster(quiet_plane: ControlPlane) -> Iterator[KubeCluster]:
    """An API server with the kinds of Flux and Argo CD, and nobody who acts on them."""
    with connected(quiet_plane) as cluster:
        yield cluster


@pytest.mark.parametrize("file", STATES, ids=lambda file: file.stem)
def test_a_recorded_state_has_the_same_owners_on_a_real_api_server(
    quiet_plane: ControlPlane, cluster: KubeCluster, file: Path
) -> None:
    around = documents(FIXTURES / "flux" / "fleet.yaml")[:1] if file.parent.name == "shapes" else []
    with Placed(quiet_plane, [*around, *documents(file)]) as placed:
        for manifest in placed.objects:
            ref = ref_of(manifest)
            assert find(cluster, ref) == find(MemoryCluster.of(*placed.objects), ref), ref


def test_an_application_that_lists_what_flux_applied_contests_it(site: Site) -> None:
    application = {
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": "Application",
        "metadata": {"name": "web", "namespace": "apps"},
        "spec": {
            "project": "default",
            "destination": {"server": "https://kubernetes.default.svc", "namespace": "apps"},
            "source": {"repoURL": "https://git.example.org/web.git", "path": "deploy", "targetRevision": "main"},
        },
        "status": {"resources": [{"version": "v1", "kind": "ConfigMap", "namespace": "apps", "name": "web"}]},
    }
    application["status"]["resources"][0]["status"] = "Synced"  # type: ignore[index]
    site.plane.apply(application)
    ended = site.raibid("gitops", "owner", "cm/web", "-n", "apps", "--no-file", "--json")
    site.plane.kubectl("-n", "apps", "delete", "application", "web")
    assert (ended.code, ended.json["verdict"]) == (9, "contested")
    assert {found["chain"][0]["ref"]["kind"] for found in ended.json["claims"]} == {"Application", "Kustomization"}
