"""What can go wrong with mirrors. Forges' own errors stay `raibid.forge.errors`.

Owns: the room's one tree of errors.
"""

from __future__ import annotations


class MirrorError(Exception):
    """Root of the room's errors."""


class MirrorFileError(MirrorError):
    """`mirrors.yaml` cannot be used; the message has every finding, one per line."""


class MirrorTokenError(MirrorError):
    """A token that the file names is not there. The message has its name, never its value."""


class RefusedSourceError(MirrorError):
    """A source that is not asked: its URL, its host or an address of its host is not allowed."""


class GitError(MirrorError):
    """git did not do it; its last line, without credentials."""


class StoppedError(MirrorError):
    """We are ending: what was under way is for whoever takes it up."""


class TooLargeError(MirrorError):
    """It needs more room than there is for it."""


class NotOursError(MirrorError):
    """Something was to be deleted that is no mirror of ours, or is still asked for."""


class StillCloningError(MirrorError):
    """Gitea is at it: an earlier request, or one whose answer was lost, has not ended."""


class TakenError(MirrorError):
    """Something else came to be where a mirror should, after the plan was made."""


class SourceGoneError(GitError):
    """The source's host answers: no such repository, or not for our token. Forges tell strangers no difference."""
