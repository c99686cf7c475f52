"""The build context: the same files give the same bytes, and only the files that the Dockerfile needs are in it."""

from __future__ import annotations

import io
import os
import shutil
import tarfile
from pathlib import Path

import pytest

from components.image.context import EPOCH, Context, ContextError, build_context

ROOT = Path(__file__).parents[2]


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """The parts of this checkout that a context could be made of, and some that it must not be."""
    copy = tmp_path / "checkout"
    ignored = shutil.ignore_patterns("__pycache__")
    for folder in ("agent", "docs"):
        shutil.copytree(ROOT / folder, copy / folder, ignore=ignored)
    for file in ("pyproject.toml", "uv.lock", "README.md"):
        shutil.copy(ROOT / file, copy / file)
    return copy


def entries(context: Context) -> list[tarfile.TarInfo]:
    with tarfile.open(fileobj=io.BytesIO(context.tar())) as archive:
        return archive.getmembers()


def test_the_same_tree_gives_the_same_bytes_whenever_and_wherever_it_was_checked_out(checkout: Path) -> None:
    for file in checkout.rglob("*.py"):
        os.utime(file, (1, 1))
        file.chmod(0o600)
    assert build_context(checkout).tar() == build_context(ROOT).tar()


def test_an_edit_of_the_documentation_or_of_bytecode_changes_nothing(checkout: Path) -> None:
    before = build_context(checkout).hash
    (checkout / "docs" / "guide.md").write_text("changed")
    (checkout / "README.md").write_text("changed")
    (checkout / "agent" / "raibid" / "stray.pyc").write_bytes(b"changed")
    (checkout / "agent" / "raibid" / "local" / "samples" / "rust" / "src" / "lib.rs").write_text("changed")
    assert build_context(checkout).hash == before


@pytest.mark.parametrize(
    "path",
    ["agent/Dockerfile", "agent/entrypoint.py", "agent/raibid/__init__.py", "agent/raibid/ledger/claim.lua", "uv.lock"],
)
def test_an_edit_of_what_is_built_changes_the_hash(checkout: Path, path: str) -> None:
    before = build_context(checkout).hash
    with (checkout / path).open("a") as file:
        file.write("\n# changed\n")
    assert build_context(checkout).hash != before


def test_entries_are_sorted_and_carry_neither_owner_nor_time() -> None:
    members = entries(build_context(ROOT))
    assert [m.name for m in members] == sorted(m.name for m in members)
    assert {(m.uid, m.gid, m.uname, m.gname, m.mtime) for m in members} == {(0, 0, "", "", EPOCH)}
    assert {m.name for m in members if m.mode == 0o755} == {"agent/entrypoint.py"}


def test_every_file_of_the_package_that_is_loaded_at_run_time_is_in_it() -> None:
    package = ROOT / "agent" / "raibid"
    wanted = {
        f"agent/raibid/{file.relative_to(package).as_posix()}"
        for file in package.rglob("*")
        if file.is_file() and not {"samples", "__pycache__"} & set(file.parts)
    }
    assert wanted <= set(build_context(ROOT).files)


def test_nothing_that_could_hold_a_secret_is_in_it() -> None:
    assert not [path for path in build_context(ROOT).files if "Pulumi." in path or path.startswith((".git", ".ci"))]


def test_written_as_a_directory_it_is_the_same_files(tmp_path: Path) -> None:
    context = build_context(ROOT)
    context.write(tmp_path)
    assert {path: (tmp_path / path).read_bytes() for path in context.files} == dict(context.files)
    assert (tmp_path / "uv.lock").stat().st_mtime == EPOCH


def test_a_checkout_without_its_lock_is_refused_by_name(checkout: Path) -> None:
    (checkout / "uv.lock").unlink()
    with pytest.raises(ContextError, match=r"uv\.lock"):
        build_context(checkout)
