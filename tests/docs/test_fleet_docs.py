"""What the Flux repository says of itself: true to the model, and its gate lets good trees in and bad ones out."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import TypeGuard

import pytest
import yaml

from components import apps, flux_stages
from components.__main__ import COMMANDS
from components.fleet.docs import STAGES, tree
from components.manifest_tree import Manifest, SecretManifest
from components.settings import load_stack
from components.systems import emission
from components.units import cores_text, size_text

ROOT = Path(__file__).parents[2]
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


def test_developers_read_where_they_may_write_what_and_under_which_label_it_talks() -> None:
    text = " ".join(FILES["docs/workflow.md"].split())
    (role,) = [item for item in apps.manifests(load_stack("local")).directories[apps.DIRECTORY] if _is_role(item)]
    for rule in role["rules"]:
        for plural in rule["resources"] if "create" in rule["verbs"] else ():
            kind = {"persistentvolumeclaims": "claims of volumes"}.get(plural, plural)
            assert kind in text.lower(), plural
    assert f"namespace: {apps.NAMESPACE}" in text
    assert "raibid.dev/network: apps" in text


def test_operators_read_how_much_room_developers_have_by_default() -> None:
    room = load_stack("dgx-spark").apps
    text = " ".join((Path(__file__).parents[2] / "docs/gitops-workflow.md").read_text().split())
    assert (
        f"{cores_text(room.cpu)}, {size_text(room.memory)} and {size_text(room.disk)} unless you say otherwise" in text
    )


def _is_role(item: Manifest | SecretManifest) -> TypeGuard[Manifest]:
    return not isinstance(item, SecretManifest) and item["kind"] == "Role"


def test_developers_read_that_no_values_are_put_into_their_files() -> None:
    (stage,) = [s for s in flux_stages.chains("local", [])["apps"] if s["metadata"]["name"] == "apps"]
    assert "postBuild" not in stage["spec"]
    assert "`apps/<env>` is applied as it is written" in " ".join(FILES["docs/workflow.md"].split())


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


SPELLINGS = {
    "quoted": 'apiVersion: v1\nkind: "Secret"\nmetadata: {name: s}\nstringData: {p: hunter2}\n',
    "with a comment": "apiVersion: v1\nkind: Secret # of mine\nmetadata: {name: s}\nstringData: {p: hunter2}\n",
    "with a tag": "apiVersion: v1\nkind: !!str Secret\nmetadata: {name: s}\nstringData: {p: hunter2}\n",
    "JSON": '{"apiVersion":"v1","kind":"Secret","metadata":{"name":"s"},"data":{"p":"aHVudGVyMg=="}}\n',
    "in a list": "apiVersion: v1\nkind: List\nitems:\n- " + "{apiVersion: v1, kind: Secret, metadata: {name: s}}\n",
    "without a name": '{"apiVersion": "v1",\n "kind":\n "Secret", "stringData": {"p": "hunter2"}}\n',
    "before a document that nobody can read": SECRET.format(name="s", value="hunter2") + "---\na: [\n",
    "beside one that is encrypted": (
        SECRET.format(name="s", value="hunter2")
        + "---\n"
        + SECRET.format(name="t", value="ENC[AES256_GCM,data:…]")
        + "sops: {mac: x}\n"
    ),
}


@NEEDS_KUBECTL
@pytest.mark.parametrize("file", ["s.yaml", "s.yml", "s.json"])
@pytest.mark.parametrize("spelling", SPELLINGS)
def test_a_secret_in_clear_is_seen_however_it_is_spelled(tmp_path: Path, spelling: str, file: str) -> None:
    plant(".gitea/validate.sh", FILES[".gitea/validate.sh"])(tmp_path)
    plant(f"apps/local/{file}", SPELLINGS[spelling])(tmp_path)
    done = gate(tmp_path)
    assert done.returncode == 1
    assert f"./apps/local/{file}: a Secret in clear" in done.stderr
    assert "hunter2" not in done.stdout + done.stderr


@NEEDS_KUBECTL
def test_a_mention_of_the_kind_is_no_secret(tmp_path: Path) -> None:
    release = (
        "apiVersion: v2\nkind: HelmRelease\nmetadata: {name: r}\nspec:\n  valuesFrom:\n  - kind: Secret\n    name: s\n"
    )
    plant(".gitea/validate.sh", FILES[".gitea/validate.sh"])(tmp_path)
    plant("apps/local/r.yaml", release + "  values:\n    data: 1\n")(tmp_path)
    assert "Secret" not in gate(tmp_path).stderr


def make_a_secret_while_building(directory: Path) -> None:
    path = directory / "apps/local/kustomization.yaml"
    path.write_text(path.read_text() + "secretGenerator:\n- name: s\n  literals: [p=hunter2]\n")


def remove_a_listed_file(directory: Path) -> None:
    (directory / "infrastructure/data/redis/statefulset.yaml").unlink()


BAD = {
    "a Secret in clear": plant("apps/local/s.yaml", SECRET.format(name="s", value="hunter2")),
    "what it builds has a Secret in clear": make_a_secret_while_building,
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


def test_the_gate_says_whose_runner_it_waits_for() -> None:
    """A pull request brings its own gate: so it runs where anybody's code may, and that place is in both docs."""
    job = yaml.safe_load(FILES[".gitea/workflows/validate.yaml"])
    assert job["permissions"] == {"contents": "read"}
    label = job["jobs"]["validate"]["runs-on"]
    assert f"`{label}`" in FILES["docs/workflow.md"]
    assert "act_runner register" in FILES["docs/workflow.md"]
    assert f"`{label}`" in (ROOT / "docs/gitops-workflow.md").read_text()
    assert label in {job["runs-on"] for job in forks_jobs()}


def forks_jobs() -> list[dict[str, str]]:
    """Jobs of this repository's own workflow that run anybody's code."""
    workflow = yaml.safe_load((ROOT / ".gitea/workflows/preview.yaml").read_text())
    return [job for job in workflow["jobs"].values() if "if" not in job]


def test_the_range_that_is_reverted_holds_its_oldest_commit(tmp_path: Path) -> None:
    """`git revert A..B` leaves A in."""
    (command,) = re.findall(r"`git (revert OLDEST\S* ?)`", FILES["docs/rollback.md"])

    def git(*arguments: str) -> str:
        who = ("-c", "user.name=a", "-c", "user.email=a@example.org")
        return subprocess.run(
            ["git", *who, *arguments], cwd=tmp_path, check=True, capture_output=True, text=True
        ).stdout.strip()

    git("init", "-q")
    commits = []
    for number in range(4):
        (tmp_path / f"{number}").write_text("x")
        git("add", ".")
        git("commit", "-qm", str(number))
        commits.append(git("rev-parse", "HEAD"))
    revert = command.replace("OLDEST", commits[1]).replace("NEWEST", commits[3]).split()
    git(*revert, "--no-edit")
    assert git("diff", commits[0], "HEAD") == ""
