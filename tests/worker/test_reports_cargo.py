"""Cargo's JSON messages as annotations: which remarks, at which line of which file of the checkout."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from raibid.model.report import Annotation
from raibid.worker import reports_cargo


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    root = tmp_path / "checkout"
    for name in ("src/lib.rs", "tools/src/lib.rs", "tools/Cargo.toml", "tools/hammer/src/lib.rs"):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text("")
    (tmp_path / "registry.rs").write_text("")
    return root


def span(file: str, line: int = 7, *, primary: bool = True, called_at: dict[str, Any] | None = None) -> dict[str, Any]:
    expansion = {"span": called_at} if called_at else None
    return {"file_name": file, "line_start": line, "is_primary": primary, "expansion": expansion}


def message(*spans: dict[str, Any], manifest: Path | str = "", level: str = "warning", code: str = "") -> bytes:
    said = {"message": "odd", "level": level, "code": {"code": code} if code else None, "spans": spans}
    return json.dumps({"reason": "compiler-message", "manifest_path": str(manifest), "message": said}).encode() + b"\n"


def places(data: bytes, checkout: Path) -> list[tuple[str, int]]:
    return [(found.file, found.line) for found in reports_cargo.read(data, checkout)]


def test_a_remark_becomes_an_annotation(checkout: Path) -> None:
    data = message(span("src/lib.rs", 3), level="error", code="clippy::needless_return")
    assert list(reports_cargo.read(data, checkout)) == [
        Annotation(file="src/lib.rs", line=3, level="error", code="clippy::needless_return", message="odd")
    ]


def test_the_main_span_is_the_place_not_what_it_points_to(checkout: Path) -> None:
    data = message(span("tools/src/lib.rs", primary=False), span("src/lib.rs", 3))
    assert places(data, checkout) == [("src/lib.rs", 3)]


def test_summaries_and_notes_are_no_annotations(checkout: Path) -> None:
    assert places(message(level="error") + message(span("src/lib.rs"), level="note"), checkout) == []


def test_a_workspace_below_the_checkouts_root_names_its_files_from_there(checkout: Path) -> None:
    crate, member = checkout / "tools" / "Cargo.toml", checkout / "tools" / "hammer" / "Cargo.toml"
    assert places(message(span("src/lib.rs"), manifest=crate), checkout) == [("tools/src/lib.rs", 7)]
    assert places(message(span("hammer/src/lib.rs"), manifest=member), checkout) == [("tools/hammer/src/lib.rs", 7)]


def test_a_remark_inside_somebody_elses_macro_is_where_the_checkout_calls_it(checkout: Path) -> None:
    inner = span("/rustc/0123/library/std/src/macros.rs", 143, called_at=span("src/lib.rs", 9, primary=False))
    assert places(message(inner), checkout) == [("src/lib.rs", 9)]


@pytest.mark.parametrize(
    "name", ["../registry.rs", "{}/registry.rs", "src", "src/none.rs", "link.rs", "a\0b", "x" * 5000]
)
def test_no_annotation_leads_out_of_the_checkout_or_to_no_file(checkout: Path, name: str) -> None:
    (checkout / "link.rs").symlink_to(checkout.parent / "registry.rs")
    assert places(message(span(name.format(checkout.parent))), checkout) == []


def test_an_absolute_name_inside_the_checkout_is_made_relative(checkout: Path) -> None:
    assert places(message(span(str(checkout / "src" / "lib.rs"))), checkout) == [("src/lib.rs", 7)]


def test_macros_that_call_each_other_for_ever_end(checkout: Path) -> None:
    deep = span("elsewhere.rs")
    for _ in range(reports_cargo._MOST_EXPANSIONS + 1):
        deep = span("elsewhere.rs", called_at=deep)
    assert places(message(deep), checkout) == []


JSON = st.recursive(st.none() | st.booleans() | st.integers() | st.text(max_size=5), lambda x: st.lists(x, max_size=3))
KEYS = st.sampled_from(["reason", "message", "level", "spans", "code", "file_name", "line_start", "is_primary"])


@settings(max_examples=200)
@given(st.lists(st.binary(max_size=40) | st.dictionaries(KEYS, JSON).map(lambda d: json.dumps(d).encode())))
def test_any_lines_are_read_without_a_fault(lines: list[bytes]) -> None:
    list(reports_cargo.read(b"\n".join(lines), Path("/nowhere")))
