"""Small repositories in `files/`, each named after the rule that it shows: what an edit changes, or why it is refused.

A `case.yaml` says the entry, the object (group/kind/namespace/name), the edit, and the lines that change.
"""

from __future__ import annotations

import difflib
import re
import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml
from raibid.gitops.errors import GitopsError
from raibid.gitops.files.documents import Edit
from raibid.gitops.files.edit import set_field, set_image, set_replicas
from raibid.gitops.files.variables import VariableSource
from raibid.gitops.objects import Ref

CASES = sorted(path.parent for path in (Path(__file__).parent / "files").glob("*/case.yaml"))


def ref(text: str) -> Ref:
    group, kind, namespace, name = text.split("/")
    return Ref(group, kind, namespace, name)


def changed_lines(root: Path, edit: Edit) -> dict[str, list[str]]:
    """The lines of a diff without any context, by file."""
    found = {}
    for path, data in edit.files.items():
        assert data is not None
        old, new = (root / path).read_bytes().decode(), data.decode()
        lines = difflib.unified_diff(old.splitlines(), new.splitlines(), n=0, lineterm="")
        found[path] = [line for line in lines if not line.startswith(("---", "+++", "@@"))]
    return found


def landed(root: Path, edit: Edit) -> None:
    for path, data in edit.files.items():
        assert data is not None
        (root / path).write_bytes(data)


def edits(root: Path, case: dict[str, Any]) -> list[Edit]:
    """All edits of a case, each on what the one before has left."""
    sources = [VariableSource(ref(item["object"]), frozenset(), item["entry"]) for item in case.get("variables", ())]
    common: dict[str, Any] = {"variables": sources, "flux_spec": case.get("flux")}
    place = (root, case["entry"], ref(case["object"]))
    made = []
    for field, value in case.get("set", {}).items():
        made.append(set_field(*place, field, value, **common))
        landed(root, made[-1])
    for container, image in case.get("image", {}).items():
        made.append(set_image(*place, container, image, **common))
    if "replicas" in case:
        made.append(set_replicas(*place, case["replicas"], **common))
    return made


@pytest.mark.parametrize("directory", CASES, ids=lambda path: path.name)
def test_an_edit_changes_the_lines_that_the_rule_says_or_is_refused(directory: Path, tmp_path: Path) -> None:
    case = yaml.safe_load((directory / "case.yaml").read_text())
    root = tmp_path / "repository"
    shutil.copytree(directory, root, ignore=lambda *_: ["case.yaml"])
    if "refused" in case:
        with pytest.raises(GitopsError, match=case["refused"]) as raised:
            edits(root, case)
        assert re.search(case.get("hint", ""), raised.value.hint)
        return
    made = edits(root, case)
    for edit in made:
        landed(root, edit)
    whole = Edit({path: (root / path).read_bytes() for edit in made for path in edit.files})
    assert changed_lines(directory, whole) == case["changes"]
    assert re.search(case.get("notes", ""), "\n".join(note for edit in made for note in edit.notes))
