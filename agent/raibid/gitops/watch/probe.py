"""Questions to what a commit changed, once its objects are healthy: an HTTP answer, a CEL expression over an object.

Owns: asking once, and saying why the answer is not the wanted one.
Leaves to others: asking again (`follow.py`), who may be asked: the person at the command line says which URL.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Final, Protocol

import celpy
import httpx2
from celpy.adapter import json_to_cel
from celpy.celparser import CELParseError
from celpy.celtypes import BoolType
from celpy.evaluation import CELEvalError

from raibid.gitops.errors import ProbeError
from raibid.gitops.objects import Manifest, Ref

_ANSWER: Final = 1 << 20
"""Bytes of an answer that are looked at."""

_UNANSWERED: Final = (CELEvalError, TypeError, ValueError, LookupError, AttributeError, ArithmeticError)
"""A field that is not there yet, or of another type; celpy lets Python's own errors through for some of them."""

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
                found, text = answer.status_code, _text(answer) if self.body else ""
        except httpx2.HTTPError as error:
            return f"GET {self.url}: {type(error).__name__} {error}".rstrip()
        took = time.monotonic() - began
        if found != self.status:
            return f"GET {self.url}: status {found}, not {self.status}"
        if self.body not in text:
            return f"GET {self.url}: the answer does not contain {self.body!r}"
        return f"GET {self.url}: took {took:.1f} s, not {self.within:g} s" if took > self.within else ""


def _text(answer: httpx2.Response) -> str:
    found = b""
    for chunk in answer.iter_bytes():
        found += chunk
        if len(found) >= _ANSWER:
            break
    return found[:_ANSWER].decode(errors="replace")


class CelProbe:
    """An expression over an object: its fields are variables, as in Flux's `healthCheckExprs`; or all of it, `self`."""

    repeat = 0.0

    def __init__(self, ref: Ref, expression: str) -> None:
        self._ref, self._expression = ref, expression
        environment = celpy.Environment()
        try:
            self._program = environment.program(environment.compile(expression))
        except CELParseError as error:
            raise ProbeError(f"{expression}: {str(error).splitlines()[0]}", "it is a CEL expression") from error

    def wrong(self, see: See) -> str:
        """As the protocol says."""
        manifest = see(self._ref)
        if manifest is None:
            return f"{self._ref} does not exist"
        plain = _plain(manifest)
        try:
            values = {name: json_to_cel(value) for name, value in (*plain.items(), ("self", plain))}
            answer = self._program.evaluate(values)
        except _UNANSWERED as error:
            return f"{self._expression}: {error.args[0] if error.args else error}"
        good = isinstance(answer, BoolType) and bool(answer)
        return "" if good else f"{self._expression} is {answer!r}"


def _plain(manifest: Manifest) -> dict[str, Any]:
    """As JSON has it: a time that a YAML reader made of a string is a string again."""
    found: dict[str, Any] = json.loads(json.dumps(manifest, default=str))
    return found
