"""`python -m components rotate` on a checkout, by the command's own parser."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from components import sops
from components.__main__ import run
from components.fleet.push import push
from tests.fleet.conftest import SECRET_PATH, Ask, secret
from tests.fleet.repository import Repository


@pytest.fixture
def checkout(repository: Repository, ask_secret: Ask, recipients: tuple[str, ...]) -> Path:
    rules = json.dumps({"creation_rules": [{"path_regex": r"\.enc\.yaml$", "age": ",".join(recipients)}]})
    push(ask_secret(files={".sops.yaml": rules}))
    return repository.desk()


@pytest.fixture
def identity(tmp_path: Path, cluster_key: str) -> Path:
    file = tmp_path / "age.txt"
    file.write_text(f"# public key: …\n{cluster_key}\n")
    return file


def test_other_recipients_open_every_file(checkout: Path, identity: Path, stranger_key: str) -> None:
    (public,) = sops.public_keys(stranger_key)
    arguments = ["rotate", "recipients", "--dir", str(checkout), "--identity", str(identity), "--recipient", public]
    assert run(arguments) == 0
    assert sops.decrypt((checkout / SECRET_PATH).read_bytes(), stranger_key) == secret()


def test_without_recipients_the_rules_of_the_repository_say_who(
    checkout: Path, identity: Path, stranger_key: str, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["rotate", "recipients", "--dir", str(checkout), "--identity", str(identity), "--json"]
    assert run(arguments) == 0
    assert json.loads(capsys.readouterr().out) == {"files": 1, "changed": []}
    (public,) = sops.public_keys(stranger_key)
    (checkout / ".sops.yaml").write_text(json.dumps({"creation_rules": [{"age": public}]}))
    assert run(arguments) == 0
    assert json.loads(capsys.readouterr().out) == {"files": 1, "changed": [SECRET_PATH]}
    assert sops.recipients_of((checkout / SECRET_PATH).read_bytes()) == [public]


def test_a_new_data_key_changes_every_file_and_the_next_push_keeps_it(
    repository: Repository, ask_secret: Ask, checkout: Path, identity: Path, cluster_key: str
) -> None:
    before = (checkout / SECRET_PATH).read_bytes()
    assert run(["rotate", "data-key", "--dir", str(checkout), "--identity", str(identity)]) == 0
    after = (checkout / SECRET_PATH).read_bytes()
    assert after != before
    assert sops.decrypt(after, cluster_key) == secret()
    repository.publish("rotate")
    push(ask_secret(files={".sops.yaml": repository.read(".sops.yaml")}))
    assert repository.read(SECRET_PATH) == after


def test_when_one_file_cannot_be_opened_none_is_changed(
    checkout: Path, identity: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    good = (checkout / SECRET_PATH).read_bytes()
    (checkout / "zz.enc.yaml").write_bytes(good.replace(b"password: ENC", b"passw0rd: ENC"))
    assert run(["rotate", "data-key", "--dir", str(checkout), "--identity", str(identity)]) == 1
    told = capsys.readouterr().err
    assert "zz.enc.yaml: stringData:passw0rd: changed after it was encrypted" in told
    assert "no file was changed" in told
    assert (checkout / SECRET_PATH).read_bytes() == good
    assert sorted(path.name for path in checkout.iterdir()) == [
        ".git",
        ".sops.yaml",
        "clusters",
        "infrastructure",
        "zz.enc.yaml",
    ]


def test_a_lost_key_is_told_with_the_file(
    checkout: Path, tmp_path: Path, stranger_key: str, capsys: pytest.CaptureFixture[str]
) -> None:
    lost = tmp_path / "lost.txt"
    lost.write_text(stranger_key)
    assert run(["rotate", "data-key", "--dir", str(checkout), "--identity", str(lost)]) == 1
    told = capsys.readouterr().err
    assert SECRET_PATH in told
    assert "recovery key" in told
    assert stranger_key not in told


def test_a_link_out_of_the_checkout_is_not_followed(checkout: Path, identity: Path, tmp_path: Path) -> None:
    outside = tmp_path / "outside.enc.yaml"
    outside.write_text("mine\n")
    (checkout / "link.enc.yaml").symlink_to(outside)
    assert run(["rotate", "data-key", "--dir", str(checkout), "--identity", str(identity)]) == 0
    assert outside.read_text() == "mine\n"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["recipients", "--dir", "{empty}", "--identity", "{identity}", "--recipient", "age1x"], "no *.enc.yaml in it"),
        (["recipients", "--dir", "{empty}", "--identity", "{identity}"], ".sops.yaml: cannot be read"),
        (["data-key", "--dir", "{empty}", "--identity", "{empty}/nothing"], "nothing: cannot be read"),
        (["data-key", "--dir", "{empty}", "--identity", "{identity}", "--recipient", "a"], "rotate recipients"),
    ],
)
def test_wrong_use_is_told(
    arguments: list[str], said: str, tmp_path: Path, identity: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    assert run(["rotate", *(part.format(empty=empty, identity=identity) for part in arguments)]) != 0
    assert said in capsys.readouterr().err


def test_a_checkout_that_is_not_there_is_named_before_the_key(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    nowhere = str(tmp_path / "nowhere")
    assert run(["rotate", "data-key", "--dir", nowhere, "--identity", f"{nowhere}.key"]) == 2
    told = capsys.readouterr().err
    assert f"{nowhere}: no such directory" in told
    assert "--dir" in told
