"""`python -m components render`: the tree as a directory, whole or not at all."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from components import sops
from components.__main__ import run
from components.engine import stack_keys
from components.manifest_tree import Emission, SecretManifest
from components.rendering import MARKER, RenderError, write_tree
from components.settings import load_stack
from components.systems import emission

TREE = Emission(
    {"a/b.yaml": b"1\n"}, {"a/secret.enc.yaml": SecretManifest("ci", "x", lambda _: {})}, {"apps/c.yaml": b"2\n"}
)


def contents(directory: Path) -> dict[str, bytes]:
    return {str(p.relative_to(directory)): p.read_bytes() for p in directory.rglob("*") if p.is_file()}


def test_the_tree_is_written_and_what_nobody_could_encrypt_is_told(tmp_path: Path) -> None:
    missing = write_tree(tmp_path / "out", TREE, {})
    assert missing == ["a/secret.enc.yaml"]
    assert set(contents(tmp_path / "out")) == {"a/b.yaml", "apps/c.yaml", MARKER}


def test_ciphertext_that_is_there_stays(tmp_path: Path) -> None:
    write_tree(tmp_path / "out", TREE, {"a/secret.enc.yaml": b"sealed"})
    assert write_tree(tmp_path / "out", TREE, {}) == []
    assert contents(tmp_path / "out")["a/secret.enc.yaml"] == b"sealed"


def test_a_file_of_an_earlier_tree_goes_away(tmp_path: Path) -> None:
    write_tree(tmp_path / "out", Emission({"old.yaml": b""}, {}), {})
    write_tree(tmp_path / "out", TREE, {})
    assert "old.yaml" not in contents(tmp_path / "out")
    assert list(tmp_path.iterdir()) == [tmp_path / "out"], "and no scratch directory is left"


def test_somebody_elses_directory_is_refused_and_untouched(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(RenderError, match="was not written by render") as refused:
        write_tree(tmp_path, TREE, {})
    assert "--force" in refused.value.hint
    assert contents(tmp_path) == {"notes.txt": b"mine"}


def test_force_replaces_everything(tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    (out / "notes.txt").write_text("mine")
    write_tree(out, TREE, {}, force=True)
    assert "notes.txt" not in contents(out)


def test_a_file_in_the_way_is_refused(tmp_path: Path) -> None:
    (tmp_path / "out").write_text("")
    with pytest.raises(RenderError, match="not a directory"):
        write_tree(tmp_path / "out", TREE, {}, force=True)


def test_a_write_that_fails_leaves_what_was_there(tmp_path: Path) -> None:
    write_tree(tmp_path / "out", TREE, {})
    before = contents(tmp_path / "out")
    with pytest.raises(RenderError):
        write_tree(tmp_path / "out", Emission({"a": b"", "a/b": b""}, {}), {})  # a file and a directory of one name
    assert contents(tmp_path / "out") == before
    assert list(tmp_path.iterdir()) == [tmp_path / "out"]


@pytest.mark.parametrize("stack", ["local", "dev", "dgx-spark"])
def test_the_same_settings_give_the_same_bytes(stack: str, tmp_path: Path) -> None:
    for out in ("one", "two"):
        assert run(["render", "--stack", stack, "--out", str(tmp_path / out)]) == 0
    assert contents(tmp_path / "one") == contents(tmp_path / "two")


def test_the_base_is_the_same_bytes_for_every_environment() -> None:
    trees = [emission(load_stack(stack)).files for stack in ("local", "dev", "dgx-spark")]
    bases = [{p: d for p, d in files.items() if p.startswith(("infrastructure/", "apps/base/"))} for files in trees]
    assert bases[0] == bases[1] == bases[2]


def test_json_lists_files_and_what_is_missing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["render", "--stack", "local", "--out", str(tmp_path / "out"), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    tree = emission(load_stack("local"))
    assert told["files"] == tree.digests()
    assert told["missing"] == sorted(tree.secrets)


@pytest.fixture
def keys(tmp_path: Path) -> stack_keys.Keys:
    return stack_keys.kept_in(tmp_path / "keys")


@pytest.fixture
def with_recipients(tmp_path: Path, keys: stack_keys.Keys, monkeypatch: pytest.MonkeyPatch) -> None:
    """The stack `local` as it is after `components keys`."""
    from components.commands import render
    from components.settings.load import HERE

    for name in ("Pulumi.yaml", "Pulumi.local.yaml"):
        content = YAML(typ="safe").load(HERE / name)
        if name == "Pulumi.local.yaml":
            pair = {"cluster": keys.cluster.public, "recovery": keys.recovery.public}
            content["config"]["raibid-ci:recipients"] = pair
        with (tmp_path / name).open("w") as out:
            YAML(typ="safe").dump(content, out)
    monkeypatch.setattr(render, "load_stack", lambda stack: load_stack(stack, tmp_path))


@pytest.mark.usefixtures("with_recipients")
def test_with_a_seed_every_secret_is_there_encrypted_and_stays_the_same(
    tmp_path: Path, keys: stack_keys.Keys, capsys: pytest.CaptureFixture[str]
) -> None:
    source, out = tmp_path / "seed.json", tmp_path / "out"
    source.write_text(json.dumps({"seed": keys.seed, "ageKey": keys.cluster.private}))
    command = ["render", "--stack", "local", "--out", str(out), "--secrets-from", str(source), "--json"]
    assert run(command) == 0
    assert json.loads(capsys.readouterr().out)["missing"] == []
    first = contents(out)
    for path in (path for path in first if path.endswith(".enc.yaml")):
        for identity in (keys.cluster, keys.recovery):
            assert sops.decrypt(first[path], identity.private)["kind"] == "Secret"
    assert keys.seed.encode() not in b"".join(first.values())
    assert run(command) == 0
    assert contents(out) == first


@pytest.mark.usefixtures("with_recipients")
@pytest.mark.parametrize(
    ("text", "says"), [("{", "not JSON"), ("[]", "has no seed"), ('{"seed": "sentinel"}', "32")], ids=lambda v: v[:9]
)
def test_a_bad_seed_is_refused_without_being_quoted(
    text: str, says: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source = tmp_path / "seed.json"
    source.write_text(text)
    code = run(["render", "--stack", "local", "--out", str(tmp_path / "out"), "--secrets-from", str(source)])
    told = capsys.readouterr().err
    assert code != 0
    assert says in told
    assert "sentinel" not in told
    assert not (tmp_path / "out").exists()


def test_without_recipients_a_seed_encrypts_nothing_and_says_what_to_do(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source = tmp_path / "seed.json"
    source.write_text(json.dumps({"seed": stack_keys.new_seed()}))
    assert run(["render", "--stack", "local", "--out", str(tmp_path / "out"), "--secrets-from", str(source)]) == 1
    assert "components keys --stack local" in capsys.readouterr().err
