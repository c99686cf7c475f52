"""One value encrypted as SOPS does it: `ENC[AES256_GCM,data:…,iv:…,tag:…,type:…]`.

Owns: AES-256-GCM with SOPS' 32-byte nonces, the spelling of types, the MAC's bytes of a value.
Leaves to others: which values (`document`), the data key (`keys`).
"""

from __future__ import annotations

import base64
import binascii
import os
import re
from decimal import Decimal
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from components.sops.errors import NotEncryptedError, TamperedError

Leaf = str | int | float | bool

_NONCE_BYTES: Final = 32  # SOPS' choice; GCM hashes what is longer than 12
_TAG_BYTES: Final = 16
_VALUE: Final = re.compile(
    r"ENC\[AES256_GCM,data:(?P<data>[^,]*),iv:(?P<iv>[^,]+),tag:(?P<tag>[^,]+),type:(?P<type>\w+)\]"
)


def plain_bytes(value: Leaf) -> bytes:
    """A value as SOPS encrypts and hashes it: True → `True`, 1.0 → `1`, text as UTF-8."""
    if isinstance(value, float):
        return format(Decimal(repr(value)).normalize(), "f").encode()
    return str(value).encode()


def encrypt_value(value: Leaf, key: bytes, context: str) -> str:
    """The value under `key`, bound to its place in the document; an empty string stays one, as SOPS has it."""
    if value == "":
        return ""
    nonce = os.urandom(_NONCE_BYTES)
    sealed = AESGCM(key).encrypt(nonce, plain_bytes(value), context.encode())
    data, tag = sealed[:-_TAG_BYTES], sealed[-_TAG_BYTES:]
    kind = {str: "str", bool: "bool", int: "int", float: "float"}[type(value)]
    data64, nonce64, tag64 = (base64.b64encode(part).decode() for part in (data, nonce, tag))
    return f"ENC[AES256_GCM,data:{data64},iv:{nonce64},tag:{tag64},type:{kind}]"


def decrypt_value(text: object, key: bytes, context: str) -> Leaf:
    """What `encrypt_value` was given.

    Raises:
        NotEncryptedError: the value stands there in clear, or is of a type that Secrets do not have.
        TamperedError: it was changed, or moved to another place in the document.
    """
    if text == "":
        return ""
    match = _VALUE.fullmatch(text) if isinstance(text, str) else None
    if match is None:
        raise NotEncryptedError(f"{context.rstrip(':')}: not encrypted; encrypt the file again, and rotate that value")
    try:
        data, nonce, tag = (base64.b64decode(match[part], validate=True) for part in ("data", "iv", "tag"))
        plain = AESGCM(key).decrypt(nonce, data + tag, context.encode())
    except (InvalidTag, binascii.Error, ValueError) as error:
        raise TamperedError(
            f"{context.rstrip(':')}: changed after it was encrypted; restore the file from Git's history"
        ) from error
    return _typed(plain.decode(), match["type"], context)


def _typed(text: str, kind: str, context: str) -> Leaf:
    match kind:
        case "str":
            return text
        case "int":
            return int(text)
        case "float":
            return float(text)
        case "bool":
            return text.lower() == "true"
    raise NotEncryptedError(f"{context.rstrip(':')}: type {kind!r} is none that a Secret holds")
