"""Why a push of the Flux repository did not happen; in each case the remote is as it was.

Every error has a `hint`: what to do. None repeats a password or a secret's value.

Owns: the reasons, a class each.
Leaves to others: finding them (`fleet.request`, `fleet.git`, `fleet.plan`, `fleet.seal`).
"""

from __future__ import annotations

from collections.abc import Mapping


class FleetError(Exception):
    """Root: nothing was pushed. `hint` says what to do next."""

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint


class RequestError(FleetError):
    """What should be pushed is not fit to be: wrong use or wrong settings."""

    code = 2


class UnsafePathError(RequestError):
    """A path that leads out of the repository, or into Git's own files."""


class PlaintextSecretError(RequestError):
    """A Secret in clear among the plain files."""


class UnreachableError(FleetError):
    """Nobody answers at the repository's address, or it is no repository."""


class CredentialsError(FleetError):
    """The repository does not accept who we are."""


class GitError(FleetError):
    """Git failed in a way that has no name of its own here."""


class HistoryError(FleetError):
    """The branch no longer contains what the last push left there."""


class RecordError(FleetError):
    """The list of emitted files in the repository cannot be read."""


class MovedError(FleetError):
    """The remote did not move its refs, each time we tried: somebody else pushed, or it cannot."""


class DivergedError(FleetError):
    """Files are not as the last emission left them. `files`: path → what is the matter with it."""

    def __init__(self, files: Mapping[str, str]) -> None:
        self.files = dict(sorted(files.items()))
        told = "".join(f"\n  {path}: {reason}" for path, reason in self.files.items())
        super().__init__(
            f"{len(self.files)} path(s) of the repository are not as this stack left them; nothing was pushed:{told}",
            "take the change into stack config (or move the file) and revert it in the repository, or set "
            "fleet.overwrite to true for one `up`: this stack then takes these paths back",
        )


class SealError(FleetError):
    """An encrypted file cannot be opened or written."""
