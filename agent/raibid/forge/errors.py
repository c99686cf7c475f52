"""What can go wrong with a forge: what it, or the operator, tells us, and what we ask of it. One tree, one root."""

from __future__ import annotations


class ForgeError(Exception):
    """Root of the forge's errors. No message holds a credential or a body that was sent."""


class PayloadError(ForgeError):
    """A webhook's body that is not as the forge documents it, or whose names we do not accept."""


class EnrolmentError(ForgeError):
    """The enrolment file cannot be used; one `path: message` per line."""


class CallError(ForgeError):
    """A call to the forge's API did not do what it was for."""


class ForgeUnavailableError(CallError):
    """No answer, or one that says to come back: the forge is away. Try again, not before `retry_after` seconds."""

    def __init__(self, message: str, retry_after: float = 0.0) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class ForgeLimitError(ForgeUnavailableError):
    """The forge counts our calls, and few or none are left: it wants to be left alone for `retry_after` seconds."""


class ForgeSilentError(ForgeUnavailableError):
    """Asked, and no answer: the forge may have done it, or may yet do it."""


class ForgeFaultError(CallError):
    """The forge failed at this call (500); it may well do others. Try again later."""


class ForgeAnswerError(ForgeFaultError):
    """An answer that is none: not JSON, or not the documented shape. Perhaps a proxy's page."""


class ForgeLoginError(CallError):
    """The forge does not know our credentials, they are good for nothing that is asked, or there are none.

    The operator's to mend, then try again.
    """


class ForgeReachError(CallError):
    """The forge knows us, but our credentials do not reach this organisation or repository; others they may.

    The operator's to mend, then try again.
    """


class ForgeRefusedError(CallError):
    """The forge understood and will not do it: the same call again would end the same."""


class ForgeNotFoundError(ForgeRefusedError):
    """What the call is about is not there, or not for us to see."""


class ForgeForbiddenError(ForgeRefusedError):
    """Our user may not do that."""


class ForgeConflictError(ForgeRefusedError):
    """What the call would make is there already, or has changed meanwhile (409)."""


class ForgeInvalidError(ForgeRefusedError):
    """The forge understood the call and does not accept what it says (422)."""


class ForgeMovedError(ForgeRefusedError):
    """A redirect that is not followed: of a call that changes something, or to a place that must not see our login."""
