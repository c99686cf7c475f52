"""The one way to the API: where it is, with which token, what its errors mean for the person.

Owns: one HTTP session with timeouts, answers decoded into the model's values, refusals as `CliError`.
Leaves to others: what is asked (`jobs.py`, `steer.py`, `queue.py`), following logs (`follow.py`).

The address is RAIBID_API_URL, else the pool's on this machine; the token RAIBID_TOKEN or RAIBID_TOKEN_FILE, else that
pool's own.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, TypeVar

import msgspec
import requests

from raibid.cli.errors import CliError
from raibid.contract import Env, ExitCode
from raibid.local.state import StateDir, default_path, read_secret

_TIMEOUT: Final = (5.0, 30.0)
_QUIET: Final = 60.0
"""Seconds without a byte on a log stream, which pings every 15: the connection is dead."""
_REMEDIES: Final = {
    401: f"give a token: {Env.TOKEN} or {Env.TOKEN_FILE} (the pool of `raibid up` has its own in STATE/secrets)",
    403: "use a token with the write scope",
}

T = TypeVar("T")


class Refusal(msgspec.Struct, frozen=True):
    """The API's shape of an error."""

    error: str = ""
    remedy: str = ""


class Client:
    """A session with one API."""

    def __init__(self, url: str, token: str) -> None:
        self.url: Final = url.rstrip("/")
        self._session = requests.Session()
        self._session.headers["Accept"] = "application/json"
        if token:
            self._session.headers["Authorization"] = f"Bearer {token}"

    @classmethod
    def from_env(cls, env: Mapping[str, str] = os.environ) -> Client:
        """The API and token the environment names, else those of this machine's pool.

        Raises:
            CliError: neither is there, or a token file cannot be read.
        """
        state = StateDir(default_path(env))
        card = state.card()
        url = env.get(Env.API_URL) or (card.url if card else "")
        if not url:
            raise CliError(
                "no API is known",
                f"start a pool on this machine with `raibid up`, or name one in {Env.API_URL}",
                ExitCode.UNAVAILABLE,
            )
        return cls(url, _token(env, state if card and url == card.url else None))

    def get(self, path: str, kind: type[T], params: Mapping[str, Any] | None = None) -> T:
        """GET, decoded."""
        return self._decoded(self._send("GET", path, params=params), kind)

    def post(self, path: str, kind: type[T], body: Mapping[str, Any] | None = None) -> T:
        """POST, decoded."""
        return self._decoded(self._send("POST", path, json=body or {}), kind)

    def put(self, path: str, kind: type[T], body: Mapping[str, Any]) -> T:
        """PUT, decoded."""
        return self._decoded(self._send("PUT", path, json=body), kind)

    def text(self, path: str, params: Mapping[str, Any] | None = None) -> requests.Response:
        """GET a text, streamed: a log may be large."""
        return self._send("GET", path, params=params, stream=True)

    def stream(self, path: str, last_id: str) -> requests.Response:
        """Open an event stream after `last_id` ("" for the start). The caller closes it."""
        headers = {"Accept": "text/event-stream"} | ({"Last-Event-ID": last_id} if last_id else {})
        return self._send("GET", path, headers=headers, stream=True, timeout=(_TIMEOUT[0], _QUIET))

    def _send(self, method: str, path: str, **options: Any) -> requests.Response:
        try:
            reply = self._session.request(method, f"{self.url}{path}", **{"timeout": _TIMEOUT, **options})
        except requests.ConnectionError as error:
            raise UnreachableError(f"the API at {self.url} cannot be reached") from error
        except requests.Timeout as error:
            raise UnreachableError(f"the API at {self.url} did not answer in time") from error
        except requests.RequestException as error:
            raise CliError(f"{self.url}: {error}", f"check {Env.API_URL}", ExitCode.USAGE) from error
        if reply.ok:
            return reply
        with reply:
            raise _refused(reply)

    def _decoded(self, reply: requests.Response, kind: type[T]) -> T:
        try:
            return msgspec.json.decode(reply.content or b"null", type=kind)
        except msgspec.MsgspecError as error:
            raise CliError(
                f"{self.url} does not answer like raibid's API: {error}", "check the address and the versions"
            ) from error


class UnreachableError(CliError):
    """No connection, no answer in time, or 503. May pass."""

    def __init__(self, message: str, hint: str = "is the pool running? `raibid up` starts one on this machine") -> None:
        super().__init__(message, hint, ExitCode.UNAVAILABLE)


def _refused(reply: requests.Response) -> CliError:
    try:
        refusal = msgspec.json.decode(reply.content, type=Refusal)
    except msgspec.MsgspecError:
        refusal = Refusal()
    message = refusal.error or f"the API answered {reply.status_code}"
    hint = _REMEDIES.get(reply.status_code) or refusal.remedy
    match reply.status_code:
        case 401 | 403:
            return CliError(message, hint, ExitCode.REFUSED)
        case 404:
            return CliError(message, "`raibid jobs` lists the ids", ExitCode.NOT_FOUND)
        case 400 | 422:
            return CliError(message, hint, ExitCode.USAGE)
        case 429 | 502 | 503 | 504:
            return UnreachableError(message, hint)
    return CliError(message, hint, ExitCode.FAILED)


def _token(env: Mapping[str, str], own: StateDir | None) -> str:
    if token := env.get(Env.TOKEN):
        return token
    file = env.get(Env.TOKEN_FILE) or (str(own.write_token) if own else "")
    if not file:
        return ""  # the API says what it wants one for; a public list needs none
    try:
        return read_secret(Path(file))
    except OSError as error:
        raise CliError(f"token file {file}: {error.strerror}", f"correct {Env.TOKEN_FILE}", ExitCode.REFUSED) from error
