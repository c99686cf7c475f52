"""kstatus: which state of an object is which. The states are documents; each says what it is."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from raibid.gitops.watch.health import State, health

from tests.gitops.junk import JUNK
from tests.gitops.memory_cluster import documents

CASES = [
    case for file in sorted((Path(__file__).parent / "watch" / "health").glob("*.yaml")) for case in documents(file)
]
KINDS = sorted({(case["object"]["apiVersion"], case["object"]["kind"]) for case in CASES})


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["name"])
def test_the_state_is_what_the_document_says(case: dict[str, Any]) -> None:
    found = health(case["object"])
    assert (found.state, case["says"] in found.message) == (case["state"], True), found


def test_what_does_not_exist_is_not_found() -> None:
    assert health(None).state is State.NOT_FOUND


@given(kind=st.sampled_from(KINDS), metadata=JUNK, spec=JUNK, status=JUNK)
def test_whatever_strangers_wrote_has_a_state(kind: tuple[str, str], metadata: Any, spec: Any, status: Any) -> None:
    manifest = {"apiVersion": kind[0], "kind": kind[1], "metadata": metadata, "spec": spec, "status": status}
    assert isinstance(health(manifest).message, str)


@given(junk=JUNK)
def test_a_newer_generation_than_the_observed_one_is_never_current(junk: Any) -> None:
    manifest = {"metadata": {"generation": 2}, "status": {"observedGeneration": 1, "conditions": junk}}
    assert not health(manifest).good
