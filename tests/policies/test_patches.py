"""Patches: what kustomize's own cases do not reach."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.kustomize.patches import PatchError, json_patch, strategic_merge

names = st.sampled_from(["a", "b", "c"])
values = st.recursive(
    st.none() | st.integers() | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=3),
    max_leaves=8,
)
objects = st.dictionaries(names, values, max_size=3)


@given(objects, objects)
def test_merging_a_patch_twice_is_merging_it_once(target: dict[str, Any], patch: dict[str, Any]) -> None:
    once = strategic_merge(target, patch)
    assert once is not None
    assert strategic_merge(once, patch) == once


@given(objects)
def test_an_empty_patch_changes_nothing(target: dict[str, Any]) -> None:
    assert strategic_merge(target, {}) == target
    assert json_patch(target, []) == target


@given(objects, names, values)
def test_add_then_remove_leaves_the_rest_as_it_was(target: dict[str, Any], key: str, value: object) -> None:
    path = f"/{key}"
    done = json_patch(target, [{"op": "add", "path": path, "value": value}, {"op": "remove", "path": path}])
    assert done == {name: item for name, item in target.items() if name != key}


@given(objects, objects)
def test_what_is_patched_is_not_the_object_itself(target: dict[str, Any], patch: dict[str, Any]) -> None:
    before = repr(target)
    strategic_merge(target, patch)
    json_patch(target, [{"op": "add", "path": "/x", "value": 1}])
    assert repr(target) == before


@pytest.mark.parametrize(
    ("operation", "said"),
    [
        ({"op": "remove", "path": "/spec/x"}, "remove /spec/x: nothing there"),
        ({"op": "replace", "path": "/spec/list/7", "value": 1}, "replace /spec/list/7: nothing there"),
        ({"op": "test", "path": "/spec/a", "value": 2}, "/spec/a is 1, not 2"),
        ({"op": "move", "path": "/spec/a", "from": "/spec/b"}, "operation 'move'"),
    ],
)
def test_a_patch_that_does_not_fit_says_which_part(operation: dict[str, Any], said: str) -> None:
    with pytest.raises(PatchError, match=said):
        json_patch({"spec": {"a": 1, "list": [1, 2]}}, [operation])


def test_lists_of_custom_resources_are_replaced_whole() -> None:
    target = {"apiVersion": "keda.sh/v1alpha1", "spec": {"containers": [{"name": "a"}, {"name": "b"}]}}
    patched = strategic_merge(target, {"spec": {"containers": [{"name": "a", "image": "x"}]}})
    assert patched == {"apiVersion": "keda.sh/v1alpha1", "spec": {"containers": [{"name": "a", "image": "x"}]}}
