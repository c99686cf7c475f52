"""What a build's own report files said: its tests, and the compiler's remarks by file and line.

Owns: their shape on the wire, and how much of them a job's record may hold.
Leaves to others: reading the files (`raibid.worker.reports`), showing them (`raibid.cli`, `raibid.forge.comment`).
"""

from __future__ import annotations

from typing import Final

import msgspec

MOST_SLOWEST: Final = 10
MOST_LISTED: Final = 50
"""Failed tests, and flaky ones, that are named; the totals count all."""
MOST_ANNOTATIONS: Final = 100
LIST_BYTES: Final = 16 * 1024
"""Of JSON, for the failures and for the annotations: 50 panics of five lines are 15 KiB, 90 remarks of clippy too."""
SHORT_LIST_BYTES: Final = 8 * 1024
"""For the slowest and for the flaky. A record lives in Redis: reports add 48 KiB to it at most, 2 KiB as a rule."""


class Case(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One test."""

    name: str
    suite: str = ""  #: nextest: the binary; pytest: the module
    seconds: float = 0.0
    runs: int = 1  #: more than one: it was tried again
    message: str = ""  #: why it failed: the beginning


class Tested(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """All tests of a build, counted; those worth a look by name."""

    total: int = 0
    failed: int = 0  #: errors of the test's surroundings included
    skipped: int = 0
    flaky: int = 0  #: passed, but not at the first try
    seconds: float = 0.0  #: of all tests added up, not of the clock
    failures: tuple[Case, ...] = ()
    slowest: tuple[Case, ...] = ()
    flakes: tuple[Case, ...] = ()

    @property
    def passed(self) -> int:
        """Tests that passed, also those that needed several tries."""
        return self.total - self.failed - self.skipped

    @property
    def counts(self) -> Tested:
        """The same without names."""
        return msgspec.structs.replace(self, failures=(), slowest=(), flakes=())

    @property
    def sentence(self) -> str:
        """`412 tests: 409 passed, 2 failed, 1 skipped, 1 flaky`."""
        parts = [f"{self.passed} passed"]
        parts += [
            f"{count} {word}"
            for count, word in ((self.failed, "failed"), (self.skipped, "skipped"), (self.flaky, "flaky"))
            if count
        ]
        return f"{self.total} test{'s' * (self.total != 1)}: {', '.join(parts)}"


class Annotation(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A remark about a line of the checkout."""

    file: str  #: relative to the checkout, never outside
    line: int
    level: str  #: error, warning
    message: str
    code: str = ""  #: such as `clippy::needless_return` or `E0308`
