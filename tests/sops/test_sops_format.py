from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from components import sops
from components.manifest_tree import Manifest

FIXTURES = Path(__file__).parent / "fixtures"
NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
CLUSTER = (FIXTURES / "keys" / "cluster.txt").read_text()


@pytest.fixture
def encrypted(secret: Manifest, recipients: tuple[str, ...]) -> bytes:
    return sops.encrypt(secret, recipients, now=NOW)


def test_either_key_opens_what_was_encrypted_for_both(
    encrypted: bytes, secret: Manifest, cluster_key: str, recovery_key: str
) -> None:
    assert sops.decrypt(encrypted, cluster_key) == secret
    assert sops.decrypt(encrypted, recovery_key) == secret


def test_a_key_file_may_hold_several_keys(
    encrypted: bytes, secret: Manifest, stranger_key: str, cluster_key: str
) -> None:
    assert sops.decrypt(encrypted, f"{stranger_key}\n{cluster_key}") == secret


def test_kind_and_metadata_stay_readable(encrypted: bytes) -> None:
    plain = yaml.safe_load(encrypted)
    assert (plain["kind"], plain["metadata"]["name"]) == ("Secret", "redis-acl")
    assert plain["sops"]["mac_only_encrypted"] is True
    assert plain["sops"]["encrypted_regex"] == "^(data|stringData)$"
    assert plain["sops"]["lastmodified"] == "2026-11-21T12:00:00Z"


@pytest.mark.parametrize("value", ["user default", "größer", "Zm9yZWlnbg"])
def test_no_value_is_readable(encrypted: bytes, value: str) -> None:
    assert value.encode() not in encrypted


keys = st.from_regex(r"[-._a-zA-Z0-9]{1,20}", fullmatch=True)  # what Kubernetes takes
values = st.text() | st.integers() | st.booleans() | st.floats(allow_nan=False, allow_infinity=False)


@given(data=st.dictionaries(keys, values, max_size=5))
def test_every_secret_comes_back_as_it_was(data: dict[str, Any]) -> None:
    manifest = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "a"}, "stringData": data}
    recipients = sops.public_keys(CLUSTER)
    assert sops.decrypt(sops.encrypt(manifest, recipients, now=NOW), CLUSTER) == manifest


@pytest.mark.parametrize("name", ["mac-only", "whole"])
def test_files_of_the_sops_program_are_read(name: str, cluster_key: str) -> None:
    """Written by sops 3.13.3: with a MAC over the encrypted values only, and with one over all values."""
    expected = yaml.safe_load((FIXTURES / "foreign" / f"{name}.plain.yaml").read_text())
    assert sops.decrypt((FIXTURES / "foreign" / f"{name}.enc.yaml").read_bytes(), cluster_key) == expected


def _places(data: bytes) -> list[int]:
    """Each character of the encrypted values and of the MAC's own text, but for spelling that means the same."""
    text, found = data.decode(), []
    for line in text.splitlines():
        if "ENC[" in line and "type:bool" not in line:
            at = text.index(line)
            found += [at + line.index("data:") + 5, at + line.index("iv:") + 4, at + line.index("tag:") + 5]
    return found


def test_a_changed_byte_of_any_value_or_of_the_mac_is_refused(encrypted: bytes, cluster_key: str) -> None:
    places = _places(encrypted)
    assert len(places) > 30
    for place in places:
        other = b"A" if encrypted[place : place + 1] != b"A" else b"B"
        changed = encrypted[:place] + other + encrypted[place + 1 :]
        with pytest.raises((sops.TamperedError, sops.NotEncryptedError)):
            sops.decrypt(changed, cluster_key)


def test_a_value_moved_to_another_key_is_refused(encrypted: bytes, cluster_key: str) -> None:
    with pytest.raises(sops.TamperedError, match=r"stringData:renamed: changed after it was encrypted; restore"):
        sops.decrypt(encrypted.replace(b"  umlaut:", b"  renamed:"), cluster_key)


def test_a_removed_value_is_refused(encrypted: bytes, cluster_key: str) -> None:
    without = b"".join(line for line in encrypted.splitlines(keepends=True) if b"umlaut" not in line)
    with pytest.raises(sops.TamperedError, match="MAC does not fit"):
        sops.decrypt(without, cluster_key)


def test_a_changed_time_is_refused(encrypted: bytes, cluster_key: str) -> None:
    with pytest.raises(sops.TamperedError, match="lastmodified"):
        sops.decrypt(encrypted.replace(b"2026-11-21T12", b"2026-11-21T13"), cluster_key)


def test_with_a_mac_over_everything_a_changed_name_is_refused(cluster_key: str) -> None:
    data = (FIXTURES / "foreign" / "whole.enc.yaml").read_bytes()
    with pytest.raises(sops.TamperedError, match="MAC does not fit"):
        sops.decrypt(data.replace(b"name: global", b"name: gl0bal"), cluster_key)


def test_a_lost_key_says_whose_keys_open_the_file_and_what_to_do(encrypted: bytes, stranger_key: str) -> None:
    with pytest.raises(sops.LostKeyError, match=r"encrypted for age1.*, and the age key at hand is age1.*recovery key"):
        sops.decrypt(encrypted, stranger_key)


@pytest.mark.parametrize("path", sorted((FIXTURES / "refused").iterdir()), ids=lambda path: path.stem)
def test_what_sops_did_not_write_is_refused(path: Path, cluster_key: str) -> None:
    with pytest.raises(sops.NotEncryptedError):
        sops.decrypt(path.read_bytes(), cluster_key)


def test_a_damaged_key_is_not_repeated_in_the_error(encrypted: bytes, cluster_key: str) -> None:
    damaged = cluster_key.strip()[:-1]
    with pytest.raises(sops.IdentityError) as error:
        sops.decrypt(encrypted, damaged)
    assert "AGE-SECRET-KEY-1…" in str(error.value)
    assert damaged[-20:] not in str(error.value)


@pytest.mark.parametrize("text", ["", "# only a comment\n"])
def test_an_empty_key_file_says_what_it_should_hold(encrypted: bytes, text: str) -> None:
    with pytest.raises(sops.IdentityError, match="age-keygen"):
        sops.decrypt(encrypted, text)


def test_nothing_is_encrypted_for_nobody(secret: Manifest) -> None:
    with pytest.raises(sops.RecipientError, match=r"recipients\.cluster"):
        sops.encrypt(secret, (), now=NOW)


def test_a_recipient_that_is_no_key_is_named(secret: Manifest) -> None:
    with pytest.raises(sops.RecipientError, match="age1nobody: no age public key"):
        sops.encrypt(secret, ("age1nobody",), now=NOW)


def test_a_value_of_a_foreign_type_is_named_by_its_place(recipients: tuple[str, ...]) -> None:
    with pytest.raises(sops.SopsError, match=r"stringData\.when: a datetime cannot be encrypted"):
        sops.encrypt({"stringData": {"when": NOW}}, recipients, now=NOW)
