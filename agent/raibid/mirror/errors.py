"""What can go wrong with mirrors. Forges' own errors stay `raibid.forge.errors`, git's `raibid.git.errors`.

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


class NotOursError(MirrorError):
    """Something was to be deleted that is no mirror of ours, or is still asked for."""


class StillCloningError(MirrorError):
    """Gitea is at it: an earlier request, or one whose answer was lost, has not ended."""


class TakenError(MirrorError):
    """Something else came to be where a mirror should, after the plan was made."""
