"""The ciphertext of one Secret: kept while it says the same, written anew when it does not.

Owns: that decision. Ciphertext differs each time it is made, so writing it needlessly would fill Git with noise.
Leaves to others: the format (`sops`), ownership of paths (`fleet.plan`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from components import sops
from components.fleet.errors import SealError

_SHARING: Final = "environments of one repository share seed and recipients, or have a repository each (fleet.url)"


@dataclass(frozen=True)
class Refusal:
    """The file is somebody else's now."""

    reason: str


@dataclass(frozen=True, kw_only=True)
class Sealing:
    """What all Secrets of a push are sealed with."""

    recipients: tuple[str, ...]
    identity: str = field(repr=False)
    overwrite: bool
    now: datetime


def seal(
    sealing: Sealing, path: str, manifest: Mapping[str, Any], present: bytes | None, trespass: str, sharers: str = ""
) -> bytes | Refusal:
    """The bytes of the encrypted file; `trespass`: what somebody did to the path, by its recorded digest.

    `sharers` are other environments that emit the path: their clusters would get our values, or could not open it.

    A digest that changed is no trespass when the file still opens to the same Secret: that is what rotating keys does.

    Raises:
        SealError: no key opens the file, or nothing can be encrypted.
    """
    try:
        opened = _open(sealing, present) if present is not None else None
        if present is not None and opened == manifest:
            return sops.update_keys(present, sealing.identity, sealing.recipients)
        if trespass and not sealing.overwrite:
            return Refusal(trespass)
        if present is not None and sharers and not sealing.overwrite:
            return Refusal(f"environment {sharers} uses it too, not known to hold the same values; {_SHARING}")
        return sops.encrypt(manifest, sealing.recipients, now=sealing.now)
    except (sops.TamperedError, sops.NotEncryptedError) as error:
        return Refusal(str(error))
    except sops.LostKeyError as error:
        raise SealError(
            f"{path}: {error}",
            f"environment {sharers} encrypted it for its own keys; {_SHARING}"
            if sharers
            else "add the recovery key to the stack's ageKey for one `up` (pulumi config set --secret ageKey), or set "
            "fleet.overwrite to true: the Secrets are then encrypted anew from the stack's seed",
        ) from error
    except sops.SopsError as error:
        raise SealError(f"{path}: {error}") from error


def _open(sealing: Sealing, present: bytes) -> Mapping[str, Any] | None:
    """What the file says; None when that does not matter or cannot be seen."""
    if not sealing.identity:
        return None
    if not sealing.overwrite:
        return sops.decrypt(present, sealing.identity)
    try:
        return sops.decrypt(present, sealing.identity)
    except (sops.LostKeyError, sops.TamperedError, sops.NotEncryptedError):
        return None  # asked to take the file back, whatever it is
