"""`make preview` and `make up`, as the README has them: on a machine without Pulumi, without a network."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
VENV = Path(sys.executable).parent
# A checkout's `make` brings its own environment up to date. The one of this session belongs to all of its tests, so it
# is taken as it is: `sync` does nothing, `run` runs.
UV = f"""#!/bin/sh
case $1 in
    --version) echo uv ;;
    sync) ;;
    run) shift 2; PATH={VENV}:$PATH; exec "$@" ;;
    *) exit 9 ;;
esac
"""


@dataclass(frozen=True)
class Machine:
    """A home, a checkout, and a PATH with all that is on this machine's, but for Pulumi."""

    checkout: Path
    env: dict[str, str]

    def make(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        command = ["make", "--no-print-directory", *arguments]
        return subprocess.run(
            command, cwd=self.checkout, env=self.env, capture_output=True, text=True, check=False, timeout=200
        )


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    checkout, programs = tmp_path / "raibid-ci", tmp_path / "bin"
    checkout.mkdir()
    programs.mkdir()
    for folder in ("components", "policies", "agent"):
        shutil.copytree(ROOT / folder, checkout / folder, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("Makefile", "__main__.py", "pyproject.toml", "uv.lock", "README.md"):
        shutil.copy(ROOT / name, checkout)
    for file in ROOT.glob("Pulumi*.yaml"):
        shutil.copy(file, checkout)
    (programs / "uv").write_text(UV)
    (programs / "uv").chmod(0o755)
    for directory in map(Path, os.environ["PATH"].split(os.pathsep)):
        for program in directory.iterdir() if directory.is_dir() else ():
            known = program.name.startswith("pulumi") or os.path.lexists(programs / program.name)
            if not known:
                (programs / program.name).symlink_to(program)
    places = {"XDG_STATE_HOME": "state", "XDG_CACHE_HOME": "cache", "PULUMI_HOME": "pulumi", "TMPDIR": "tmp"}
    for place in places.values():
        (tmp_path / place).mkdir()
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("RAIBID_", "PULUMI_", "UV"))}
    return Machine(
        checkout,
        {
            **clean,
            **{name: str(tmp_path / place) for name, place in places.items()},
            "PATH": str(programs),
            "PYTHONPATH": os.pathsep.join([str(checkout), str(checkout / "agent")]),
            **dict.fromkeys(("HTTPS_PROXY", "https_proxy"), "http://127.0.0.1:1"),  # nobody is there
            "NO_COLOR": "1",
        },
    )


@pytest.mark.parametrize("stack", ["local", "dgx-spark"])
def test_make_preview_shows_the_whole_graph_without_pulumi(machine: Machine, stack: str) -> None:
    done = machine.make("preview", f"S={stack}")
    assert done.returncode == 0, done.stderr
    assert "falling back to `plan`" in done.stderr
    assert "raibid:components:FluxRepo" in done.stdout


def test_make_up_emits_the_stack_and_builds_a_push(machine: Machine) -> None:
    done = machine.make("up", "ARGS=--once --sample python")
    assert done.returncode == 0, done.stderr
    assert "Flux repository:" in done.stderr
    assert "sample/python: success" in done.stdout
    fleet = Path(machine.env["XDG_STATE_HOME"]) / "raibid" / "stack" / "local" / "fleet.git"
    pushed = subprocess.run(
        ["git", "-C", str(fleet), "ls-tree", "-r", "--name-only", "main"], capture_output=True, text=True, check=True
    ).stdout
    assert "clusters/local/cluster-vars.yaml" in pushed.splitlines()
