"""The rooms and the arrows between them (docs/guide.md); the shape every file keeps."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "agent" / "raibid"

# Room → rooms it may import. `raibid` itself (its version) is free for all.
ARROWS = {
    "contract": set(),
    "model": {"contract"},
    "ledger": {"contract", "model"},
    "forge": {"contract", "model"},
    "store": {"contract", "model"},
    "git": {"contract", "model", "forge"},
    "kube": {"contract"},
    "mirror": {"contract", "model", "forge", "store", "git"},
    "gitops": {"contract", "model", "forge", "git", "kube"},
    "worker": {"contract", "model", "ledger", "forge", "store"},
    "api": {"contract", "model", "ledger", "forge", "store", "mirror", "git"},
    "scaler": {"contract", "model", "ledger"},
    "controller": {"contract", "model", "ledger", "scaler", "kube"},
    "local": {"contract", "model", "ledger"},
    "cli": {
        "contract",
        "model",
        "ledger",
        "forge",
        "store",
        "git",
        "kube",
        "mirror",
        "gitops",
        "worker",
        "api",
        "scaler",
        "controller",
        "local",
    },
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


PROGRAM = ROOT / "__main__.py"
COMPONENTS = sorted((ROOT / "components").rglob("*.py"))
POLICIES = sorted((ROOT / "policies").rglob("*.py"))
MOST_LINES_OF_THE_PROGRAM = 60


def imported_modules(source: str) -> Iterator[str]:
    """Full names that a module imports, wherever in it."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and not node.level and node.module:
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def name_of(path: Path) -> str:
    return str(path.relative_to(ROOT))


def test_every_room_has_its_arrows() -> None:
    assert {room_of(path) for path in SOURCES} - {"__init__"} == set(ARROWS)


def test_the_check_sees_an_import_inside_a_function() -> None:
    assert list(imported_rooms("def f():\n    from raibid.api.main import serve\n    import raibid.worker")) == [
        "api",
        "worker",
    ]


@pytest.mark.parametrize("path", [PROGRAM, *COMPONENTS], ids=name_of)
def test_the_infrastructure_takes_nothing_of_the_agent_but_names(path: Path) -> None:
    of_raibid = [name for name in imported_modules(path.read_text()) if name.split(".")[0] == "raibid"]
    assert [name for name in of_raibid if not name.startswith("raibid.contract")] == []


@pytest.mark.parametrize("path", SOURCES, ids=name_of)
def test_the_agent_takes_nothing_of_the_infrastructure(path: Path) -> None:
    tops = {name.split(".")[0] for name in imported_modules(path.read_text())}
    assert not tops & {"components", "policies", "pulumi"}


@pytest.mark.parametrize("path", [p for p in COMPONENTS if "commands" not in p.parts], ids=name_of)
def test_no_component_imports_a_command_and_only_admission_knows_the_policies(path: Path) -> None:
    upward = ("components.commands",) if path.name == "admission.py" else ("components.commands", "policies")
    assert not [n for n in imported_modules(path.read_text()) if n.startswith(upward)]


@pytest.mark.parametrize("path", [p for p in COMPONENTS if "settings" in p.parts], ids=name_of)
def test_settings_import_nothing_above_them(path: Path) -> None:
    rooms = {n.split(".")[1] for n in imported_modules(path.read_text()) if n.startswith("components.")}
    assert rooms <= {"settings", "units", "cores", "versions"}


@pytest.mark.parametrize("path", [p for p in COMPONENTS if "budget" in p.parts], ids=name_of)
def test_the_budget_imports_settings_and_nothing_above_itself(path: Path) -> None:
    rooms = {n.split(".")[1] for n in imported_modules(path.read_text()) if n.startswith("components.")}
    assert rooms <= {"budget", "settings", "units", "cores"}


KNOW_THE_TABLE = ("__main__.py", "components/commands/", "components/graph", "components/review/revision.py")


@pytest.mark.parametrize("path", [PROGRAM, *COMPONENTS], ids=name_of)
def test_no_system_knows_the_table_of_systems(path: Path) -> None:
    knows = any(n.startswith("components.systems") for n in imported_modules(path.read_text()))
    assert not knows or name_of(path).startswith(KNOW_THE_TABLE)


@pytest.mark.parametrize("path", POLICIES, ids=name_of)
def test_rules_know_neither_half(path: Path) -> None:
    of_us = {n for n in imported_modules(path.read_text()) if n.split(".")[0] in ("components", "raibid")}
    allowed = () if "rules" in path.stem else ("raibid.scaler",)
    assert [name for name in of_us if not allowed or not name.startswith(allowed)] == []


def systems_files() -> list[Path]:
    """Files with a ComponentResource: they must not read config, environment, files or network."""
    return [p for p in COMPONENTS if "(ComponentResource)" in p.read_text()]


@pytest.mark.parametrize("path", systems_files(), ids=name_of)
def test_a_component_reads_nothing_and_exports_nothing(path: Path) -> None:
    source = path.read_text()
    imported = set(imported_modules(source))
    assert not {name.split(".")[0] for name in imported} & {"os", "requests", "subprocess", "socket"}
    called = {ast.unparse(node.func) for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Call)}
    assert not called & {"pulumi.export", "export", "open", "Config", "pulumi.Config"}


def test_the_program_has_no_functions_and_fits_on_a_screen() -> None:
    source = PROGRAM.read_text()
    assert source.count("\n") <= MOST_LINES_OF_THE_PROGRAM
    assert not [n for n in ast.walk(ast.parse(source)) if isinstance(n, (ast.FunctionDef, ast.ClassDef))]


@pytest.mark.parametrize("path", [*SOURCES, *COMPONENTS, *POLICIES], ids=name_of)
def test_a_file_fits_in_a_readers_head(path: Path) -> None:
    lines = path.read_text().count("\n")
    assert lines <= 300, f"{lines} lines; split it by idea"


@pytest.mark.parametrize("path", [p for p in COMPONENTS if p.name != "__init__.py"], ids=name_of)
def test_every_file_of_the_infrastructure_says_what_it_owns_and_what_it_leaves(path: Path) -> None:
    docstring = ast.get_docstring(ast.parse(path.read_text())) or ""
    assert "Owns:" in docstring
    assert "Leaves to others:" in docstring


@pytest.mark.parametrize("room", ROOMS, ids=lambda p: p.name)
def test_a_rooms_first_file_says_what_it_owns_and_what_it_leaves(room: Path) -> None:
    docstring = ast.get_docstring(ast.parse((room / "__init__.py").read_text())) or ""
    assert "Owns:" in docstring
    assert "Leaves to others:" in docstring
