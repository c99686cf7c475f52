"""A client of log streams, by the rules of the HTML standard, and a log with everything that could break framing."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import httpx

CHUNKS = (
    b"$ cargo test\n",
    b"   Compiling an",
    "vil … ⚙\n".encode(),
    b"\n\n",
    b" indented: x\ndata: y\n",
    b"no newline",
)
WHOLE = b"".join(CHUNKS).decode()


@dataclass(frozen=True)
class Event:
    """A parsed event, by the rules of the HTML standard."""

    id: str
    kind: str
    data: str


def events(lines: Iterator[str] | list[str]) -> Iterator[Event]:
    """The events in lines that a client reads."""
    last, kind = "", "message"
    data: list[str] = []
    for line in lines:
        field, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if not line and data:
            yield Event(last, kind, "\n".join(data))
            kind, data = "message", []
        elif field == "id":
            last = value
        elif field == "event":
            kind = value
        elif field == "data":
            data.append(value)


def received(response: httpx.Response) -> list[Event]:
    assert response.status_code == 200, response.text
    return list(events(response.text.split("\n")))


def log_of(got: list[Event]) -> str:
    return "".join(event.data for event in got if event.kind == "message")
