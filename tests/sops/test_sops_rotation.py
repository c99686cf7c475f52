from __future__ import annotations

import re
from datetime import UTC, datetime
from pathlib import Path

import pytest
import yaml

from components import sops
from components.manifest_tree import Manifest

FIXTURES = Path(__file__).parent / "fixtures"
NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)


@pytest.fixture
def encrypted(secret: Manifest, recipients: tuple[str, ...]) -> bytes:
    return sops.encrypt(secret, recipients, now=NOW)


@pytest.fixture
def newcomer(stranger_key: str) -> str:
    return sops.public_keys(stranger_key)[0]


def body(data: bytes) -> bytes:
    return re.split(rb"^sops:$", data, flags=re.MULTILINE)[0]


def test_new_recipients_open_the_file_and_old_ones_do_not(
    encrypted: bytes, secret: Manifest, cluster_key: str, recovery_key: str, stranger_key: str, newcomer: str
) -> None:
    other = sops.update_keys(encrypted, cluster_key, (newcomer,))
    assert sops.decrypt(other, stranger_key) == secret
    assert sops.recipients_of(other) == [newcomer]
    with pytest.raises(sops.LostKeyError):
        sops.decrypt(other, recovery_key)


@pytest.mark.parametrize("name", ["own", "mac-only", "whole"])
def test_new_recipients_leave_the_ciphertext_as_it_is(
    name: str, encrypted: bytes, cluster_key: str, newcomer: str
) -> None:
    before = encrypted if name == "own" else (FIXTURES / "foreign" / f"{name}.enc.yaml").read_bytes()
    after = sops.update_keys(before, cluster_key, (newcomer,))
    assert body(after) == body(before)
    old, new = yaml.safe_load(before)["sops"], yaml.safe_load(after)["sops"]
    assert {**old, "age": None} == {**new, "age": None}


def test_the_same_recipients_in_any_order_change_nothing(
    encrypted: bytes, cluster_key: str, recipients: tuple[str, ...]
) -> None:
    assert sops.update_keys(encrypted, cluster_key, recipients[::-1]) == encrypted


def test_a_tampered_file_is_given_no_new_recipients(encrypted: bytes, cluster_key: str, newcomer: str) -> None:
    with pytest.raises(sops.TamperedError):
        sops.update_keys(encrypted.replace(b"  umlaut:", b"  renamed:"), cluster_key, (newcomer,))


def test_a_new_data_key_keeps_plaintext_and_recipients_and_changes_every_value(
    encrypted: bytes, secret: Manifest, cluster_key: str, recovery_key: str, recipients: tuple[str, ...]
) -> None:
    other = sops.rotate(encrypted, cluster_key, now=NOW)
    assert sops.decrypt(other, recovery_key) == secret
    assert sops.recipients_of(other) == list(recipients)
    values = set(re.findall(rb"ENC\[[^]]+\]", encrypted))
    assert len(values) > 8
    assert values.isdisjoint(re.findall(rb"ENC\[[^]]+\]", other))
