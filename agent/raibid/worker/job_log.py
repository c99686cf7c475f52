"""A job's log on its way to the ledger: written to a file at once, sent by a thread that follows the file.

Owns: chunks (100 ms, 16 KiB or a step's boundary), the cap, patience with a ledger that is away or full.
Leaves to others: what may be in the log (`mask.py`, `text.py`), its shape in Redis (`raibid.ledger.logs`).

The file decouples: a build never waits for Redis, and what was said while Redis was away is sent when it is back.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO, Final, Protocol

from raibid.contract import LOG_CAP_BYTES, LOG_CHUNK_BYTES, LOG_FLUSH_SECONDS
from raibid.ledger import LedgerError, LedgerFullError, LedgerUnavailableError, StaleTokenError
from raibid.worker.errors import InfrastructureError, WorkspaceFullError
from raibid.worker.workspace import disk_error

_log = logging.getLogger(__name__)
TAIL_BYTES: Final = 64 * 1024
"""Of a log over its cap the end is kept too: that is where the error is."""
_LEAST_BYTES: Final = 1024 * 1024
"""What an attempt may write even if earlier ones used up the cap."""
_NOTE_BYTES: Final = 256
_RETRY_SECONDS: Final = 0.5
_FULL_PATIENCE: Final = 10.0


class Append(Protocol):
    """`Ledger.logs.append` for one job and token."""

    def __call__(self, data: bytes, *, step: str, cap: int) -> bool:
        """Append a chunk; False: over the cap."""
        ...


class JobLog:
    """Write from any thread; `close` once at the end."""

    def __init__(
        self,
        spool: Path,
        append: Append,
        *,
        earlier: int = 0,
        cap: int = LOG_CAP_BYTES,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        body = max(_LEAST_BYTES, cap - earlier)
        self._cap = earlier + body + TAIL_BYTES + _NOTE_BYTES
        self._body = body
        self._append = append
        self._clock = clock
        self._spool = spool
        try:
            self._file: BinaryIO = spool.open("wb", buffering=0)
        except OSError as error:
            raise disk_error(error) from error
        self._changed = threading.Condition()
        self._written = 0
        self._steps: deque[tuple[int, str]] = deque()  # where each step begins
        self._tail = bytearray()
        self._over = 0  # bytes after the body, the tail included
        self._lost = 0  # bytes the ledger did not take
        self._closing = False
        self._give_up_at = float("inf")
        self._full_since: float | None = None
        self._sender = threading.Thread(target=self._send, name="log", daemon=True)
        self._sender.start()

    def step(self, name: str) -> None:
        """What comes now belongs to this step; what came before is sent at once."""
        with self._changed:
            self._steps.append((self._written, name))
            self._changed.notify_all()

    def write(self, text: bytes) -> None:
        """Add whole characters. Raises WorkspaceFullError when the file cannot grow."""
        with self._changed:
            room = self._body - self._written
            if self._over or len(text) > room:
                self._over += len(text)
                self._tail += text
                if len(self._tail) > 2 * TAIL_BYTES:
                    del self._tail[:-TAIL_BYTES]
            else:
                self._store(text)

    def close(self, timeout: float) -> int:
        """Send what is left, for at most `timeout` seconds. Returns how many bytes never reached the ledger."""
        with self._changed:
            if self._over and not self._closing:
                self._lost += self._store_tail()
            self._closing = True
            self._give_up_at = self._clock() + timeout
            self._changed.notify_all()
        self._sender.join(timeout + 2 * _RETRY_SECONDS)
        self._file.close()
        with self._changed:
            return self._lost

    def _store(self, text: bytes) -> None:
        try:
            written = self._file.write(text)
        except OSError as error:
            raise disk_error(error) from error
        if written < len(text):  # the last block of a disk takes what fits
            raise WorkspaceFullError("workspace full")
        self._written += len(text)
        self._changed.notify_all()

    def _store_tail(self) -> int:
        """Add the end of a log that is over its cap; how many bytes are lost nevertheless."""
        tail = bytes(self._tail[-TAIL_BYTES:])
        while tail and _continues(tail[0]):
            tail = tail[1:]
        dropped = self._over - len(tail)
        note = f"\n... {dropped} bytes dropped: the log is over its cap ...\n".encode() if dropped else b""
        try:
            self._store(note + tail)
        except InfrastructureError as error:
            _log.warning("the end of the log is lost: %s", error)
            return self._over
        return dropped

    # --- the sender's thread ------------------------------------------------------------------------------

    def _send(self) -> None:
        sent, step = 0, ""
        with self._spool.open("rb") as source:
            while True:
                end, step = self._next(sent, step)
                if end == sent:
                    return
                data = _whole_characters(source.read(end - sent), LOG_CHUNK_BYTES)
                source.seek(sent + len(data))
                if not self._deliver(data, step):
                    with self._changed:
                        self._lost += self._written - sent
                    return
                sent += len(data)

    def _next(self, sent: int, step: str) -> tuple[int, str]:
        """Wait for something to send: up to where, and its step. Nothing to send: the end."""
        with self._changed:
            self._changed.wait_for(lambda: self._written > sent or self._closing)
            self._changed.wait_for(lambda: self._ready(sent), LOG_FLUSH_SECONDS)
            while self._steps and self._steps[0][0] <= sent:
                step = self._steps.popleft()[1]
            end = self._steps[0][0] if self._steps else self._written
            return min(end, sent + LOG_CHUNK_BYTES), step

    def _ready(self, sent: int) -> bool:
        ended_step = any(begin > sent for begin, _ in self._steps)
        return self._closing or ended_step or self._written - sent >= LOG_CHUNK_BYTES

    def _deliver(self, data: bytes, step: str) -> bool:
        """Send one chunk, however long the ledger is away. False: nobody wants the rest of the log."""
        while True:
            try:
                taken = self._append(data, step=step, cap=self._cap)
            except StaleTokenError:
                return False
            except LedgerUnavailableError as error:
                if self._clock() >= self._give_up_at:
                    _log.warning("the end of the log is lost: %s", error)
                    return False
            except LedgerFullError:
                if not self._worth_waiting():
                    return self._drop(data)
            except LedgerError as error:
                _log.warning("a chunk of the log is lost: %s", error)
                return self._drop(data)
            else:
                self._full_since = None
                return True if taken else self._drop(data)
            with self._changed:
                self._changed.wait(_RETRY_SECONDS)

    def _worth_waiting(self) -> bool:
        now = self._clock()
        if self._full_since is None:
            self._full_since = now
        return now < min(self._full_since + _FULL_PATIENCE, self._give_up_at)

    def _drop(self, data: bytes) -> bool:
        with self._changed:
            self._lost += len(data)
        return True


def _continues(byte: int) -> bool:
    """Whether a byte is inside a UTF-8 character."""
    return byte & 0xC0 == 0x80


def _whole_characters(text: bytes, limit: int) -> bytes:
    """The text, cut after a whole character if it is as long as the limit: there may be more of the last one."""
    if len(text) < limit:
        return text
    cut = len(text) - 1
    while cut > len(text) - 4 and _continues(text[cut]):
        cut -= 1
    return text[:cut] if text[cut] >= 0xC0 else text
