"""What can go wrong with git.

Owns: the room's one tree of errors.
"""

from __future__ import annotations


class GitError(Exception):
    """git did not do it; its last line, without credentials."""


class SourceGoneError(GitError):
    """The host answers: no such repository, or not for our token. Forges tell strangers no difference."""


class StoppedError(GitError):
    """We are ending: what was under way is for whoever takes it up."""


class TooLargeError(GitError):
    """It needs more room than there is for it."""
