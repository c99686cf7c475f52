"""Every error the API answers has one shape: `{"error": what, "remedy": what to do}`.

Owns: that shape, and which status the errors of other rooms become.
Leaves to others: raising them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import msgspec
import structlog
from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from raibid.forge import PayloadError
from raibid.ledger import JobNotFoundError, LedgerError, LedgerFullError, LedgerUnavailableError, NotTerminalError
from raibid.store import StoreError

_log: Final = structlog.get_logger("raibid.api")

RETRY_AFTER: Final = {"Retry-After": "10"}


class ApiError(Exception):
    """An answer other than success."""

    def __init__(self, status: int, error: str, remedy: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(error)
        self.status = status
        self.error = error
        self.remedy = remedy
        self.headers = dict(headers or {})

    def response(self) -> Response:
        """As HTTP."""
        return json_response({"error": self.error, "remedy": self.remedy}, self.status, self.headers)


class OverloadedError(ApiError):
    """More requests wait for the ledger than it can take in time."""

    def __init__(self) -> None:
        super().__init__(503, "too many requests wait for the ledger", "deliver again later", RETRY_AFTER)


def json_response(value: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """A JSON answer, encoded by msgspec (Structs included)."""
    return Response(msgspec.json.encode(value), status, headers, media_type="application/json")


def not_found(job_id: str) -> ApiError:
    """No such job, in Redis or the archive."""
    return ApiError(404, f"no job {job_id[:40]}", "look its id up with GET /jobs")


def from_ledger(error: LedgerError) -> ApiError:
    """The answer to a ledger's refusal."""
    if isinstance(error, LedgerFullError):
        return ApiError(503, str(error), "raise maxmemory or wait for jobs to end, then try again", RETRY_AFTER)
    if isinstance(error, LedgerUnavailableError):
        return ApiError(503, "Redis does not answer", "try again; nothing is taken in twice", RETRY_AFTER)
    if isinstance(error, JobNotFoundError):
        return ApiError(404, str(error), "it may have left the ledger after 24 h; start it anew with POST /jobs")
    if isinstance(error, NotTerminalError):
        return ApiError(409, str(error), "cancel it first, or wait for its end")
    return ApiError(500, "the ledger refused", "see the API's log")


def add_error_handlers(app: FastAPI) -> None:
    """Give every failure its JSON."""
    for kind, handler in _HANDLERS.items():
        app.add_exception_handler(kind, handler)


async def _api(_: Request, error: Exception) -> Response:
    assert isinstance(error, ApiError)  # noqa: S101 - starlette dispatches by type
    return error.response()


async def _ledger(request: Request, error: Exception) -> Response:
    assert isinstance(error, LedgerError)  # noqa: S101
    answer = from_ledger(error)
    if answer.status >= 500:
        _log.error("ledger", path=request.url.path, error=str(error))
    return answer.response()


async def _store(request: Request, error: Exception) -> Response:
    _log.error("store", path=request.url.path, error=str(error))
    return ApiError(503, "the archive does not answer", "try again later", RETRY_AFTER).response()


async def _payload(_: Request, error: Exception) -> Response:
    return ApiError(400, str(error), "correct the request").response()


async def _invalid(_: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)  # noqa: S101
    # Without the input: it may hold a secret, or be large.
    text = "; ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors())
    return ApiError(422, text, "correct the request; /openapi.json describes it").response()


async def _http(_: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101
    remedy = {404: "/openapi.json lists the routes", 405: "use one of the methods in Allow"}
    return ApiError(error.status_code, error.detail, remedy.get(error.status_code, ""), error.headers).response()


async def unexpected(request: Request, error: Exception) -> Response:
    """A bug: logged, counted, and told in the one shape without what it was."""
    request.app.state.parts.metrics.system_error("api")
    _log.error("unexpected error", path=request.url.path, exc_info=error)
    return ApiError(500, "internal error", "see the API's log").response()


_HANDLERS: Final[dict[type[Exception], Any]] = {
    ApiError: _api,
    LedgerError: _ledger,
    StoreError: _store,
    PayloadError: _payload,
    RequestValidationError: _invalid,
    HTTPException: _http,
    Exception: unexpected,
}
