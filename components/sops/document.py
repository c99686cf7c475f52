"""A Secret as a SOPS document: values under `data` and `stringData` encrypted, everything else readable.

Owns: the walk over the document, its MAC, the `sops` section, what is kept when keys change.
Leaves to others: one value (`cipher`), the data key (`keys`).

With `mac_only_encrypted` the MAC covers the encrypted values and not the names around them, so that Flux may build on
the file; a changed name is seen by the emission's own record (`fleet.plan`).
"""

from __future__ import annotations

import hashlib
import hmac
import os
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

import yaml

from components.manifest_tree import Manifest, to_yaml
from components.sops.cipher import Leaf, decrypt_value, encrypt_value, plain_bytes
from components.sops.errors import NotEncryptedError, SopsError, TamperedError
from components.sops.keys import unwrap, wrap

ENCRYPTED: Final = "^(data|stringData)$"
"""kustomize-controller builds before it decrypts: kind and metadata must stay readable."""

_VERSION: Final = "3.13.3"  # the SOPS whose format this is; its readers compare versions
_MAC_ONLY_ENCRYPTED: Final = hashlib.sha256(
    b"sops"
).digest()  # primes that kind of MAC, so that it never equals the other
_SECTION: Final = re.compile(r"^sops:[ ]*$", re.MULTILINE)


@dataclass(frozen=True)
class _File:
    """A parsed document: the text before the `sops` section is kept as it is, for files whose keys alone change."""

    text: str
    body: dict[str, Any]
    section: dict[str, Any]

    @property
    def entries(self) -> list[Mapping[str, str]]:
        return list(self.section["age"])


def encrypt(manifest: Manifest, recipients: Sequence[str], *, now: datetime) -> bytes:
    """The manifest as a SOPS file under a new data key.

    Raises:
        RecipientError: nothing can be encrypted for these.
        SopsError: a value that is neither text, number nor truth value.
    """
    return _seal(dict(manifest), os.urandom(32), recipients, now)


def decrypt(data: bytes, identities: str) -> Manifest:
    """The manifest of a SOPS file, ours or any other for age; `identities` is the text of an age key file.

    Raises:
        NotEncryptedError: no SOPS file for age.
        LostKeyError: no identity opens it.
        TamperedError: it was changed since.
    """
    file = _read(data)
    return _open(file, unwrap(file.entries, identities))


def recipients_of(data: bytes) -> list[str]:
    """Who can open a file.

    Raises:
        NotEncryptedError: no SOPS file for age.
    """
    return [entry["recipient"] for entry in _read(data).entries]


def update_keys(data: bytes, identities: str, recipients: Sequence[str]) -> bytes:
    """The file for other recipients: its data key wrapped anew, every other byte as it was (`sops updatekeys`).

    Who could open it before still knows the data key: `rotate` ends that.

    Raises:
        SopsError: as `decrypt` and `encrypt`.
    """
    file = _read(data)
    data_key = unwrap(file.entries, identities)
    _open(file, data_key)  # a file that was tampered with must not be given a fresh look
    if {entry["recipient"] for entry in file.entries} == set(recipients):
        return data
    return file.text.encode() + _section({**file.section, "age": wrap(data_key, recipients)})


def rotate(data: bytes, identities: str, *, now: datetime) -> bytes:
    """The same plaintext for the same recipients under a new data key (`sops rotate`).

    Raises:
        SopsError: as `decrypt`.
    """
    return encrypt(decrypt(data, identities), recipients_of(data), now=now)


def _read(data: bytes) -> _File:
    try:
        text = data.decode()
        whole = yaml.load(text, Loader=yaml.CSafeLoader)
    except (UnicodeDecodeError, yaml.YAMLError) as error:
        raise NotEncryptedError("not a YAML document; restore the file from Git's history") from error
    start = _SECTION.search(text)
    section = whole.get("sops") if isinstance(whole, dict) else None
    if start is None or not isinstance(section, dict):
        raise NotEncryptedError("no `sops` section: the file is not encrypted; a Secret in clear must not be committed")
    if list(whole)[-1] != "sops":
        raise NotEncryptedError("`sops` is not the last section of the file; restore it from Git's history")
    entries = section.get("age")
    if not isinstance(entries, list) or not all(
        isinstance(e, dict) and {"enc", "recipient"} <= e.keys() for e in entries
    ):
        raise NotEncryptedError("no age recipients in its `sops` section; other kinds of keys are not supported here")
    if not all(isinstance(section.get(key), str) for key in ("mac", "lastmodified", "encrypted_regex")):
        raise NotEncryptedError("its `sops` section lacks mac, lastmodified or encrypted_regex; restore it")
    body = {key: value for key, value in whole.items() if key != "sops"}
    return _File(text[: start.start()], body, section)


def _open(file: _File, data_key: bytes) -> Manifest:
    total = _Mac(file.section.get("mac_only_encrypted", False))

    def opened(value: Any, path: str, secret: bool) -> Leaf:
        plain: Leaf = decrypt_value(value, data_key, path) if secret else value
        total.add(plain, secret)
        return plain

    manifest = _walk(file.body, (), re.compile(file.section["encrypted_regex"]), opened)
    try:
        written = str(decrypt_value(file.section["mac"], data_key, file.section["lastmodified"]))
    except SopsError as error:
        raise TamperedError(
            "sops.mac or sops.lastmodified was changed after encryption; restore the file from Git's history"
        ) from error
    if not hmac.compare_digest(written, total.text):
        raise TamperedError(
            "the MAC does not fit: values were added, removed or swapped; restore it from Git's history"
        )
    return dict(manifest)


def _seal(manifest: dict[str, Any], data_key: bytes, recipients: Sequence[str], now: datetime) -> bytes:
    total = _Mac(only_encrypted=True)

    def sealed(value: Any, path: str, secret: bool) -> Any:
        total.add(value, secret)
        return encrypt_value(value, data_key, path) if secret else value

    body = _walk(manifest, (), re.compile(ENCRYPTED), sealed)
    stamp = now.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    section = {
        "age": wrap(data_key, recipients),
        "encrypted_regex": ENCRYPTED,
        "lastmodified": stamp,
        "mac": encrypt_value(total.text, data_key, stamp),
        "mac_only_encrypted": True,
        "version": _VERSION,
    }
    return to_yaml(body) + _section(section)


def _section(section: Mapping[str, Any]) -> bytes:
    return to_yaml({"sops": dict(section)}).removeprefix(b"---\n")


class _Mac:
    """SHA-512 over plaintexts in the order of the document."""

    def __init__(self, only_encrypted: bool) -> None:
        self._only_encrypted = only_encrypted
        self._hash = hashlib.sha512(_MAC_ONLY_ENCRYPTED if only_encrypted else b"")

    def add(self, value: Leaf, secret: bool) -> None:
        if secret or not self._only_encrypted:
            self._hash.update(plain_bytes(value))

    @property
    def text(self) -> str:
        return self._hash.hexdigest().upper()


def _walk(value: Any, path: tuple[str, ...], encrypted: re.Pattern[str], leaf: Callable[[Any, str, bool], Any]) -> Any:
    """The value with every leaf replaced; a leaf's place is its keys joined by `:`, without positions in lists."""
    match value:
        case dict():
            return {key: _walk(item, (*path, str(key)), encrypted, leaf) for key, item in value.items()}
        case list() | tuple():
            return [_walk(item, path, encrypted, leaf) for item in value]
        case None:
            return None
        case str() | bool() | int() | float():
            return leaf(value, ":".join(path) + ":", any(encrypted.search(part) for part in path))
    raise SopsError(f"{'.'.join(path)}: a {type(value).__name__} cannot be encrypted; write it as text, in quotes")
