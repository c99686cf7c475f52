"""What can go wrong with GitOps operations; Kubernetes' and git's errors are `raibid.kube.errors`, `raibid.git.errors`.

Owns: the room's one tree of errors. Each message says what was asked; `hint` what to do next.
"""

from __future__ import annotations


class GitopsError(Exception):
    """Root of the room's errors."""

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint


class GitopsSettingsError(GitopsError):
    """The settings' file cannot be used; every finding, one per line."""


class UnknownKindError(GitopsError):
    """The cluster serves no kind of that name, or several groups do."""


class NoFileError(GitopsError):
    """The repository describes no such object below that path, or several files do."""


class NotDescribedError(NoFileError):
    """Every file that counts was read, and none describes the object."""


class NotEditableError(GitopsError):
    """The file is there, but not to be edited by hand: generated, emitted by the program, from a chart."""


class NotAllowedError(GitopsError):
    """A host that is not on the list, a path that leads out of the repository, an object that Git owns."""


class ContestedError(NotAllowedError):
    """Two appliers have it in their inventories, and undo each other."""


class SealedError(GitopsError):
    """An encrypted file could not be opened or sealed again."""


class NoRepositoryError(GitopsError):
    """The forge shows us no such repository or branch: it is not there, or not for our credentials."""


class PushRacedError(GitopsError):
    """Somebody else pushed meanwhile; nothing was changed."""


class PushRefusedError(GitopsError):
    """The forge does not take a push to this branch: it is protected, or not ours."""


class RevertError(GitopsError):
    """The commits cannot be taken back."""


class UnmanagedError(GitopsError):
    """Nobody applies the object from Git, so that no commit of it can be followed."""


class ProbeError(GitopsError):
    """A probe that can never be answered: its expression or URL is none."""
