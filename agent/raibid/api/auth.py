"""Bearer tokens: who may read, who may change.

Owns: scopes, comparison in constant time, the two refusals (401 without a valid token, 403 without the scope).
Leaves to others: the tokens themselves (`settings.py`), webhooks, which are signed instead (`raibid.forge.webhook`).
"""

from __future__ import annotations

import hashlib
import hmac
from enum import StrEnum
from typing import Annotated, Final

from fastapi import Depends
from starlette.requests import Request

from raibid.api.errors import ApiError
from raibid.api.settings import Settings

_REMEDY: Final = "send `Authorization: Bearer <token>` with a token from the pool's operator"


class Scope(StrEnum):
    """What a token allows. Write implies read."""

    READ = "read"
    WRITE = "write"


class Tokens:
    """The valid tokens, as digests: equally long, and never in a traceback."""

    def __init__(self, settings: Settings) -> None:
        self._write = tuple(_digest(token) for token in settings.write_tokens)
        self._read = tuple(_digest(token) for token in settings.read_tokens)
        self.public_read: Final = settings.public_read
        self.public_metrics: Final = settings.public_metrics

    def check(self, header: str | None, scope: Scope) -> str:
        """The name of the caller, for the record: `token-` and the start of its digest.

        Raises:
            ApiError: 401 without a valid token, 403 when it lacks the scope.
        """
        kind, _, token = (header or "").partition(" ")
        if kind.lower() != "bearer" or not token:
            raise ApiError(401, "no bearer token", _REMEDY, {"WWW-Authenticate": "Bearer"})
        digest = _digest(token.strip().encode("utf-8", "surrogateescape"))
        # Lists, not generators: every token is compared, whichever matches.
        may_write = any([hmac.compare_digest(digest, known) for known in self._write])  # noqa: C419
        may_read = any([hmac.compare_digest(digest, known) for known in self._read])  # noqa: C419
        if not may_write and not may_read:
            raise ApiError(401, "unknown bearer token", _REMEDY, {"WWW-Authenticate": "Bearer"})
        if scope is Scope.WRITE and not may_write:
            raise ApiError(403, "this token may only read", "use a token with the write scope")
        return f"token-{digest.hex()[:8]}"


def _digest(token: bytes) -> bytes:
    return hashlib.sha256(token).digest()


def require(request: Request, scope: Scope) -> str:
    """Check a request's token; for plain routes and dependencies alike."""
    tokens: Tokens = request.app.state.parts.tokens
    return tokens.check(request.headers.get("authorization"), scope)


def is_known(request: Request) -> bool:
    """Whether the caller has a token to read with; where records are public, it need not have one."""
    try:
        require(request, Scope.READ)
    except ApiError:
        return False
    return True


def _reader(request: Request) -> None:
    if not request.app.state.parts.tokens.public_read:
        require(request, Scope.READ)


def _writer(request: Request) -> str:
    return require(request, Scope.WRITE)


READ: Final = Depends(_reader)
"""Route dependency: jobs and the queue may be read (unless they are public)."""
Caller = Annotated[str, Depends(_writer)]
"""The caller's name; having one means the write scope."""
