"""What can go wrong with what a forge, or the operator, tells us: one tree, one root."""

from __future__ import annotations


class ForgeError(Exception):
    """Root of the forge's errors."""


class PayloadError(ForgeError):
    """A webhook's body that is no push as the forge documents it, or whose names we do not accept."""


class EnrolmentError(ForgeError):
    """The enrolment file cannot be used; one `path: message` per line."""
