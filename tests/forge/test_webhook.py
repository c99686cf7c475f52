"""Signatures: made and checked over the raw body, several secrets valid at once."""

from __future__ import annotations

import hashlib
import hmac

import pytest
from hypothesis import given
from hypothesis import strategies as st
from raibid.forge import sign, verify

OLD, NEW = b"the-secret-of-last-month", b"the-secret-of-this-month"


def lower(headers: dict[str, str]) -> dict[str, str]:
    return {name.lower(): value for name, value in headers.items()}


def test_the_digest_is_hmac_sha256_as_gitea_writes_it() -> None:
    expected = hmac.new(NEW, b"{}", hashlib.sha256).hexdigest()
    assert sign(b"{}", NEW) == {"X-Gitea-Signature": expected, "X-Hub-Signature-256": f"sha256={expected}"}


@given(body=st.binary(), secret=st.binary(min_size=1))
def test_what_is_signed_verifies_by_either_header(body: bytes, secret: bytes) -> None:
    headers = lower(sign(body, secret))
    for name in headers:
        assert verify(body, {name: headers[name]}, (b"another", secret))


@pytest.mark.parametrize("secret", [OLD, NEW])
def test_two_secrets_are_valid_during_rotation(secret: bytes) -> None:
    assert verify(b"body", lower(sign(b"body", secret)), (NEW, OLD))


@given(body=st.binary(min_size=1), flip=st.integers(min_value=0))
def test_one_changed_byte_is_refused(body: bytes, flip: int) -> None:
    changed = bytearray(body)
    changed[flip % len(body)] ^= 1
    assert not verify(bytes(changed), lower(sign(body, NEW)), (NEW, OLD))


@given(st.dictionaries(st.sampled_from(["x-gitea-signature", "x-hub-signature-256"]), st.text()))
def test_no_guess_is_accepted_and_none_raises(headers: dict[str, str]) -> None:
    assert not verify(b"body", headers, (NEW, OLD))


def test_github_signature_needs_its_prefix() -> None:
    digest = sign(b"body", NEW)["X-Gitea-Signature"]
    assert not verify(b"body", {"x-hub-signature-256": digest}, (NEW,))
    assert not verify(b"body", {"x-hub-signature-256": f"sha1={digest}"}, (NEW,))


def test_an_empty_secret_verifies_nothing() -> None:
    assert not verify(b"body", lower(sign(b"body", b"")), (b"",))
    assert not verify(b"body", lower(sign(b"body", NEW)), ())
