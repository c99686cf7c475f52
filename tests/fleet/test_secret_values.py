from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.secret_values import SeedError, deriver

SEED = "0123456789abcdef0123456789abcdef"

labels = st.text(min_size=1, max_size=20)
generations = st.dictionaries(labels, st.integers(0, 9), max_size=5)


@given(labels, generations)
def test_the_same_seed_label_and_generation_give_the_same_password(label: str, rotation: dict[str, int]) -> None:
    assert deriver(SEED, rotation)(label) == deriver(SEED, dict(rotation))(label)


@given(st.sets(labels, min_size=2, max_size=6), generations, st.data())
def test_raising_one_generation_changes_that_value_and_no_other(
    names: set[str], rotation: dict[str, int], data: st.DataObject
) -> None:
    raised = data.draw(st.sampled_from(sorted(names)))
    before, after = deriver(SEED, rotation), deriver(SEED, {**rotation, raised: rotation.get(raised, 0) + 1})
    assert {name for name in names if before(name) != after(name)} == {raised}


@given(st.sets(st.tuples(labels, st.integers(0, 12)), min_size=2, max_size=8))
def test_no_label_and_generation_spell_another_one(pairs: set[tuple[str, int]]) -> None:
    values = {deriver(SEED, {label: generation})(label) for label, generation in pairs}
    assert len(values) == len(pairs)


@given(labels)
def test_a_password_needs_no_quoting_anywhere(label: str) -> None:
    assert re.fullmatch(r"[0-9a-f]{64}", deriver(SEED, {})(label))


def test_another_seed_gives_other_passwords() -> None:
    assert deriver(SEED, {})("redis/raibid-api") != deriver(SEED[::-1], {})("redis/raibid-api")


def test_these_values_never_change() -> None:
    """A new version of the program must not lock every running pool out of its own Redis."""
    derive = deriver(SEED, {"gitea/admin": 1})
    assert derive("redis/raibid-api") == "ad32f798e815275587ec112518f748aedc020f7f6e0c0c7b521ee0666ebb4f85"
    assert derive("gitea/admin") == "343faa65d65d1220fd50b16f5935c85378d12fa3d3c16b11362a85f7db60d853"


def test_a_short_seed_says_how_to_make_one_and_is_not_repeated() -> None:
    with pytest.raises(SeedError, match="openssl rand -hex 32") as error:
        deriver("hunter2", {})
    assert "hunter2" not in str(error.value)
