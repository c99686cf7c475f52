"""One way to speak to a forge's API: `requests` with timeouts, few retries, typed answers, errors of ours.

Owns: HTTP to a forge as one user; which failures are tried again at once, pages, redirects, conditional requests.
Leaves to others: what is asked for (`gitea/client.py`, `github/client.py`), what a refusal means (`refusals.py`),
trying again after more than seconds (`raibid.api`).

Not in the room's front door: agents import `raibid.forge` for its names alone, and `requests` costs them 60 ms.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final, Self, TypeVar

import msgspec
import requests
from requests.adapters import HTTPAdapter
from requests.auth import AuthBase
from urllib3.exceptions import HTTPError, NewConnectionError
from urllib3.util import Retry

from raibid.forge import body as bodies
from raibid.forge.answers import Answer, AnswerMemory
from raibid.forge.credentials import Credentials
from raibid.forge.errors import (
    CallError,
    ForgeAnswerError,
    ForgeLimitError,
    ForgeSilentError,
    ForgeUnavailableError,
)
from raibid.forge.links import next_page, redirected
from raibid.forge.rate import RateGate
from raibid.forge.refusals import AWAY, REDIRECTS, refusal

_IDEMPOTENT: Final = frozenset({"GET", "PUT", "DELETE"})
"""A POST is never sent twice by itself: the forge would make two of something. Whoever asked knows whether it may. A
DELETE that is sent twice may find nothing left: whoever deletes takes ForgeNotFoundError for done."""
_MOST_HOPS: Final = 2
"""Redirects followed by a GET: both the owner and the repository may have been renamed."""
_MOST_PAGES: Final = 10_000

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class _Said:
    """An answer that was read to its end."""

    status: int
    headers: Mapping[str, str]
    content: bytes

    @property
    def good(self) -> bool:
        """Whether it is what was asked for, and not a refusal or a redirect."""
        return self.status < 400 and self.status not in REDIRECTS


class _Politely(Retry):
    """Tries again at once, unless the forge said when: it may say an hour, and waiting is the caller's business."""

    def is_retry(self, method: str, status_code: int, has_retry_after: bool = False) -> bool:
        return not has_retry_after and super().is_retry(method, status_code, has_retry_after)

    def get_backoff_time(self) -> float:
        """Callers that failed together must not come back together; urllib3's first pause is none."""
        return super().get_backoff_time() or random.uniform(0, self.backoff_jitter)  # noqa: S311 - no secret


class Straight(requests.Session):
    """Looks at no redirect, even to say where it leads: requests reads all of its body for that, and its ValueError of
    a Location that is none passes through.
    """

    def resolve_redirects(self, *_: Any, **__: Any) -> Iterator[Any]:
        """None."""
        return iter(())


class _Authorization(AuthBase):
    """Sets the header anew for each request; and with an auth of its own, requests never reads ~/.netrc."""

    def __init__(self, credentials: Credentials) -> None:
        self._credentials = credentials

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        request.headers["Authorization"] = self._credentials.authorization()
        return request


class Session:
    """A forge's API as one user. Not for several threads at once."""

    def __init__(
        self,
        url: str,
        credentials: Credentials,
        *,
        timeout: tuple[float, float] = (5.0, 15.0),
        longest: float = bodies.MOST_SECONDS,
        tries: int = 2,
        pause: float = 0.3,
        headers: Mapping[str, str] | None = None,
        gate: RateGate | None = None,
        memory: AnswerMemory | None = None,
    ) -> None:
        """`url`: where the API begins, without credentials. `timeout`: seconds to connect, seconds without a byte.
        `longest`: seconds that an answer may take once it has begun.

        `gate` and `memory` may be shared by sessions of the same login.
        """
        self.url: Final = url.rstrip("/")
        self._timeout = timeout
        self._longest = longest
        self._gate = gate or RateGate()
        self._memory = memory if memory is not None else AnswerMemory()
        retry = _Politely(
            total=tries,
            allowed_methods=_IDEMPOTENT,
            status_forcelist=AWAY,
            backoff_factor=pause,
            backoff_jitter=pause,
            raise_on_status=False,
            respect_retry_after_header=False,
        )
        self._session = Straight()
        self._credentials = credentials
        self._session.auth = _Authorization(credentials)
        self._session.headers.update({"Accept": "application/json", **(headers or {})})
        self._session.mount(f"{self.url}/", HTTPAdapter(max_retries=retry))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close all connections."""
        self._session.close()

    def get(self, path: str, kind: type[T]) -> T:
        """Ask; the answer as `kind`. See `call`."""
        return _decoded(self._get(f"{self.url}{path}", kind), kind)

    def pages(self, path: str, kind: type[T]) -> Iterator[T]:
        """Ask page by page, each when it is wanted; `kind` is a page's."""
        url, asked = f"{self.url}{path}", set[str]()
        while url:
            if url in asked or len(asked) >= _MOST_PAGES:
                raise ForgeAnswerError(f"GET {self.url}{path}: its pages do not end")
            asked.add(url)
            answer = self._get(url, kind)
            if not _null(answer):
                yield _decoded(answer, kind)
            url = next_page(answer.url, answer.link)

    def call(self, method: str, path: str, kind: type[T], body: Mapping[str, Any] | None = None) -> T:
        """Ask, or have something done; the answer as `kind`.

        Raises:
            CallError: no answer, a refusal, or an answer of another shape.
        """
        if method == "GET":
            return self.get(path, kind)
        answer = self._send(method, f"{self.url}{path}", body)
        return _decoded(Answer(f"{self.url}{path}", answer.content), kind, method)

    def do(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> None:
        """Have something done whose answer says nothing. Raises CallError."""
        self._send(method, f"{self.url}{path}", body)

    def _get(self, url: str, kind: type[T]) -> Answer:
        at, known = url, self._memory.get((url, kind))
        for _ in range(_MOST_HOPS + 1):
            condition = {"If-None-Match": known.etag} if known and at == url else {}
            answer = self._exchange("GET", at, None, condition)
            if answer.status == 304 and known and condition:
                # GitHub's ETag is of the page alone: that another one follows now, only the fresh `Link` says.
                return replace(known, link=answer.headers.get("Link", known.link))
            if answer.good:
                headers = answer.headers
                fresh = Answer(at, answer.content, headers.get("Link", ""), headers.get("ETag", ""))
                if at == url:
                    self._memory.keep((url, kind), _slim(fresh, kind))
                return fresh
            onward = redirected(at, answer.headers.get("Location", ""))
            if answer.status not in REDIRECTS or not onward:
                break
            at = onward
        raise self._refused(f"GET {at}", answer)

    def _send(self, method: str, url: str, body: Mapping[str, Any] | None) -> _Said:
        answer = self._exchange(method, url, body)
        if not answer.good:
            raise self._refused(f"{method} {url}", answer)
        return answer

    def _exchange(
        self, method: str, url: str, body: Mapping[str, Any] | None, headers: Mapping[str, str] | None = None
    ) -> _Said:
        asked = f"{method} {url}"
        self._gate.check(asked, question=method == "GET")
        try:
            # requests would follow a redirect with our credentials to a place nobody named.
            answer = self._session.request(
                method, url, json=body, headers=headers, timeout=self._timeout, allow_redirects=False, stream=True
            )
            said = _Said(answer.status_code, answer.headers, bodies.read(answer, asked, seconds=self._longest))
        except (requests.RequestException, HTTPError) as error:
            # The error's own text may repeat what was sent.
            silence = ForgeUnavailableError if _never_sent(error) else ForgeSilentError
            raise silence(f"{asked}: no answer ({type(error).__name__})") from None
        self._gate.note(said.headers)
        return said

    def _refused(self, asked: str, answer: _Said) -> CallError:
        error = refusal(asked, answer.status, answer.headers, answer.content)
        if answer.status == 401:
            self._credentials.refused()
        if isinstance(error, ForgeLimitError):
            self._gate.close(error.retry_after, "the forge asked to be left alone")
        return error


def _decoded(answer: Answer, kind: type[T], method: str = "GET") -> T:
    try:
        return msgspec.json.decode(answer.content, type=kind)
    except msgspec.MsgspecError as error:
        raise ForgeAnswerError(f"{method} {answer.url}: answered, but {error}") from error


def _slim(answer: Answer, kind: type[T]) -> Answer:
    """Without what `kind` does not look at, which is nearly all of what GitHub says of a pull request."""
    if not answer.etag or _null(answer):
        return answer
    return replace(answer, content=msgspec.json.encode(_decoded(answer, kind)))


def _null(answer: Answer) -> bool:
    """Go writes an empty list so."""
    return answer.content.strip() == b"null"


def _never_sent(error: Exception) -> bool:
    cause = getattr(error.args[0], "reason", None) if error.args else None
    return isinstance(error, requests.ConnectTimeout) or isinstance(cause, NewConnectionError)
