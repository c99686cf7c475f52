"""After an edit, the real kustomize builds the wished value into exactly that object, and nothing else changes."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, assume, event, given, settings
from hypothesis import strategies as st
from raibid.gitops.errors import NotEditableError
from raibid.gitops.files.documents import Edit
from raibid.gitops.files.edit import set_field, set_image, set_replicas
from raibid.gitops.files.fields import named, read_field, steps_in, value_at
from raibid.gitops.files.values import changed
from raibid.gitops.objects import ref_of

from tests.gitops.kustomize_trees import Files, build, trees, write

pytestmark = pytest.mark.skipif(shutil.which("kustomize") is None, reason="kustomize is not on PATH")

FIELDS = {
    "spec.replicas": st.integers(20, 30),
    "spec.template.spec.containers[0].image": st.sampled_from(["registry/a:5", "mirror/z:1@sha256:00"]),
    'metadata.annotations["note"]': st.sampled_from(["y", "2"]),
    "spec.template.spec.containers[0].env[name=A].value": st.sampled_from(["new", "on", "1:30", "with 'quotes'"]),
}


def landed(root: Path, edit: Edit) -> None:
    for path, data in edit.files.items():
        assert data is not None
        (root / path).write_bytes(data)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much])
@given(tree=trees(), data=st.data())
def test_an_edit_reaches_exactly_that_object_as_the_real_kustomize_builds_it(tree: Files, data: st.DataObject) -> None:
    with tempfile.TemporaryDirectory() as directory:
        root = Path(directory)
        write(root, tree)
        before = build(root, "env")
        assume(before is not None)
        assert before is not None
        key = next(key for key in before if key[1].endswith("app"))
        ref = ref_of(before[key])
        name = data.draw(st.sampled_from(sorted(FIELDS)))
        value = data.draw(FIELDS[name])
        field = named(before[key], read_field(name))
        try:
            if name.endswith("image") and data.draw(st.booleans()):
                container = value_at(before[key], field[:-1])[1]["name"]
                edit = set_image(root, "env", ref, container, str(value))
            elif name == "spec.replicas":
                edit = set_replicas(root, "env", ref, int(str(value)))
            else:
                edit = set_field(root, "env", ref, name, value)
        except NotEditableError as error:
            event(f"refused: {str(error)[-40:]}")
            return
        event("set")
        landed(root, edit)
        steps, item = steps_in(before[key], field)
        wished = changed(before[key], steps, value if item is None else {**item, "value": value})
        after = build(root, "env")
        assert after is not None
        told = {other for other in before if any(f"{other[0]}/{other[1]}" in note for note in edit.notes)}
        assert {**after, **{other: before[other] for other in told - {key}}} == {**before, key: wished}
