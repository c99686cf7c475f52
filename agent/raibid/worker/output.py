"""What a build says, fit to be shown: secrets masked first, then cleaned text, then a sink.

Owns: the order of the two filters, and the lines the agent itself adds.
Leaves to others: each filter (`mask.py`, `text.py`), where the text goes (`job_log.py`, the terminal of `raibid exec`).
"""

from __future__ import annotations

import threading
from collections.abc import Iterable
from typing import Protocol

from raibid.worker.mask import Masker, needles
from raibid.worker.text import TextCleaner


class Sink(Protocol):
    """Takes log text: whole UTF-8 characters, no secrets."""

    def step(self, name: str) -> None:
        """What comes now belongs to this step."""
        ...

    def write(self, text: bytes) -> None:
        """Take some text."""
        ...


class Output:
    """Bytes in, log text out. Steps are apart: nothing is held back beyond a step's end."""

    def __init__(self, sink: Sink, secrets: Iterable[str] = ()) -> None:
        self._sink = sink
        self._needles = needles(secrets)
        self._masker = Masker(self._needles)
        self._text = TextCleaner()
        self._lock = threading.Lock()

    def begin(self, step: str) -> None:
        """Open a step: its name, its header (Buildkite's syntax for a group of lines)."""
        self.settle()
        self._sink.step(step)
        self.say(f"--- {step}")

    def write(self, data: bytes) -> None:
        """Take bytes of a process, cut anywhere."""
        with self._lock:
            if shown := self._text.feed(self._masker.feed(data)):
                self._sink.write(shown)

    def say(self, *lines: str) -> None:
        """Lines of the agent's own, each starting a new line."""
        last = self.settle()
        if last and not last.endswith(b"\n"):
            self._sink.write(b"\n")
        text = "".join(f"{line}\n" for line in lines).encode("utf-8", "surrogateescape")
        self.write(text)
        self.settle()

    def settle(self) -> bytes:
        """Pass on what is held back; returns it."""
        with self._lock:
            rest = self._text.feed(self._masker.flush()) + self._text.flush()
            if rest:
                self._sink.write(rest)
            return rest

    def masked(self, text: str) -> str:
        """A text on its own, such as a reason, without secrets."""
        masker = Masker(self._needles)
        data = text.encode("utf-8", "surrogateescape")
        return (masker.feed(data) + masker.flush()).decode("utf-8", "replace")
