"""What can be wrong with an encrypted file; every message says what to do, none repeats a secret.

Owns: the reasons, a class each.
Leaves to others: finding them (`document`, `keys`, `cipher`).
"""

from __future__ import annotations


class SopsError(Exception):
    """Root: a file could not be encrypted or decrypted."""


class NotEncryptedError(SopsError):
    """The file is not what SOPS writes for age."""


class TamperedError(SopsError):
    """A byte of the file was changed after it was encrypted."""


class LostKeyError(SopsError):
    """None of the age keys at hand opens the file."""


class IdentityError(SopsError):
    """The text given as age key is none."""


class RecipientError(SopsError):
    """A public key that nothing can be encrypted for."""
