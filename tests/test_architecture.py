"""The rooms and the arrows between them (docs/guide.md); the shape every file keeps."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent.parent / "agent" / "raibid"

# Room → rooms it may import. `raibid` itself (its version) is free for all.
ARROWS = {
    "contract": set(),
    "model": {"contract"},
    "ledger": {"contract", "model"},
    "forge": {"contract", "model"},
    "store": {"contract", "model"},
    "worker": {"contract", "model", "ledger", "forge", "store"},
    "api": {"contract", "model", "ledger", "forge", "store"},
    "scaler": {"contract", "model", "ledger"},
    "local": {"contract", "model", "ledger"},
    "cli": {"contract", "model", "ledger", "forge", "store", "worker", "api", "scaler", "local"},
}

SOURCES = sorted(p for p in PACKAGE.rglob("*.py") if "samples" not in p.parts)
ROOMS = sorted(p for p in PACKAGE.iterdir() if p.is_dir() and (p / "__init__.py").exists())


def room_of(path: Path) -> str:
    first = path.relative_to(PACKAGE).parts[0]
    return first.removesuffix(".py")


def imported_rooms(source: str) -> Iterator[str]:
    """Rooms of raibid that a module imports, wherever in it; relative imports stay within a room by definition."""
    for node in ast.walk(ast.parse(source)):
        names: list[str] = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and not node.level and node.module:
            inner = node.module == "raibid"
            names = [f"raibid.{alias.name}" for alias in node.names] if inner else [node.module]
        for name in names:
            top, _, rest = name.partition(".")
            if top == "raibid" and rest and rest != "__version__":
                yield rest.partition(".")[0]


@pytest.mark.parametrize("path", SOURCES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_a_room_imports_only_along_the_arrows(path: Path) -> None:
    room = room_of(path)
    if room == "__init__":
        assert not list(imported_rooms(path.read_text())), "the package itself imports no room"
        return
    strangers = {r for r in imported_rooms(path.read_text()) if r != room} - ARROWS[room]
    assert not strangers, f"{room} must not import {', '.join(sorted(strangers))}"


def test_every_room_has_its_arrows() -> None:
    assert {room_of(path) for path in SOURCES} - {"__init__"} == set(ARROWS)


def test_the_check_sees_an_import_inside_a_function() -> None:
    assert list(imported_rooms("def f():\n    from raibid.api.main import serve\n    import raibid.worker")) == [
        "api",
        "worker",
    ]


@pytest.mark.parametrize("path", SOURCES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_a_file_fits_in_a_readers_head(path: Path) -> None:
    lines = path.read_text().count("\n")
    assert lines <= 300, f"{lines} lines; split it by idea"


@pytest.mark.parametrize("room", ROOMS, ids=lambda p: p.name)
def test_a_rooms_first_file_says_what_it_owns_and_what_it_leaves(room: Path) -> None:
    docstring = ast.get_docstring(ast.parse((room / "__init__.py").read_text())) or ""
    assert "Owns:" in docstring
    assert "Leaves to others:" in docstring
