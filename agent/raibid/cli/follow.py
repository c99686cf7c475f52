"""Following a job's log to its end, over lost connections.

Owns: Server-Sent Events → text, resuming by `Last-Event-ID`, the end's status as an exit code.
Leaves to others: the connection (`client.py`), what else is shown of a job (`show.py`).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Final

import requests

from raibid.cli.client import Client, UnreachableError
from raibid.contract import ExitCode
from raibid.model.job import JobStatus

_PATIENCE: Final = 60.0
"""Seconds without a connection after which following gives up; a restart of the API takes about 2."""
_PAUSE: Final = 0.5

EXIT_CODES: Final = {
    JobStatus.SUCCESS: ExitCode.OK,
    JobStatus.FAILED: ExitCode.FAILED,
    JobStatus.CANCELLED: ExitCode.CANCELLED,
    JobStatus.DEAD: ExitCode.DEAD,
}


@dataclass(frozen=True)
class Event:
    """One event of a stream (WHATWG HTML, server-sent events): `data` is its data lines joined by newlines."""

    id: str
    kind: str
    data: str


def events(lines: Iterable[bytes]) -> Iterator[Event]:
    """Lines without their ends → events, and a `ping` for each comment; unknown fields are skipped.

    An event that the connection cut short has no empty line after it and is left out: resuming brings it whole.
    """
    data: list[bytes] = []
    last_id, kind = "", ""
    for line in lines:
        if not line:
            if data:
                yield Event(last_id, kind or "message", b"\n".join(data).decode(errors="replace"))
            data, kind = [], ""
            continue
        if line.startswith(b":"):
            yield Event(last_id, "ping", "")
            continue
        name, _, value = line.partition(b":")
        value = value.removeprefix(b" ")
        if name == b"data":
            data.append(value)
        elif name == b"id":
            last_id = value.decode(errors="replace")
        elif name == b"event":
            kind = value.decode(errors="replace")


def follow(
    client: Client,
    job_id: str,
    write: Callable[[str], None],
    *,
    lost: Callable[[str], None],
    quiet: Callable[[], None] = lambda: None,
    patience: float = _PATIENCE,
    clock: Callable[[], float] = time.monotonic,
) -> JobStatus:
    """Write a job's log as it comes, until the job ends; its final status.

    `lost` is told of a lost connection; `quiet` is called when the log has been still for a while.

    Raises:
        UnreachableError: no connection for `patience` seconds. CliError: refused, no such job.
    """
    last_id, deadline = "", clock() + patience
    while True:
        try:
            with client.stream(f"/jobs/{job_id}/logs", last_id) as reply:
                for event in events(_lines(reply)):
                    deadline = clock() + patience
                    if event.kind == "end":
                        return JobStatus(event.data)
                    if event.kind == "ping":
                        quiet()
                        continue
                    write(event.data)
                    last_id = event.id
        except (UnreachableError, requests.RequestException) as error:
            if clock() > deadline:
                raise UnreachableError(f"lost the log of {job_id}: no connection for {patience:.0f} s") from error
            lost("connection lost; resuming")
        # An API that ends cleanly closes its streams without an end: it comes back, or patience runs out.
        if clock() > deadline:
            raise UnreachableError(f"lost the log of {job_id}: the API closes its stream")
        time.sleep(_PAUSE)


def exit_code(status: JobStatus) -> int:
    """The exit code that stands for how a job ended."""
    return EXIT_CODES.get(status, ExitCode.FAILED)


def _lines(reply: requests.Response) -> Iterator[bytes]:
    """Lines as soon as they are there; split at `\\n` alone, as the API frames them."""
    rest = b""
    # Not iter_lines: it holds a line back until the next chunk. read1 gives what has come, however little.
    for chunk in iter(lambda: reply.raw.read1(65_536, decode_content=True), b""):
        *whole, rest = (rest + chunk).split(b"\n")
        yield from whole
