"""What can go wrong in the scaler's room: one root."""

from __future__ import annotations


class ScalerError(Exception):
    """Root of the scaler's errors."""


class ScaledJobError(ScalerError):
    """A file that cannot be read as a ScaledJob; the message says file, document, path and what was expected."""


class UnreadableFileError(ScaledJobError):
    """The manifest's file is not there, or not to be read."""


class ArrivalsError(ScalerError):
    """An arrival pattern that cannot be read."""
