"""The keys that a stack is built on: the seed of all passwords, two age identities.

Owns: making them, key files that their owner alone may read.
Leaves to others: what is derived (`secret_values`), what is encrypted (`sops`), where a stack keeps them
(`commands.keys`: as secrets of its config; `workspace`: as files, for a stack that lives on this machine only).
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from pyrage import IdentityError, x25519

_SEED_BYTES: Final = 32


class KeyFileError(Exception):
    """A key file does not hold a key. `hint` says what to do."""

    def __init__(self, message: str, hint: str) -> None:
        super().__init__(message)
        self.hint = hint


@dataclass(frozen=True)
class Identity:
    """An age key pair."""

    private: str = field(repr=False)
    public: str


@dataclass(frozen=True)
class Keys:
    """All of a stack."""

    seed: str = field(repr=False)
    cluster: Identity
    recovery: Identity


def new_seed() -> str:
    """256 random bits, in hexadecimal."""
    return secrets.token_hex(_SEED_BYTES)


def new_identity() -> Identity:
    """A new age key pair."""
    return _pair(x25519.Identity.generate())


def identity_of(private: str) -> Identity:
    """The pair of a private key.

    Raises:
        KeyFileError: it is none; the message does not quote it.
    """
    try:
        return _pair(x25519.Identity.from_str(private.strip()))
    except IdentityError as error:
        raise KeyFileError("not a private age key (AGE-SECRET-KEY-1…)", "restore it from where it is stored") from error


def kept_in(directory: Path) -> Keys:
    """The keys in that directory; those that are not there yet are made.

    Raises:
        KeyFileError: a file holds something else.
        OSError: the directory cannot be used.
    """
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    return Keys(
        _kept(directory / "seed", new_seed),
        identity_of(_kept(directory / "cluster.agekey", _new_private)),
        identity_of(_kept(directory / "recovery.agekey", _new_private)),
    )


def write_private(file: Path, text: str) -> None:
    """Write a new file that its owner alone may read: never, not even for a moment, with a wider mode.

    Raises:
        FileExistsError: it is there; a key is never overwritten.
    """
    with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as out:
        out.write(f"{text}\n")


def _kept(file: Path, make: Callable[[], str]) -> str:
    if not file.exists():
        write_private(file, make())
    return file.read_text(encoding="utf-8").strip()


def _new_private() -> str:
    return new_identity().private


def _pair(identity: x25519.Identity) -> Identity:
    return Identity(str(identity), str(identity.to_public()))
