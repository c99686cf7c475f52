"""The whole tree of each environment beside its golden copy. RAIBID_UPDATE_GOLDEN=1 writes a new one."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from tests.flux.rendered import Rendered

GOLDEN = Path(__file__).parent.parent / "golden"
REMEDY = "if the change is meant: RAIBID_UPDATE_GOLDEN=1 pytest tests/flux/test_golden.py, then read the diff"
SECRETS = "SECRETS.txt"
"""In place of ciphertext, which is made anew for every key: which Secrets the tree has."""


def expected(rendered: Rendered) -> dict[str, bytes]:
    listed = "".join(f"{path}\n" for path in rendered.emission.secrets).encode()
    return {**rendered.emission.seeds, **rendered.emission.files, SECRETS: listed}


def stored(directory: Path) -> dict[str, bytes]:
    return {
        file.relative_to(directory).as_posix(): file.read_bytes()
        for file in sorted(directory.rglob("*"))
        if file.is_file()
    }


def update(directory: Path, files: dict[str, bytes]) -> None:
    shutil.rmtree(directory, ignore_errors=True)
    for path, data in files.items():
        target = directory / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(data)


def test_the_tree_is_the_golden_copy(rendered: Rendered) -> None:
    directory, files = GOLDEN / rendered.environment, expected(rendered)
    if os.environ.get("RAIBID_UPDATE_GOLDEN"):
        update(directory, files)
    golden = stored(directory)
    assert sorted(files) == sorted(golden), REMEDY
    assert [path for path in files if files[path] != golden[path]] == [], REMEDY
