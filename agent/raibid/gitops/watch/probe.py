"""Questions to what a commit changed, once its objects are healthy: what a probe is, and an HTTP answer.

Owns: asking once, and saying why the answer is not the wanted one.
Leaves to others: asking again (`walk.py`), expressions over objects (`cel_probe.py`), who may be asked: the person at
the command line says which URL.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from http import HTTPStatus
from typing import Final, Protocol

import httpx2

from raibid.gitops.errors import ProbeError
from raibid.gitops.objects import Manifest, Ref

_ANSWER: Final = 1 << 20
"""Bytes of an answer that are looked at."""

See = Callable[[Ref], Manifest | None]


class Probe(Protocol):
    """One question."""

    @property
    def repeat(self) -> float:
        """Seconds until asking again helps; 0: when an object has changed."""

    def wrong(self, see: See) -> str:
        """Why the answer is not the wanted one; empty if it is."""


@dataclass(frozen=True, kw_only=True)
class HttpProbe:
    """GET, without following redirects."""

    url: str
    status: int = HTTPStatus.OK
    body: str = ""
    """What the answer has to contain."""
    within: float = 5.0
    """Seconds that it may take."""
    repeat: float = 2.0

    def __post_init__(self) -> None:
        try:
            url = httpx2.URL(self.url)
        except httpx2.InvalidURL as error:
            raise ProbeError(f"{self.url}: {error}") from error
        if url.scheme not in ("http", "https") or not url.host:
            raise ProbeError(f"{self.url} is no HTTP URL")

    def wrong(self, see: See) -> str:  # noqa: ARG002 the protocol's
        """As the protocol says."""
        began = time.monotonic()
        try:
            with httpx2.stream("GET", self.url, timeout=self.within, follow_redirects=False) as answer:
                found, text = answer.status_code, _text(answer, began + self.within) if self.body else ""
        except httpx2.HTTPError as error:
            return f"GET {self.url}: {type(error).__name__} {error}".rstrip()
        took = time.monotonic() - began
        if found != self.status:
            return f"GET {self.url}: status {found}, not {self.status}"
        if self.body not in text:
            return f"GET {self.url}: the answer does not contain {self.body!r}"
        return f"GET {self.url}: took {took:.1f} s, not {self.within:g} s" if took > self.within else ""


def _text(answer: httpx2.Response, deadline: float) -> str:
    found = b""
    for chunk in answer.iter_bytes():
        found += chunk
        # The client's own timeout is for each read: an answer may drip for ever.
        if len(found) >= _ANSWER or time.monotonic() > deadline:
            break
    return found[:_ANSWER].decode(errors="replace")
