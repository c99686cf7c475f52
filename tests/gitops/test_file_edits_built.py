"""The rules of `files/`, as the real kustomize has them: after an edit exactly one built object is another."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.gitops.kustomize_trees import load
from tests.gitops.test_file_edits import CASES, edits, landed

pytestmark = pytest.mark.skipif(shutil.which("kustomize") is None, reason="kustomize is not on PATH")


def read(directory: Path) -> dict[str, Any]:
    found = yaml.safe_load((directory / "case.yaml").read_text())
    assert isinstance(found, dict)
    return found


def built(root: Path, entry: str) -> list[Any]:
    # Flux builds so, too: a patch file may be anywhere in the repository.
    command = ["kustomize", "build", "--load-restrictor", "LoadRestrictionsNone", str(root / entry)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    return load(done.stdout)


BUILT = [
    directory
    for directory in CASES
    if read(directory).get("changes") and list((directory / read(directory)["entry"]).glob("[kK]ustomization*"))
]


@pytest.mark.parametrize("directory", BUILT, ids=lambda path: path.name)
def test_exactly_one_object_is_another(directory: Path, tmp_path: Path) -> None:
    case = read(directory)
    root = tmp_path / "repository"
    shutil.copytree(directory, root, ignore=lambda *_: ["case.yaml"])
    before = built(root, case["entry"])
    for edit in edits(root, case):
        landed(root, edit)
    after = built(root, case["entry"])
    changed = [new for old, new in zip(before, after, strict=True) if new != old]
    assert [item["kind"] for item in changed] == [case["object"].split("/")[1]]
    for field, value in case.get("set", {}).items():
        if field.startswith("data."):
            assert changed[0]["data"][field.removeprefix("data.")] == value
    if "replicas" in case:
        assert changed[0]["spec"]["replicas"] == case["replicas"]
