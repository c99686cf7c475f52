"""The data key of a file, wrapped by age for each recipient.

Owns: age keys as text, wrapping and unwrapping.
Leaves to others: where keys are kept (stack secrets, `docs/secrets.md`), what the data key encrypts (`cipher`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pyrage
from pyrage import x25519

from components.sops.errors import IdentityError, LostKeyError, NotEncryptedError, RecipientError


def read_identities(text: str) -> list[x25519.Identity]:
    """The keys of an age key file: a key per line, `#` comments.

    Raises:
        IdentityError: no key in it, or a line that is none.
    """
    lines = [line.strip() for line in text.splitlines()]
    try:
        keys = [x25519.Identity.from_str(line) for line in lines if line and not line.startswith("#")]
    except pyrage.IdentityError:
        # The line itself may be a damaged key: it is not repeated.
        raise IdentityError("age key: a line is no key; age-keygen writes AGE-SECRET-KEY-1…") from None
    if not keys:
        raise IdentityError("age key: empty; give the file that age-keygen wrote (AGE-SECRET-KEY-1…)")
    return keys


def public_keys(identities: str) -> list[str]:
    """The recipients that an age key file opens."""
    return [str(key.to_public()) for key in read_identities(identities)]


def wrap(data_key: bytes, recipients: Sequence[str]) -> list[dict[str, str]]:
    """The data key for each recipient, as `sops.age` lists them.

    Raises:
        RecipientError: no recipient, or one that is no age public key.
    """
    if not recipients:
        raise RecipientError("recipients: none; set recipients.cluster and recipients.recovery in stack config")
    entries = []
    for recipient in recipients:
        try:
            key = x25519.Recipient.from_str(recipient)
        except pyrage.RecipientError:
            raise RecipientError(f"{recipient}: no age public key; age-keygen -y prints age1…") from None
        entries.append({"enc": pyrage.encrypt(data_key, [key], armored=True).decode(), "recipient": recipient})
    return entries


def unwrap(entries: Sequence[Mapping[str, str]], identities: str) -> bytes:
    """The data key, by whichever of the identities opens it.

    Raises:
        IdentityError: the identities are none.
        LostKeyError: none of them is a recipient.
        NotEncryptedError: an entry that age did not write.
    """
    keys = read_identities(identities)
    ours = {str(key.to_public()) for key in keys}
    # An entry of ours first: trying the others as well keeps files readable whose `recipient` was edited.
    for entry in sorted(entries, key=lambda entry: entry["recipient"] not in ours):
        try:
            data_key = bytes(pyrage.decrypt(entry["enc"].encode(), keys))
        except pyrage.DecryptError:
            continue
        if len(data_key) != 32:
            raise NotEncryptedError(f"sops.age: the data key has {len(data_key)} bytes instead of 32")
        return data_key
    raise LostKeyError(
        f"encrypted for {', '.join(entry['recipient'] for entry in entries)}, and the age key at hand is "
        f"{', '.join(sorted(ours))}; use the recovery key (docs/secrets.md, 'A lost age key')"
    )
