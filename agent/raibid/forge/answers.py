"""Answers that a forge need not send twice: by `ETag`, in memory, bounded.

Owns: which answers are kept and for how long.
Leaves to others: asking with `If-None-Match`, what is kept of an answer and what it means (`session.py`).

GitHub does not count a 304 against the limit, so whoever asks again and again (the reconciler) keeps one memory for its
clients; answers depend on who asks, so a memory belongs to one login (`raibid.api.forges`).
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Hashable
from dataclasses import dataclass
from typing import Final

_MOST: Final = 10_000
"""A round that asks for more than is kept finds nothing of it again, for it forgets in the order it asks: so the bounds
are wide. Two lists of each of 5,000 repositories."""
_MOST_BYTES: Final = 64 * 1024 * 1024
"""Without what nobody looks at, a page of a hundred branches is 10 kB and one of a hundred pull requests 65 kB."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What a GET was answered."""

    url: str  #: that answered; another than asked for after a renaming
    content: bytes
    link: str = ""  #: the `Link` header
    etag: str = ""


class AnswerMemory:
    """The last answers that had an ETag, by what was asked. For several threads."""

    def __init__(self, most: int = _MOST, most_bytes: int = _MOST_BYTES) -> None:
        self._most, self._most_bytes = most, most_bytes
        self._lock = threading.Lock()
        self._answers: OrderedDict[Hashable, Answer] = OrderedDict()
        self._bytes = 0

    def __len__(self) -> int:
        return len(self._answers)

    def get(self, asked: Hashable) -> Answer | None:
        """The answer of last time."""
        with self._lock:
            if answer := self._answers.get(asked):
                self._answers.move_to_end(asked)
            return answer

    def keep(self, asked: Hashable, answer: Answer) -> None:
        """Keep it if it can be asked for by its ETag and is not too large; forget those used longest ago for it."""
        with self._lock:
            if old := self._answers.pop(asked, None):
                self._bytes -= len(old.content)
            if not answer.etag or len(answer.content) > self._most_bytes:
                return
            self._answers[asked] = answer
            self._bytes += len(answer.content)
            while len(self._answers) > self._most or self._bytes > self._most_bytes:
                _, gone = self._answers.popitem(last=False)
                self._bytes -= len(gone.content)
