"""lightkube's errors and configuration, translated.

Owns: what each failure of the client means.
Leaves to others: the questions.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import contextmanager
from http import HTTPStatus
from typing import Final, TypeVar

import httpx2
import msgspec
import yaml
from lightkube import ApiError
from lightkube.config.client_adapter import ExecAuth
from lightkube.core.exceptions import ConfigError

from raibid.kube.errors import (
    KubeConfigError,
    KubeConflictError,
    KubeError,
    KubeInvalidError,
    KubeNotFoundError,
    KubeRefusedError,
    KubeUnavailableError,
)

_UNREADABLE: Final = (
    yaml.YAMLError, ValueError, TypeError, KeyError, AttributeError, AssertionError, httpx2.InvalidURL,
)  # fmt: skip
"""What lightkube lets through of a kubeconfig that is none."""

T = TypeVar("T")


def configured(client: Callable[[], T]) -> T:
    """A client by the pod's service account, else by KUBECONFIG; opens no connection yet.

    Raises:
        KubeConfigError: neither of them can be used.
    """
    try:
        return client()
    except (ConfigError, OSError) as error:
        raise KubeConfigError(f"no way to Kubernetes: {error}") from error
    except _UNREADABLE as error:
        # Neither the parser's words nor its traceback: they quote the lines around, and a token is among them.
        kind = type(error).__name__
        raise KubeConfigError(f"no way to Kubernetes: its configuration cannot be read: {kind}") from None


_BY_STATUS: Final[Mapping[int, type[KubeError]]] = {
    HTTPStatus.UNAUTHORIZED: KubeRefusedError,
    HTTPStatus.FORBIDDEN: KubeRefusedError,
    HTTPStatus.NOT_FOUND: KubeNotFoundError,
    HTTPStatus.CONFLICT: KubeConflictError,
    HTTPStatus.BAD_REQUEST: KubeInvalidError,
    HTTPStatus.UNPROCESSABLE_ENTITY: KubeInvalidError,
    # The server no longer has the history that a watch wants to go on from: a new list is the way out.
    HTTPStatus.GONE: KubeUnavailableError,
    HTTPStatus.TOO_MANY_REQUESTS: KubeUnavailableError,
    HTTPStatus.REQUEST_TIMEOUT: KubeUnavailableError,
}


@contextmanager
def translated(what: str) -> Iterator[None]:
    """The client's errors become ours; `what` was asked for.

    Raises:
        KubeUnavailableError, KubeRefusedError, KubeNotFoundError, KubeConflictError, KubeError: as they say.
    """
    try:
        yield
    except ApiError as error:  # in a watch it has a status and no response
        raise refused(what, error.status.code or 0, error.status.message or "") from error
    except httpx2.HTTPStatusError as error:
        raise refused(what, error.response.status_code, error.response.reason_phrase) from error
    except (httpx2.HTTPError, httpx2.StreamError) as error:
        raise KubeUnavailableError(f"{what}: {type(error).__name__} {error}".rstrip()) from error
    except ConfigError as error:
        if isinstance(error.__cause__, FileNotFoundError):  # the service account's token, read again and again
            raise KubeUnavailableError(f"{what}: {error}") from error
        raise KubeConfigError(f"{what}: {_FROM_PLUGIN}") from None
    except msgspec.MsgspecError as error:
        raise KubeError(f"{what}: not what Kubernetes answers: {error}") from error


_FROM_PLUGIN: Final = "the kubeconfig's exec plugin gives nothing to log in with"


class _Plugin(httpx2.Auth):
    """lightkube's own runs the plugin in the middle of a request, and lets through whatever goes wrong then."""

    def __init__(self, auth: ExecAuth) -> None:
        self._auth = auth

    def sync_auth_flow(self, request: httpx2.Request) -> Generator[httpx2.Request, httpx2.Response, None]:
        """Raises KubeConfigError: it is not there, fails, or answers no credential."""
        try:
            yield from self._auth.sync_auth_flow(request)
        except (ConfigError, OSError, ValueError, LookupError, TypeError) as error:
            # Neither its words nor its traceback: half an answer of a plugin may be a token.
            raise KubeConfigError(f"{_FROM_PLUGIN} ({type(error).__name__})") from None


def with_plugin(client: httpx2.Client) -> httpx2.Client:
    """The client, whose exec plugin, if it has one, fails with an error of ours."""
    if isinstance(client.auth, ExecAuth):
        client.auth = _Plugin(client.auth)
    return client


_UNTYPED: Final = "failed to create typed patch object"
"""How server-side apply answers a field that the kind does not know, or of another type: with 500 (seen with 1.34)."""


def refused(what: str, status: int, message: str) -> KubeError:
    """The error for an answer of that HTTP status."""
    if message.startswith(_UNTYPED):
        return KubeInvalidError(f"{what}: {message} ({status})")
    kind = _BY_STATUS.get(status) or (KubeUnavailableError if status >= 500 else KubeError)
    return kind(f"{what}: {message or 'refused'} ({status})")
