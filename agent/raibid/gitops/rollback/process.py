"""The rollback controller as a process: one worker, the receiver beside it, SIGTERM.

Owns: when there is a round, what ends the process.
Leaves to others: the round (`controller.py`), the receiver (`receiver.py`), the command line (`raibid.cli`).
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from raibid.git.cli import Git
from raibid.gitops.cluster import Cluster
from raibid.gitops.errors import GitopsSettingsError
from raibid.gitops.rollback.controller import FORESEEN, Controller
from raibid.gitops.rollback.controller_settings import ControllerSettings
from raibid.gitops.rollback.metrics import Metrics
from raibid.gitops.rollback.receiver import Alert, Receiver, Served, keys_of
from raibid.gitops.rollback.recorder import Recorder
from raibid.gitops.rollback.telling import Tell, Told

_GRACE: Final = 5.0
"""Seconds that the worker gets for the call it is in; what it leaves undone the next one finds in Git."""
_LONGEST: Final = 300.0


@dataclass
class Worker:
    """Rounds, one after the other, in a thread of its own."""

    controller: Controller
    settings: ControllerSettings
    tell: Tell
    stop: threading.Event
    metrics: Metrics
    error: BaseException | None = None
    """What nobody foresaw; it ended the worker."""
    _looked: threading.Event = field(default_factory=threading.Event)
    _wake: threading.Event = field(default_factory=threading.Event)
    _ended: threading.Event = field(default_factory=threading.Event)

    @property
    def ready(self) -> bool:
        """Whether it has seen the cluster once."""
        return self._looked.is_set()

    def wake(self) -> None:
        """Look now."""
        self._wake.set()

    def run(self) -> None:
        """Until `stop`."""
        try:
            self._rounds()
        except BaseException as error:  # noqa: BLE001 a thread's edge: the main thread raises it again
            self.error = error
        finally:
            self._ended.set()
            self.stop.set()

    def _rounds(self) -> None:
        failures = 0
        while not self.stop.is_set():
            self._wake.clear()
            try:
                busy = self.controller.round()
            except FORESEEN as error:
                failures += 1
                self.metrics.trouble(type(error).__name__)
                self.tell(Told("trouble", "the cluster", str(error)))
                self._wake.wait(min(_LONGEST, self.settings.busy * 2 ** min(failures, 10)))
            else:
                failures = 0
                self._looked.set()
                self._wake.wait(self.settings.busy if busy else self.settings.every)

    def finish(self) -> None:
        """Have it end; it may take `_GRACE` seconds.

        Raises:
            Exception: what nobody foresaw.
        """
        self.stop.set()
        self.wake()
        self._ended.wait(_GRACE)
        if self.error is not None:
            raise self.error


def run(
    settings: ControllerSettings, cluster: Cluster, keys: Path, tell: Tell, *, host: str, port: int,
    listening: Callable[[int], None] = lambda _port: None,
) -> None:  # fmt: skip
    """Work until SIGTERM or SIGINT. Main thread only. `listening` is told the port.

    Raises:
        GitopsSettingsError: the key of alerts cannot be read, or the address cannot be bound.
    """
    keys_of(keys)  # a controller that takes no alert should say so at its start
    stop, metrics = threading.Event(), Metrics()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    author = {"user.name": settings.gitops.author, "user.email": settings.gitops.email}
    git = Git(settings=author, credentials=settings.credentials, stop=stop)

    def trouble(about: str, error: Exception) -> None:
        metrics.trouble(type(error).__name__)
        tell(Told("trouble", about, str(error)))

    recorder = Recorder(cluster, settings.credentials, trouble)
    controller = Controller(settings, cluster, git, recorder, metrics, tell, now=lambda: datetime.now(UTC))
    worker = Worker(controller, settings, tell, stop, metrics)

    def alerted(alert: Alert) -> None:
        tell(Told("alert", alert.about, alert.reason))
        worker.wake()

    served = Served(
        keys=lambda: keys_of(keys),
        alerted=alerted,
        counted=metrics.alert,
        ready=lambda: worker.ready,
        metrics=metrics.page,
    )
    with _listening(host, port, served) as receiver:
        threading.Thread(target=worker.run, name="worker", daemon=True).start()
        tell(Told("started", settings.namespace, f"alerts on port {receiver.port}, a look every {settings.every:g} s"))
        listening(receiver.port)
        stop.wait()
        tell(Told("stopping", settings.namespace, "what is left undone is found again in Git and the cluster"))
        worker.finish()


def _listening(host: str, port: int, served: Served) -> Receiver:
    try:
        return Receiver(host, port, served)
    except OSError as error:
        raise GitopsSettingsError(
            f"cannot listen on {host}:{port}: {error.strerror}", "choose another --port"
        ) from error
