"""Secrets of the Flux repository in the format of SOPS, for age recipients.

Owns: writing and reading encrypted Secrets so that the `sops` program and Flux read ours and we read theirs; new
recipients (`update_keys`), a new data key (`rotate`), `.sops.yaml`.
Leaves to others: which Secrets there are (each system's file), when ciphertext is kept (`fleet.plan`), other formats,
key services and file types of SOPS.

There is no maintained SOPS writer in Python, and the program would be one more thing to install on every machine that
runs `pulumi up`; the tests cross-check against it (spec: the format as getsops/sops 3.13 writes it).
"""

from components.sops.document import decrypt, encrypt, recipients_of, rotate, update_keys
from components.sops.errors import (
    IdentityError,
    LostKeyError,
    NotEncryptedError,
    RecipientError,
    SopsError,
    TamperedError,
)
from components.sops.keys import public_keys
from components.sops.rules import recipients_by_rule, tree

__all__ = [
    "IdentityError",
    "LostKeyError",
    "NotEncryptedError",
    "RecipientError",
    "SopsError",
    "TamperedError",
    "decrypt",
    "encrypt",
    "public_keys",
    "recipients_by_rule",
    "recipients_of",
    "rotate",
    "tree",
    "update_keys",
]
