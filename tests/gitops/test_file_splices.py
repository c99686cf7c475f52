"""An edit of a YAML text touches the characters of one value."""

from __future__ import annotations

import random
from typing import Any

import pytest
import yaml
from hypothesis import assume, given
from hypothesis import strategies as st
from raibid.gitops.errors import NotEditableError
from raibid.gitops.files.documents import cut
from raibid.gitops.files.nodes import data, parse
from raibid.gitops.files.scalars import plain_value, written
from raibid.gitops.files.splices import with_document, with_item, with_value, without_value
from raibid.gitops.files.values import at, changed, removed, same

KEYS = st.sampled_from(["a", "b", "name", "spec", "x/y.z", "true", "1", "on"])
WORDS = st.sampled_from(
    ["x", "no", "1:30", "0644", "~", "a: b", "# c", "- d", "é😀", "'", '"', "{", "", " pad ", "*e", "a\tb"]
)
TEXTS = WORDS | st.text(max_size=8)
LINES = st.lists(st.sampled_from(["x", "  y", "", "# z"]), min_size=2, max_size=4).map("\n".join)
SCALARS = st.none() | st.booleans() | st.integers(-9, 10**12) | st.floats(allow_nan=False, allow_infinity=False) | TEXTS
VALUES = st.recursive(
    SCALARS | LINES,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3),
    max_leaves=8,
)
OBJECTS = st.dictionaries(KEYS, VALUES, min_size=1, max_size=4)


def places(value: Any, way: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Ways to all values inside of one."""
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [found for key, item in inner for found in [(*way, key), *places(item, (*way, key))]]


@st.composite
def texts(draw: st.DrawFn, value: Any) -> str:
    """A value as somebody may have written it: indentation, styles, comments, line ends."""
    style = draw(st.sampled_from([None, None, "'", '"']))
    flow = draw(st.sampled_from([False, False, None, True]))
    text = yaml.safe_dump(
        value,
        sort_keys=False,
        indent=draw(st.integers(2, 4)),
        default_style=style,
        default_flow_style=flow,
        allow_unicode=True,
        width=10**6,
    )
    assume(same(data(parse(text)[0]), value))
    lines = text.splitlines()
    chance = random.Random(draw(st.integers(0, 99)))
    commented = [f"{line}  # why" if chance.random() < 0.2 and line.strip() else line for line in lines]
    if draw(st.booleans()) and _means("\n".join(commented), value):
        lines = commented
    end = "\r\n" if draw(st.booleans()) and _means("\r\n".join(lines), value) else "\n"
    return end.join(lines) + end * draw(st.integers(0, 1))


def _means(text: str, value: Any) -> bool:
    try:
        found = parse(text)
    except ValueError:
        return False
    return len(found) == 1 and same(data(found[0]), value)


@given(value=OBJECTS, new=VALUES, choice=st.data())
def test_a_text_with_another_value_means_just_that(value: Any, new: Any, choice: st.DataObject) -> None:
    text = choice.draw(texts(value))
    place = choice.draw(st.sampled_from(places(value)))
    assert same(data(parse(with_value(text, place, new))[0]), changed(value, place, new))


@given(value=OBJECTS, new=TEXTS, choice=st.data())
def test_only_the_lines_of_the_value_change(value: Any, new: str, choice: st.DataObject) -> None:
    text = choice.draw(texts(value))
    place = choice.draw(st.sampled_from(places(value)))
    old = at(value, place)
    assume(not isinstance(old, dict | list) and "\n" not in f"{old}{new}")
    before, after = text.splitlines(), with_value(text, place, new).splitlines()
    assert sum(line != now for line, now in zip(before, after, strict=True)) <= 1
    assert text.endswith("\n") == with_value(text, place, new).endswith("\n")


@given(value=OBJECTS, new=VALUES, choice=st.data())
def test_a_value_that_was_added_and_taken_out_again_leaves_no_trace(
    value: Any, new: Any, choice: st.DataObject
) -> None:
    text = choice.draw(texts(value))
    holders = [place for place in [(), *places(value)] if isinstance(at(value, place), dict) and at(value, place)]
    place = (*choice.draw(st.sampled_from(holders)), "new key")
    assert without_value(with_value(text, place, new), place) == text


@given(value=OBJECTS, new=VALUES, choice=st.data())
def test_a_text_without_a_value_means_the_rest(value: Any, new: Any, choice: st.DataObject) -> None:
    text = choice.draw(texts(value))
    place = choice.draw(st.sampled_from(places(value)))
    assert same(data(parse(without_value(text, place))[0]), removed(value, place))


@given(old=OBJECTS, new=OBJECTS, choice=st.data())
def test_one_object_becomes_another(old: Any, new: Any, choice: st.DataObject) -> None:
    assert same(data(parse(with_document(choice.draw(texts(old)), (), old, new))[0]), new)


@given(value=SCALARS, other=SCALARS, style=st.sampled_from(["", "'", '"']))
def test_setting_a_value_and_setting_it_back_changes_nothing(value: Any, other: Any, style: str) -> None:
    assume(isinstance(value, str) == isinstance(other, str))
    text = f"a:  {written(value, style)}   # why\nb: 1"
    there = with_value(text, ("a",), other)
    assume(not isinstance(value, str) or there.partition(":")[2].strip()[:1] == text.partition(":")[2].strip()[:1])
    assert with_value(there, ("a",), value) == text


@given(value=OBJECTS)
def test_a_value_that_is_there_already_changes_no_character(value: Any) -> None:
    text = yaml.safe_dump(value)
    assume(_means(text, value))
    assert all(with_value(text, place, at(value, place)) == text for place in places(value))


@given(text=TEXTS, flow=st.booleans())
def test_a_text_is_read_back_as_a_text_by_old_and_new_yaml(text: str, flow: bool) -> None:
    assume("\ud800" not in text)
    shown = f"[{written(text, flow=True)}]" if flow else f"- {written(text)}"
    assert data(parse(shown)[0]) == [text]
    assert yaml.safe_load(shown) == [text]


@pytest.mark.parametrize(
    ("word", "value"),
    [
        ("0644", 420),
        ("0o644", 420),
        ("1e3", 1000.0),
        ("089", 89.0),
        ("yes", "yes"),
        ("2026-01-01", "2026-01-01"),
        ("~", None),
    ],
)
def test_words_mean_what_gos_yaml_makes_of_them(word: str, value: Any) -> None:
    assert same(plain_value(word), value)


def test_an_item_is_added_as_the_others_are_written() -> None:
    text = "resources:\n  - a.yaml  # first\n  # after\nnamespace: ci\n"
    assert with_item(text, ("resources",), "b.yaml") == text.replace("first\n", "first\n  - b.yaml\n")
    assert with_item("a: 1", ("resources",), "b.yaml") == "a: 1\nresources:\n- b.yaml"
    assert with_item("[1, 2]", (), 3) == "[1, 2, 3]"


def test_json_stays_json() -> None:
    text = '{\n\t"kind": "Service",\n\t"spec": {"ports": [80]}\n}\n'
    assert with_value(text, ("spec", "type"), "NodePort") == text.replace("[80]}", '[80], "type": "NodePort"}')
    assert with_value(text, ("metadata",), {"name": "x"}) == text.replace("]}\n", ']},\n\t"metadata": {"name": "x"}\n')


@pytest.mark.parametrize(
    "text", ["a: [", "a: *b", "\tb: 1", "a: &x\n" + "[" * 300, "a: b: c", "!!python/object:os.system x: ["]
)
def test_what_is_no_yaml_is_a_finding(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        parse(text)


def test_documents_are_counted_as_they_are_written() -> None:
    text = "\ufeff%YAML 1.2\n---\n# nothing\n---\r\na: 1\r\n--- # two\nb: |\n  ---\n--- {c: 3}\n...\n"
    pieces = cut(text)
    assert [(piece.index, piece.value) for piece in pieces] == [(0, {"a": 1}), (1, {"b": "---\n"}), (2, {"c": 3})]
    assert [piece.index for piece in cut(text + "--- {kind: Job}\n", kind="Job")] == [3]


def test_a_merged_key_is_overridden_and_its_source_stays() -> None:
    text = "base: &b {cpu: 1, mem: 2}\nweb:\n  <<: *b\n  disk: 3\n"
    assert with_value(text, ("web", "cpu"), 4) == text + "  cpu: 4\n"
    with pytest.raises(NotEditableError, match="merged in"):
        without_value(text, ("web", "mem"))
