from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from components import sops
from components.fleet.errors import DivergedError, PlaintextSecretError, SealError
from components.fleet.push import push
from tests.fleet.conftest import SECRET_PATH, SENTINEL, Ask, secret
from tests.fleet.repository import Repository

NOW = datetime(2026, 11, 21, tzinfo=UTC)


def test_a_secret_arrives_encrypted_for_both_keys(
    repository: Repository, ask_secret: Ask, cluster_key: str, recovery_key: str
) -> None:
    push(ask_secret())
    assert sops.decrypt(repository.read(SECRET_PATH), cluster_key) == secret()
    assert sops.decrypt(repository.read(SECRET_PATH), recovery_key) == secret()


def test_no_byte_that_was_ever_written_holds_the_value(repository: Repository, ask_secret: Ask) -> None:
    push(ask_secret())
    push(ask_secret(f"{SENTINEL}-2"))
    everything = repository.every_byte()
    assert b"ENC[AES256_GCM" in everything
    assert SENTINEL.encode() not in everything


def test_ciphertext_stays_while_plaintext_and_recipients_do(repository: Repository, ask_secret: Ask) -> None:
    push(ask_secret())
    before = repository.read(SECRET_PATH)
    push(ask_secret(files={"README.md": b"# other\n"}))
    assert repository.read(SECRET_PATH) == before


def test_another_value_is_encrypted_anew(repository: Repository, ask_secret: Ask, cluster_key: str) -> None:
    push(ask_secret())
    push(ask_secret("another"))
    assert sops.decrypt(repository.read(SECRET_PATH), cluster_key) == secret("another")


def test_other_recipients_get_the_key_and_the_values_stay(
    repository: Repository, ask_secret: Ask, recipients: tuple[str, ...], stranger_key: str
) -> None:
    push(ask_secret())
    before = repository.read(SECRET_PATH)
    push(ask_secret(recipients=(*recipients, *sops.public_keys(stranger_key))))
    after = repository.read(SECRET_PATH)
    assert sops.decrypt(after, stranger_key) == secret()
    assert re.findall(rb"ENC\[[^]]+\]", after) == re.findall(rb"ENC\[[^]]+\]", before)


def test_without_the_age_key_secrets_are_encrypted_anew_and_that_is_said(
    repository: Repository, ask_secret: Ask, recovery_key: str
) -> None:
    push(ask_secret())
    result = push(ask_secret(identity=""))
    assert result.notices == ("1 Secrets were encrypted anew: only the age key shows whether they are the same",)
    assert sops.decrypt(repository.read(SECRET_PATH), recovery_key) == secret()


def test_without_seed_or_recipients_secrets_stay_as_they_are(repository: Repository, ask_secret: Ask, ask: Ask) -> None:
    push(ask_secret())
    before = repository.read(SECRET_PATH)
    result = push(ask(unavailable=(SECRET_PATH,)))
    assert not result.pushed
    assert result.missing == ()
    assert repository.read(SECRET_PATH) == before
    assert not push(ask_secret()).pushed


def test_secrets_that_nobody_could_encrypt_are_listed_as_missing(repository: Repository, ask: Ask) -> None:
    result = push(ask(unavailable=(SECRET_PATH,)))
    assert result.missing == (SECRET_PATH,)
    assert "set seed and recipients" in result.notices[0]
    assert SECRET_PATH not in repository.files


def test_what_rotating_keys_left_is_no_edit(
    repository: Repository, ask_secret: Ask, cluster_key: str, recipients: tuple[str, ...]
) -> None:
    push(ask_secret())
    rotated = sops.rotate(repository.read(SECRET_PATH), cluster_key, now=NOW)
    repository.commit({SECRET_PATH: rotated.decode()})
    push(ask_secret())
    assert repository.read(SECRET_PATH) == rotated


def edited(data: bytes, key: str, recipients: tuple[str, ...]) -> bytes:
    return sops.encrypt(secret("by hand"), recipients, now=NOW)


def tampered(data: bytes, key: str, recipients: tuple[str, ...]) -> bytes:
    return data.replace(b"password: ENC", b"passw0rd: ENC")


def in_clear(data: bytes, key: str, recipients: tuple[str, ...]) -> bytes:
    return b"kind: Secret\nstringData: {password: mine}\n"


@pytest.mark.parametrize(
    ("change", "reason"),
    [(edited, "edited since the last emission"), (tampered, "changed after it was encrypted"), (in_clear, "in clear")],
)
def test_a_secret_that_somebody_changed_is_refused_by_name_and_taken_back_when_asked(
    change: Callable[[bytes, str, tuple[str, ...]], bytes],
    reason: str,
    repository: Repository,
    ask_secret: Ask,
    cluster_key: str,
    recipients: tuple[str, ...],
) -> None:
    push(ask_secret())
    repository.commit({SECRET_PATH: change(repository.read(SECRET_PATH), cluster_key, recipients).decode()})
    refs = repository.refs
    with pytest.raises(DivergedError) as error:
        push(ask_secret())
    assert reason in error.value.files[SECRET_PATH]
    assert repository.refs == refs
    push(ask_secret(overwrite=True))
    assert sops.decrypt(repository.read(SECRET_PATH), cluster_key) == secret()


def test_a_lost_age_key_says_what_to_do_and_changes_nothing(
    repository: Repository, ask_secret: Ask, stranger_key: str
) -> None:
    push(ask_secret())
    refs = repository.refs
    lost = ask_secret(identity=stranger_key, recipients=tuple(sops.public_keys(stranger_key)))
    with pytest.raises(SealError, match=rf"{SECRET_PATH}: encrypted for age1") as error:
        push(lost)
    assert "recovery key" in error.value.hint
    assert stranger_key not in f"{error.value}{error.value.hint}"
    assert repository.refs == refs
    push(lost.model_copy(update={"overwrite": True}))
    assert sops.decrypt(repository.read(SECRET_PATH), stranger_key) == secret()


def test_a_recovery_key_beside_the_new_one_brings_the_secrets_over(
    repository: Repository, ask_secret: Ask, recovery_key: str, stranger_key: str
) -> None:
    push(ask_secret())
    push(ask_secret(identity=f"{stranger_key}\n{recovery_key}", recipients=tuple(sops.public_keys(stranger_key))))
    assert sops.recipients_of(repository.read(SECRET_PATH)) == sops.public_keys(stranger_key)


def test_environments_with_the_same_keys_and_values_share_a_secret(repository: Repository, ask_secret: Ask) -> None:
    push(ask_secret())
    before = repository.read(SECRET_PATH)
    push(ask_secret(environment="dev", stack="dev"))
    assert repository.read(SECRET_PATH) == before


def test_another_environments_values_are_not_replaced_with_the_key_or_without(
    repository: Repository, ask_secret: Ask
) -> None:
    push(ask_secret())
    refs = repository.refs
    dev = {"environment": "dev", "stack": "dev"}
    for request in (ask_secret("of dev", **dev), ask_secret("of dev", identity="", **dev)):
        with pytest.raises(DivergedError, match=r"environment local uses it too, .* a repository each \(fleet\.url\)"):
            push(request)
    assert repository.refs == refs


def test_another_environments_keys_are_told_as_such(ask_secret: Ask, stranger_key: str) -> None:
    push(ask_secret())
    dev = {"environment": "dev", "identity": stranger_key, "recipients": tuple(sops.public_keys(stranger_key))}
    with pytest.raises(SealError) as error:
        push(ask_secret(**dev))
    assert "environment local encrypted it for its own keys" in error.value.hint


@pytest.mark.parametrize(
    "text",
    [
        "apiVersion: v1\nkind: Secret\nstringData: {a: b}\n",
        "---\nkind: ConfigMap\n---\napiVersion: v1\nkind: 'Secret'\n",
        "apiVersion: v1\nkind: List\nitems:\n- {apiVersion: v1, kind: Secret}\n",
        "apiVersion: v1\nkind: SecretList\nitems: []\n",
        '{"kind":"Secret","apiVersion":"v1"}',
        'apiVersion: v1\n"kind" : Secret\n',
        "apiVersion: v1\nkind: !!str Secret\n",
        "apiVersion: v1\nkind: Secret\n---\na: [\n",
        "a: [\n---\napiVersion: v1\nkind: Secret\n",
        "apiVersion: v1\nkind: Secret\ndata: !unknown {a: b}\n",
    ],
)
@pytest.mark.parametrize("field", ["files", "seeds"])
def test_a_secret_in_clear_among_the_files_is_refused(field: str, text: str, repository: Repository, ask: Ask) -> None:
    with pytest.raises(PlaintextSecretError, match=r"b\.yaml: a Secret in clear"):
        push(ask(**{field: {"b.yaml": text}}))
    assert repository.refs == ""


def test_a_text_about_secrets_need_not_be_yaml(ask: Ask) -> None:
    assert push(ask(files={"README.md": "# Secrets\n\n    kind: Secret\n\n---\n* [a](b): `kind: Secret`\n"})).pushed


def test_a_mention_of_the_kind_is_no_secret(ask: Ask) -> None:
    text = "kind: HelmRelease\nspec:\n  valuesFrom:\n  - kind: Secret\n    name: a\n"
    assert push(ask(files={"b.yaml": text, "c.md": "```\nkind: Secret\n: [\n```\n"})).pushed


def test_nothing_of_a_request_shows_its_secrets(ask_secret: Ask, cluster_key: str) -> None:
    shown = repr(ask_secret(password="hunter2"))
    assert SENTINEL not in shown
    assert "hunter2" not in shown
    assert cluster_key not in shown


def test_scratch_holds_no_plaintext_afterwards(ask_secret: Ask, tmp_path: Path) -> None:
    push(ask_secret())
    assert not list((tmp_path / "scratch").iterdir())
