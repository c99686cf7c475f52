"""What an Application sets over its files: found through it, and not edited where the edit would change nothing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from raibid.gitops.errors import NotEditableError
from raibid.gitops.files.edit import set_field, set_image
from raibid.gitops.files.locate import locate
from raibid.gitops.objects import Ref
from raibid.gitops.owner.additions import additions
from raibid.gitops.owner.argo_overrides import as_flux_spec
from raibid.gitops.owner.find import find

from tests.gitops.memory_cluster import MemoryCluster, documents

STATE = Path(__file__).parent / "argo" / "owner" / "overrides-what-its-files-say.yaml"
WEB = Ref("apps", "Deployment", "shop", "blue-web")


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A directory as the guestbook's: a kustomization, no namespaces."""
    deploy = tmp_path / "deploy"
    deploy.mkdir()
    (deploy / "kustomization.yaml").write_text("resources: [web.yaml]\n")
    (deploy / "web.yaml").write_text(
        "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: web}\nspec:\n"
        "  minReadySeconds: 1  # kept\n  replicas: 1\n"
        "  template: {spec: {containers: [{name: web, image: 'registry.test/web:1'}]}}\n"
    )
    return tmp_path


@pytest.fixture
def added() -> dict[str, Any]:
    cluster = MemoryCluster.of(*documents(STATE))
    claim = find(cluster, WEB).claim
    assert claim is not None
    assert claim.place is not None
    return additions(cluster, claim, claim.place)


def test_the_file_is_found_by_the_name_that_the_application_makes(repository: Path, added: dict[str, Any]) -> None:
    assert locate(repository, "deploy", WEB, flux_spec=added).file == "deploy/web.yaml"


def test_what_the_application_leaves_alone_is_edited_in_the_file(repository: Path, added: dict[str, Any]) -> None:
    edit = set_field(repository, "deploy", WEB, "spec.minReadySeconds", 5, flux_spec=added)
    assert b"minReadySeconds: 5  # kept" in (edit.files["deploy/web.yaml"] or b"")


def test_what_the_application_sets_is_not_edited_in_the_file(repository: Path, added: dict[str, Any]) -> None:
    with pytest.raises(NotEditableError, match="applier's own manifest"):
        set_image(repository, "deploy", WEB, "web", "registry.test/web:3", flux_spec=added)
    with pytest.raises(NotEditableError, match="applier's own manifest"):
        set_field(repository, "deploy", WEB, "spec.replicas", 5, flux_spec=added)


@pytest.mark.parametrize(
    ("value", "image"),
    [
        ("web=registry.test:5000/web:2", {"name": "web", "newName": "registry.test:5000/web", "newTag": "2"}),
        ("registry.test:5000/web", {"name": "registry.test:5000/web", "newName": "registry.test:5000/web"}),
        ("web:2", {"name": "web", "newName": "web", "newTag": "2"}),
        ("web@sha256:12", {"name": "web", "newName": "web", "digest": "sha256:12"}),
    ],
)
def test_an_image_is_read_as_kustomizes_command_line_reads_it(value: str, image: dict[str, str]) -> None:
    assert as_flux_spec({"kustomize": {"images": [value]}}) == {"images": [image]}


def test_a_source_without_overrides_adds_nothing() -> None:
    assert as_flux_spec({"path": "deploy", "kustomize": {"version": "v5"}}) == {}
