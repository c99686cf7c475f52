"""Reading a request's body: after the caller is known, with a bound on bytes and on time.

Owns: 413 while reading (not after), 408, 415, JSON → model.
Leaves to others: what the body says.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, Final, TypeVar

from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ValidationError
from pydantic_core import from_json
from starlette.requests import Request

from raibid.api.auth import Caller
from raibid.api.errors import ApiError
from raibid.api.parts import parts_of

_LIMIT: Final = 1024 * 1024
"""Of a body that a person or a script writes."""

_M = TypeVar("_M", bound=BaseModel)


def body_of(model: type[_M]) -> Callable[[Request, str], Awaitable[_M]]:
    """A dependency that reads the body as a model: FastAPI's own way reads all of it before it asks who sends it."""

    async def read(request: Request, caller: Caller) -> _M:
        del caller  # having one is the permission to be read
        require_json(request)
        body = await read_body(request, limit=_LIMIT, seconds=parts_of(request).settings.body_seconds)
        try:
            return model.model_validate(from_json(body))
        except ValidationError as error:
            raise RequestValidationError(error.errors(include_url=False, include_input=False)) from None
        except ValueError as error:
            raise ApiError(400, f"the body is not JSON: {error}", "correct the request") from None

    return read


def described(model: type[BaseModel]) -> dict[str, Any]:
    """`openapi_extra` of a route whose body is read by `body_of`."""
    return {"requestBody": {"required": True, "content": {"application/json": {"schema": model.model_json_schema()}}}}


async def read_body(request: Request, *, limit: int, seconds: float) -> bytes:
    """The raw body.

    Raises:
        ApiError: 413 as soon as more than `limit` bytes are announced or have come; 408 when it is not all there
            in time; 400 when the client went away.
    """
    announced = request.headers.get("content-length", "")
    if announced.isdigit() and int(announced) > limit:
        raise _too_large(limit)
    try:
        async with asyncio.timeout(seconds):
            message = await request.receive()
            body: bytes = message.get("body", b"")
            if message.get("more_body"):
                body = await _rest(request, body, limit)
            elif message["type"] == "http.disconnect":
                raise _gone()
    except TimeoutError:
        # Closing is right here: nothing of the client's is on its way that the answer could be lost behind.
        raise ApiError(
            408, f"the body did not arrive within {seconds:g} s", "deliver again", {"Connection": "close"}
        ) from None
    if len(body) > limit:
        raise _too_large(limit)
    return body


async def _rest(request: Request, first: bytes, limit: int) -> bytes:
    parts, size, more = [first], len(first), True
    while more:
        if size > limit:
            raise _too_large(limit)
        message = await request.receive()
        if message["type"] == "http.disconnect":
            raise _gone()
        part: bytes = message.get("body", b"")
        parts.append(part)
        size += len(part)
        more = message.get("more_body", False)
    return b"".join(parts)


def require_json(request: Request) -> None:
    """415 unless the body is said to be JSON."""
    given = request.headers.get("content-type", "")
    if given.partition(";")[0].strip().lower() != "application/json":
        raise ApiError(415, "the body is not application/json", "send JSON, with `Content-Type: application/json`")


def _too_large(limit: int) -> ApiError:
    return ApiError(413, f"the body is over {limit} bytes", "send less at once, or raise the limit")


def _gone() -> ApiError:
    return ApiError(400, "the client went away", "deliver again")
