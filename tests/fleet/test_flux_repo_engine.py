"""The real engine, once through a stack's life: up, up again, an edit, destroy; then what must hold of it."""

from __future__ import annotations

import re
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path

import pulumi
import pytest
from pulumi import Output, automation

from components import sops
from components.flux_repo import FluxRepo, FluxRepoArgs
from components.manifest_tree import Emission, SecretManifest
from components.secret_values import deriver
from components.settings import Settings, load_stack
from tests.fleet.conftest import SECRET_PATH, SENTINEL
from tests.fleet.repository import Repository

pytestmark = [
    pytest.mark.engine,
    pytest.mark.skipif(
        not (shutil.which("pulumi") and shutil.which("pulumi-resource-command")),
        reason="pulumi and its command provider are not on PATH",
    ),
]

ROOT = Path(__file__).parents[2]
SEED = f"{SENTINEL}-seed-seed-seed-seed-seed-seed"
PASSWORD = deriver(SEED, {})("redis/raibid-api")


def emission(readme: str = "# fleet\n") -> Emission:
    return Emission(
        files={"README.md": readme.encode(), "infrastructure/a.yaml": b"a: 1\n"},
        secrets={SECRET_PATH: SecretManifest("ci", "redis", lambda derive: {"password": derive("redis/raibid-api")})},
    )


class Engine:
    """One stack on a file backend, its program in this process."""

    def __init__(self, directory: Path, repository: Repository, age_key: str, recovery_key: str) -> None:
        self.state = directory / "state"
        self.state.mkdir()
        self._home = directory / "home"
        self.repository = repository
        self.age_key = age_key
        keys = {"cluster": sops.public_keys(age_key)[0], "recovery": sops.public_keys(recovery_key)[0]}
        plain = load_stack("local").model_dump(by_alias=True)
        self._settings = Settings.model_validate({**plain, "recipients": keys})
        self.told: list[str] = []

    def stack(self, tree: Emission) -> automation.Stack:
        def program() -> None:
            fleet = FluxRepo(
                "fleet",
                FluxRepoArgs(
                    settings=self._settings,
                    emission=tree,
                    stack="local",
                    version="0.1.0",
                    program=sys.executable,
                    directory=str(ROOT),
                    url=str(self.repository.directory),
                    seed=Output.secret(SEED),
                    age_key=Output.secret(self.age_key),
                    git_password=Output.secret("hunter2-sentinel"),
                ),
            )
            pulumi.export("revision", fleet.revision)
            pulumi.export("missing", fleet.missing)

        environment = {
            "PULUMI_BACKEND_URL": f"file://{self.state}",
            "PULUMI_CONFIG_PASSPHRASE": "x",
            "PULUMI_SKIP_UPDATE_CHECK": "1",
            "PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION": "true",
            "PYTHONDONTWRITEBYTECODE": "1",
        }
        options = automation.LocalWorkspaceOptions(pulumi_home=str(self._home), env_vars=environment)
        return automation.create_or_select_stack("local", project_name="raibid-ci", program=program, opts=options)

    def preview(self, tree: Emission) -> str:
        lines: list[str] = []
        self.stack(tree).preview(on_output=lines.append, diff=True)
        self.told += lines
        return "\n".join(lines)

    def written(self) -> bytes:
        """The whole state on disk, with its history."""
        return b"".join(path.read_bytes() for path in self.state.rglob("*") if path.is_file())


@dataclass(frozen=True)
class Life:
    """What was seen of a stack from its first `up` to its `destroy`."""

    outputs: automation.OutputMap
    revision: str
    files: dict[str, bytes]
    refs: list[str]
    """After: up, up again, preview of an edit, up of the edit, destroy."""
    preview: str
    edited: list[str]
    said: str
    state: bytes
    age_key: str


@pytest.fixture(scope="module")
def life(tmp_path_factory: pytest.TempPathFactory, cluster_key: str, recovery_key: str) -> Life:
    directory = tmp_path_factory.mktemp("engine")
    repository = Repository(directory / "fleet.git")
    engine = Engine(directory, repository, cluster_key, recovery_key)
    first, other = emission(), emission("# edited\n")
    result = engine.stack(first).up(on_output=engine.told.append, diff=True)
    revision, files, refs = repository.head, repository.files, [repository.refs]
    engine.stack(first).up(on_output=engine.told.append, expect_no_changes=True)
    refs.append(repository.refs)
    preview = engine.preview(other)
    refs.append(repository.refs)
    engine.stack(other).up(on_output=engine.told.append, diff=True)
    refs.append(repository.refs)
    edited = repository.git("show", "--format=", "--name-only", "main").splitlines()
    engine.stack(other).destroy(on_output=engine.told.append)
    refs.append(repository.refs)
    return Life(
        result.outputs, revision, files, refs, preview, edited, "\n".join(engine.told), engine.written(), cluster_key
    )


def test_up_brings_the_tree_into_the_repository(life: Life) -> None:
    assert life.files["README.md"] == b"# fleet\n"
    assert sops.decrypt(life.files[SECRET_PATH], life.age_key)["stringData"] == {"password": PASSWORD}


def test_the_commit_is_an_output_in_clear(life: Life) -> None:
    assert (life.outputs["revision"].value, life.outputs["revision"].secret) == (life.revision, False)
    assert life.outputs["missing"].value == []


def test_a_second_up_changes_nothing(life: Life) -> None:
    assert life.refs[1] == life.refs[0]


def test_a_preview_shows_each_file_that_changes_and_no_other_and_pushes_nothing(life: Life) -> None:
    assert re.findall(r"~ (\S+\.\w+)\s*:", life.preview) == ["README.md"]
    assert life.refs[2] == life.refs[1]


def test_an_edit_writes_the_files_that_it_should(life: Life) -> None:
    assert life.edited == ["README.md", "clusters/local/emitted.json"]


def test_destroy_leaves_the_history_alone(life: Life) -> None:
    assert life.refs[4] == life.refs[3] != life.refs[2]


def test_no_secret_is_in_the_output_or_in_clear_in_the_state(life: Life) -> None:
    assert b"ciphertext" in life.state
    for word in (SEED, PASSWORD, "hunter2-sentinel", life.age_key):
        assert word not in life.said
        assert word.encode() not in life.state


def test_a_refused_push_fails_the_update_with_the_name_of_the_file_and_no_secret(
    tmp_path: Path, repository: Repository, cluster_key: str, recovery_key: str
) -> None:
    repository.commit({"README.md": "# theirs\n"})
    refs = repository.refs
    engine = Engine(tmp_path, repository, cluster_key, recovery_key)
    with pytest.raises(automation.CommandError) as error:
        engine.stack(emission()).up(on_output=engine.told.append)
    said = "\n".join([str(error.value), *engine.told])
    assert "README.md: exists, and this stack did not emit it" in said
    assert "fleet.overwrite" in said
    assert repository.refs == refs
    for word in (SEED, PASSWORD, "hunter2-sentinel", cluster_key):
        assert word not in said
