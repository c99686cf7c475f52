"""A watch in a thread: every change of one kind of object, in order, none missed.

Owns: the thread, its start anew after an API server's restart, the error that ended it.
Leaves to others: what a change means (`changed`; called from the thread).
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from types import TracebackType
from typing import Final, Generic, Self, TypeVar

import httpx2
import msgspec
from lightkube import ApiError, Client
from lightkube.core.resource import NamespacedResource

T = TypeVar("T", bound=NamespacedResource)
_AGAIN: Final = 0.2


class Watch(Generic[T]):
    """From entering to leaving it; what exists at its start is told as ADDED, after a restart again."""

    def __init__(self, client: Client, kind: type[T], namespace: str, changed: Callable[[str, T], None]) -> None:
        # Two threads that decode kinds with common parts for the first time at once crash the interpreter (msgspec
        # 0.22 builds a type's decoder piece by piece); from here on it is built.
        msgspec.json.decode(b"{}", type=kind)
        self._client = client
        self._kind = kind
        self._namespace = namespace
        self._changed = changed
        self._over = threading.Event()
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name=f"watch-{kind.__name__}", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        # Not joined: the read of a quiet watch ends only with its API server.
        self._over.set()
        if self._error and error:
            error.add_note(f"the watch of {self._kind.__name__} had ended: {self._error!r}")
        elif self._error:
            raise self._error

    def _run(self) -> None:
        while not self._over.is_set():
            try:
                self._follow()
            except (httpx2.HTTPError, ApiError):
                self._over.wait(_AGAIN)
            except BaseException as error:  # noqa: BLE001  (told to whoever leaves the watch)
                self._error = error
                return

    def _follow(self) -> None:
        # A watch without a version is served from the API server's cache only when that has caught up with the whole
        # of etcd, which Debian's etcd (3.4, no progress notifications) never tells it about a kind at rest: such a
        # watch answers nothing for minutes while other kinds change.
        listing = self._client.list(self._kind, namespace=self._namespace)
        for thing in listing:
            self._changed("ADDED", thing)
        since = listing.resourceVersion
        for event, thing in self._client.watch(self._kind, namespace=self._namespace, resource_version=since):
            if self._over.is_set():
                return
            self._changed(event, thing)
