"""source-controller's part while it is not there: it follows the branch whenever somebody asks.

Owns: fetching on request (`reconcile.fluxcd.io/requestedAt`, as a Receiver and `flux reconcile source` ask), what it
says when it cannot, its storage being lost.
Leaves to others: the artifact and its status (`parts.publisher`), its interval: nobody here waits for one.
"""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from types import TracebackType
from typing import Any, Final, Self

from tests.cluster.parts.developer import Checkout, GitError
from tests.cluster.parts.publisher import SOURCE_OBJECT, Publisher, condition
from tests.cluster.tree.api import Api

REQUESTED: Final = "reconcile.fluxcd.io/requestedAt"
_PAUSE: Final = 0.05


class SourceController(Publisher):
    """Follows `checkout`'s branch until it is left. `api` and `checkout` are for its thread alone."""

    def __init__(self, checkout: Checkout, api: Api) -> None:
        super().__init__(checkout.directory, api)
        self._checkout = checkout
        self._over = threading.Event()
        self._follower = ThreadPoolExecutor(1, "source-controller")
        self._lost = False

    def lose(self) -> None:
        """Its storage is gone: it names artifacts that nobody can fetch."""
        self._lost = True
        self._archives.clear()

    def recover(self) -> None:
        """It has its storage again; what it lost comes with the next request."""
        self._lost = False

    def _keep(self, path: str, data: bytes) -> None:
        if not self._lost:
            super()._keep(path, data)

    def _follow(self) -> None:
        while not self._over.wait(_PAUSE):
            source = self._api.get(SOURCE_OBJECT).body
            request = source["metadata"].get("annotations", {}).get(REQUESTED, "")
            if source["spec"].get("suspend") or request == source.get("status", {}).get("lastHandledReconcileAt", ""):
                continue
            try:
                self._checkout.git("fetch", "--quiet", source["spec"]["url"], "main")
            except GitError as error:
                self._report(_failed(str(error), request))
            else:
                self._checkout.git("reset", "--quiet", "--hard", "FETCH_HEAD")
                self.publish(handled=request)

    def __enter__(self) -> Self:
        super().__enter__()
        self._work = self._follower.submit(self._follow)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        self._follower.shutdown()
        super().__exit__(kind, error, trace)
        self._work.result()  # its own mistake is the test's


def _failed(message: str, request: str) -> dict[str, Any]:
    """As source-controller says it: the artifact stays, conditions tell."""
    said = f"failed to checkout and determine revision: {message}"
    conditions = [
        condition("Ready", "False", "GitOperationFailed", said),
        condition("FetchFailed", "True", "GitOperationFailed", said),
    ]
    return {"conditions": conditions, "lastHandledReconcileAt": request}
