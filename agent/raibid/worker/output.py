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
        self._in_line = False  # what was shown last has no line end

    def begin(self, step: str) -> None:
        """Open a step: its name, its header (Buildkite's syntax for a group of lines)."""
        self.settle()
        self._sink.step(step)
        self.say(f"--- {step}")

    def write(self, data: bytes) -> None:
        """Take bytes of a process, cut anywhere."""
        with self._lock:
            self._show(self._text.feed(self._masker.feed(data)))

    def silence(self) -> None:
        """The process says nothing for a while: show its unfinished line, but nothing that may become a secret."""
        with self._lock:
            self._show(self._text.unfinished())

    def say(self, *lines: str) -> None:
        """Lines of the agent's own, each starting a new line."""
        self.settle()
        text = "".join(f"{line}\n" for line in lines).encode("utf-8", "surrogateescape")
        self.write(b"\n" + text if self._in_line else text)
        self.settle()

    def settle(self) -> None:
        """Pass on what is held back."""
        with self._lock:
            self._show(self._text.feed(self._masker.flush()) + self._text.flush())

    def _show(self, text: bytes) -> None:
        if text:
            self._sink.write(text)
            self._in_line = not text.endswith(b"\n")

    def masked(self, text: str) -> str:
        """A text on its own, such as a reason, without secrets."""
        masker = Masker(self._needles)
        data = text.encode("utf-8", "surrogateescape")
        return (masker.feed(data) + masker.flush()).decode("utf-8", "replace")
