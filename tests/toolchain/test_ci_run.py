"""`.ci/run` asks for what no package of Debian brings before it spends minutes on anything else."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
GOOD = {"go": "echo go1.99.0", "rustup": "exit 0", "cargo": "exit 0"}


def ci_run(directory: Path, programs: Mapping[str, str]) -> tuple[int, str, bool]:
    """Its exit code, what it says on stderr, and whether it got as far as looking for packages."""
    wrappers = [file.relative_to(ROOT) for file in ROOT.glob("tests/cluster/tools/*/go.mod")]
    for file in (Path(".ci/run"), Path("agent/Dockerfile"), *wrappers):
        (directory / file).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / file, directory / file)
    reached = directory / "reached"
    for name, script in {
        **programs,
        "python3": f"touch {reached}; exit 0",
        "make": "exit 0",
        "id": "echo 1000",
    }.items():
        program = directory / "bin" / name
        program.parent.mkdir(exist_ok=True)
        program.write_text(f"#!/bin/sh\n{script}\n")
        program.chmod(0o755)
    environment = {**os.environ, "PATH": f"{directory / 'bin'}:{os.environ['PATH']}"}
    done = subprocess.run(
        [directory / ".ci" / "run"], env=environment, capture_output=True, text=True, check=False, timeout=60
    )
    return done.returncode, done.stderr, reached.exists()


@pytest.mark.parametrize(
    ("without", "named"),
    [
        ({"go": "echo go1.19.8"}, "Go 1.26.2 or newer"),
        ({"go": "echo 'go.mod requires go >= 1.26.2' >&2; exit 1"}, "Go 1.26.2 or newer"),
        ({"rustup": "exit 1"}, "rustup toolchain install 1.95.0"),
        ({"cargo": "exit 1"}, "rustup toolchain install 1.95.0"),
    ],
)
def test_without_a_new_enough_go_or_rust_it_says_so_and_does_nothing(
    tmp_path: Path, without: Mapping[str, str], named: str
) -> None:
    code, said, reached = ci_run(tmp_path, {**GOOD, **without})
    assert (code, reached) == (1, False)
    assert named in said


def test_with_both_it_goes_on_to_the_packages(tmp_path: Path) -> None:
    _, said, reached = ci_run(tmp_path, GOOD)
    assert reached
    assert "no package of Debian" not in said
