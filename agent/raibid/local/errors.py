"""What can go wrong with the pool on one machine: one root; each message says what to do next."""

from __future__ import annotations


class LocalError(Exception):
    """Root of the local pool's errors."""


class InstallError(LocalError):
    """Something the pool needs is missing and could not be installed."""


class StateError(LocalError):
    """The state directory cannot be used: held by another pool, readable by others, not writable."""


class PartError(LocalError):
    """A part of the pool did not start, or died; the message ends with the last lines of its log."""


class RepositoryError(LocalError):
    """git refused; the message has its last line."""
