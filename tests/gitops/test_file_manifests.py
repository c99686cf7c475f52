"""Whole objects put into a repository and taken out of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from raibid.gitops.errors import GitopsError, NoFileError, NotAllowedError
from raibid.gitops.files.documents import Edit
from raibid.gitops.files.locate import locate
from raibid.gitops.files.manifests import add_manifests
from raibid.gitops.objects import Ref

from tests.gitops.kustomize_trees import write

WEB = Ref("apps", "Deployment", "ci", "web")


def thing(name: str, kind: str = "ConfigMap", version: str = "v1", **more: Any) -> dict[str, Any]:
    return {"apiVersion": version, "kind": kind, "metadata": {"name": name, "namespace": "ci"}, **more}


def landed(root: Path, edit: Edit) -> None:
    for path, data in edit.files.items():
        place = root / path
        place.parent.mkdir(parents=True, exist_ok=True)
        if data is None:
            place.unlink()
        else:
            place.write_bytes(data)


def test_a_new_object_has_a_file_named_by_its_kind_and_is_listed(tmp_path: Path) -> None:
    write(tmp_path, {"apps/kustomization.yaml": "# ours\nresources:\n  - other.yaml\n"})
    edit = add_manifests(tmp_path, "apps", [thing("web", "Service", spec={"ports": [{"port": 80}]}, status={})])
    assert edit.files["apps/kustomization.yaml"] == b"# ours\nresources:\n  - other.yaml\n  - service.yaml\n"
    made = edit.files["apps/service.yaml"]
    assert made is not None
    assert made.startswith(b"---\napiVersion: v1\nkind: Service\n")
    assert yaml.safe_load(made) == thing("web", "Service", spec={"ports": [{"port": 80}]})


def test_several_of_a_kind_have_their_names_in_the_files(tmp_path: Path) -> None:
    edit = add_manifests(tmp_path, "apps/new", [thing("a"), thing("b"), thing("c", "Service")])
    assert sorted(edit.files) == ["apps/new/configmap-a.yaml", "apps/new/configmap-b.yaml", "apps/new/service.yaml"]
    landed(tmp_path, edit)
    assert list(add_manifests(tmp_path, "apps/new", [thing("d", "Service")]).files) == ["apps/new/service-d.yaml"]


def test_flux_kustomizations_never_take_the_name_of_kustomizes_own_file(tmp_path: Path) -> None:
    edit = add_manifests(tmp_path, "", [thing("apps", "Kustomization", "kustomize.toolkit.fluxcd.io/v1")])
    assert list(edit.files) == ["flux-kustomization.yaml"]


def test_an_object_that_is_there_becomes_the_new_one_where_it_is(tmp_path: Path) -> None:
    old = "# ours\napiVersion: apps/v1\nkind: Deployment\nmetadata: {name: web}\n"
    old += "spec:\n  replicas: 1  # one\n  paused: true\n"
    write(tmp_path, {"a/kustomization.yaml": "namespace: ci\nresources: [w.yaml]\n", "a/w.yaml": old})
    edit = add_manifests(tmp_path, "a", [thing("web", "Deployment", "apps/v1", spec={"replicas": 2})])
    assert edit.files == {"a/w.yaml": old.replace("1  #", "2  #").replace("  paused: true\n", "").encode()}


def test_the_same_object_again_changes_nothing(tmp_path: Path) -> None:
    landed(tmp_path, add_manifests(tmp_path, "a", [thing("web", data={"x": "1"})]))
    assert add_manifests(tmp_path, "a", [thing("web", data={"x": "1"})]).files == {}


def test_only_an_object_that_no_file_describes_is_new(tmp_path: Path) -> None:
    write(tmp_path, {"several-apps/kustomization.yaml": "resources: []\n", "twice/a.yaml": yaml.safe_dump(thing("x"))})
    write(tmp_path, {"twice/b.yaml": yaml.safe_dump(thing("x")), "broken/kustomization.yaml": "resources: [w.yaml]\n"})
    write(tmp_path, {"broken/w.yaml": "kind: ConfigMap\nbad: [\n"})
    assert "several-apps/configmap.yaml" in add_manifests(tmp_path, "several-apps", [thing("x")]).files
    for directory in ("twice", "broken"):
        with pytest.raises(NoFileError):
            add_manifests(tmp_path, directory, [thing("x")])


@pytest.mark.parametrize(
    "odd",
    [
        {"kind": "../../x"}, {"metadata": {"name": "../x"}}, {"metadata": {}}, {"metadata": []}, {"apiVersion": ""},
        {"kind": None}, {"metadata": {"name": "a\nb"}},
    ],
)  # fmt: skip
def test_names_that_are_none_never_become_paths(tmp_path: Path, odd: dict[str, Any]) -> None:
    with pytest.raises(NotAllowedError):
        add_manifests(tmp_path, "", [thing("x") | odd])


@pytest.mark.parametrize("directory", ["..", "a/../..", "link", "a/../../other", ".git", "link/new"])
def test_nothing_is_written_outside_of_the_repository(tmp_path: Path, directory: str) -> None:
    root, other = tmp_path / "repository", tmp_path / "other"
    for made in (root / ".git", root / "a", other):
        made.mkdir(parents=True)
    (root / "link").symlink_to(other)
    with pytest.raises(NotAllowedError):
        add_manifests(root, directory, [thing("x")])


def test_links_out_of_the_repository_are_never_read(tmp_path: Path) -> None:
    root, secret = tmp_path / "repository", tmp_path / "secret"
    write(
        secret,
        {"w.yaml": yaml.safe_dump(thing("web", "Deployment", "apps/v1")), "kustomization.yaml": "resources: [w.yaml]"},
    )
    write(root, {"file/kustomization.yaml": "resources: [w.yaml]", "directory/kustomization.yaml": "resources: [in]"})
    (root / "file" / "w.yaml").symlink_to(secret / "w.yaml")
    (root / "directory" / "in").symlink_to(secret)
    (root / "loose").mkdir()
    (root / "loose" / "in").symlink_to(secret)
    (root / "own").mkdir()
    (root / "own" / "kustomization.yaml").symlink_to(secret / "kustomization.yaml")
    for entry in ("file", "directory", "loose", "own"):
        with pytest.raises((NotAllowedError, NoFileError)):
            locate(root, entry, WEB)


def test_an_entry_that_is_no_directory_is_an_answer(tmp_path: Path) -> None:
    with pytest.raises(GitopsError, match="nowhere is no directory"):
        locate(tmp_path, "nowhere", WEB)
