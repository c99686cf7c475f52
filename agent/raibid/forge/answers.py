"""Answers that a forge need not send twice: by `ETag`, in memory, bounded.

Owns: which answers are kept and for how long.
Leaves to others: asking with `If-None-Match`, and what an answer means (`session.py`).

GitHub does not count a 304 against the limit, so whoever asks again and again (the reconciler) keeps one memory for its
clients; answers depend on who asks, so a memory belongs to one login.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from dataclasses import dataclass
from typing import Final

_MOST: Final = 2_000
"""A page of a hundred branches is 40 kB; the bytes are bounded as well."""
_MOST_BYTES: Final = 16 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Answer:
    """What a GET was answered."""

    url: str  #: that answered; another than asked for after a renaming
    content: bytes
    link: str = ""  #: the `Link` header
    etag: str = ""


class AnswerMemory:
    """The last answers that had an ETag, by the URL that was asked. For several threads."""

    def __init__(self, most: int = _MOST, most_bytes: int = _MOST_BYTES) -> None:
        self._most, self._most_bytes = most, most_bytes
        self._lock = threading.Lock()
        self._answers: OrderedDict[str, Answer] = OrderedDict()
        self._bytes = 0

    def __len__(self) -> int:
        return len(self._answers)

    def get(self, url: str) -> Answer | None:
        """The answer of last time."""
        with self._lock:
            if answer := self._answers.get(url):
                self._answers.move_to_end(url)
            return answer

    def keep(self, url: str, answer: Answer) -> None:
        """Keep it if it can be asked for by its ETag; forget the one used longest ago."""
        with self._lock:
            if old := self._answers.pop(url, None):
                self._bytes -= len(old.content)
            if not answer.etag:
                return
            self._answers[url] = answer
            self._bytes += len(answer.content)
            while len(self._answers) > self._most or self._bytes > self._most_bytes:
                _, gone = self._answers.popitem(last=False)
                self._bytes -= len(gone.content)
