"""What the Flux repository says of itself: true to the model, and its gate lets good trees in and bad ones out."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from components import flux_stages
from components.__main__ import COMMANDS
from components.fleet.docs import STAGES, tree
from components.settings import load_stack
from components.systems import emission

STACKS = ("local", "dev", "dgx-spark")
FILES = tree(load_stack("local")).files
SECRET = "apiVersion: v1\nkind: Secret\nmetadata:\n  name: {name}\nstringData:\n  password: {value}\n"
NEEDS_KUBECTL = pytest.mark.skipif(shutil.which("kubectl") is None, reason="kubectl is not on PATH")


def test_every_stack_writes_the_same_bytes() -> None:
    assert all(tree(load_stack(stack)).files == FILES for stack in STACKS)


def test_every_stage_is_told_and_no_other() -> None:
    assert set(STAGES) == {*(stage.name for stage in flux_stages.STAGES), flux_stages.APPS}


def test_no_placeholder_is_left() -> None:
    for name in ("README.md", *(path for path in FILES if path.startswith("docs/"))):
        assert not re.search(r"(?<!\$)\{[a-z_]+\}", FILES[name]), name


def test_every_link_leads_somewhere() -> None:
    for path, text in FILES.items():
        for target in re.findall(r"\]\(([^)#:]+)\)", text):
            assert (Path(path).parent / target).as_posix() in FILES, f"{path}: {target}"


def test_every_command_of_the_program_that_is_named_exists() -> None:
    called = set(re.findall(r"-m components (\S+)", "\n".join(FILES.values())))
    assert called
    assert called <= {name for _, name, _, _ in COMMANDS}


def test_the_workflow_runs_the_gate_and_uses_no_action() -> None:
    workflow = yaml.safe_load(FILES[".gitea/workflows/validate.yaml"])
    steps = workflow["jobs"]["validate"]["steps"]
    assert steps[-1]["run"] == "bash .gitea/validate.sh"
    assert not [step for step in steps if "uses" in step]


def test_flux_leaves_out_what_is_not_for_the_cluster() -> None:
    left_out = [line for line in FILES[".sourceignore"].splitlines() if line.startswith("/")]
    emitted = emission(load_stack("dgx-spark")).files
    applied = [path for path in emitted if not any(f"/{path}".startswith(prefix) for prefix in left_out)]
    assert {path.partition("/")[0] for path in applied} <= {"clusters", "infrastructure", "apps", ".sourceignore"}


@pytest.mark.skipif(shutil.which("shellcheck") is None, reason="shellcheck is not on PATH")
def test_the_gate_is_clean(tmp_path: Path) -> None:
    (tmp_path / "validate.sh").write_text(FILES[".gitea/validate.sh"])
    done = subprocess.run(["shellcheck", "validate.sh"], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


def fleet(directory: Path, stack: str = "local") -> Path:
    """A rendered tree whose Secrets are there, as encrypted as the gate can see."""
    emitted = emission(load_stack(stack))
    sealed = {
        path: (SECRET.format(name=secret.name, value="ENC[AES256_GCM,data:…]") + "sops:\n  mac: x\n").encode()
        for path, secret in emitted.secrets.items()
    }
    files = {**emitted.seeds, **emitted.files, **sealed}
    for path, data in files.items():
        (directory / path).parent.mkdir(parents=True, exist_ok=True)
        (directory / path).write_bytes(data)
    return directory


def gate(directory: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["bash", ".gitea/validate.sh"], cwd=directory, capture_output=True, text=True, check=False, timeout=120
    )


@NEEDS_KUBECTL
@pytest.mark.parametrize("stack", STACKS)
def test_the_gate_lets_our_own_tree_in(tmp_path: Path, stack: str) -> None:
    done = gate(fleet(tmp_path, stack))
    assert done.returncode == 0, done.stderr


def plant(path: str, text: str) -> Callable[[Path], None]:
    def do(directory: Path) -> None:
        (directory / path).parent.mkdir(parents=True, exist_ok=True)
        (directory / path).write_text(text)

    return do


def remove_a_listed_file(directory: Path) -> None:
    (directory / "infrastructure/data/redis/statefulset.yaml").unlink()


BAD = {
    "a Secret in clear": plant("apps/local/s.yaml", SECRET.format(name="s", value="hunter2")),
    "nothing in it is": plant("apps/local/s.enc.yaml", SECRET.format(name="s", value="hunter2") + "sops: {}\n"),
    "a private age key": plant("docs/key.yaml", "key: AGE-SECRET-KEY-1AAAA\n"),
    "an image :latest": plant("apps/local/d.yaml", "spec:\n  containers:\n    - image: busybox:latest\n"),
    "an unresolved merge conflict": plant("apps/local/c.yaml", "a: 1\n<<<<<<< HEAD\n"),
    "statefulset.yaml": remove_a_listed_file,
    "no such directory": plant("clusters/local/x.yaml", "spec:\n  path: ./apps/nowhere\n"),
}


@NEEDS_KUBECTL
@pytest.mark.parametrize("words", BAD)
def test_the_gate_keeps_out(tmp_path: Path, words: str) -> None:
    BAD[words](fleet(tmp_path))
    done = gate(tmp_path)
    assert done.returncode == 1
    assert words in done.stderr
    assert "hunter2" not in done.stdout + done.stderr
