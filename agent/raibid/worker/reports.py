"""The report files of a build: found, read, masked, and cut to what a job's record may hold.

Owns: where reports are looked for, their bounds, what the log says of them. A report that cannot be read is a line in
the log and never fails a build.
Leaves to others: the formats (`junit.py`, `reports_cargo.py`), secrets (`mask.py`, through `masked`).
"""

from __future__ import annotations

import heapq
import os
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, TypeVar

import msgspec

from raibid.model.pipeline import Reports
from raibid.model.report import (
    LIST_BYTES,
    MOST_ANNOTATIONS,
    MOST_LISTED,
    MOST_SLOWEST,
    SHORT_LIST_BYTES,
    Annotation,
    Case,
    Tested,
)
from raibid.worker import junit, reports_cargo
from raibid.worker.artifacts import matching
from raibid.worker.errors import ReportError
from raibid.worker.text import excerpt, visible

IN_FOLDER: Final = Reports(junit=("*.xml",), cargo=("*.json",))
"""What a step writes into the build's own folder needs no glob in the pipeline file."""

MOST_FILES: Final = 200
FILE_BYTES: Final = 16 * 1024 * 1024
ALL_BYTES: Final = 32 * 1024 * 1024
"""Of all files together: 32 MiB of JUnit, 100,000 tests, took 1.5 s and 120 MiB (2026-11-21)."""
MOST_CASES: Final = 100_000
_NAME: Final = 200
_LONGEST: Final = 1_000
_SHORTEST: Final = 200
_ALL_MESSAGES: Final = 10_000
"""Characters for the messages of all failed tests: few failures are told at length, many briefly."""

Masked = Callable[[str], str]
T = TypeVar("T", Case, Annotation)


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where reports are looked for."""

    checkout: Path
    folder: Path  #: of this build alone, outside of the checkout
    since: int = 0  #: ns of the file system's clock: older files are another build's, or the commit's own


@dataclass(frozen=True, kw_only=True)
class Findings:
    """What the reports say, ready for the record; `notes` for the log."""

    tests: Tested | None = None
    annotations: tuple[Annotation, ...] = ()
    left_out: int = 0  #: annotations beyond the bounds
    notes: tuple[str, ...] = ()

    @property
    def lines(self) -> tuple[str, ...]:
        """For the log; none if there was nothing to read."""
        return (*((self.tests.sentence,) if self.tests else ()), *self._remarks(), *self.notes)

    def _remarks(self) -> Iterator[str]:
        if self.annotations:
            levels = Counter(each.level for each in self.annotations)
            counts = ", ".join(f"{count} {level}{'s' * (count != 1)}" for level, count in sorted(levels.items()))
            yield f"cargo: {counts}" + (f", {self.left_out} more left out" if self.left_out else "")


def find(place: Place, globs: Reports, masked: Masked) -> Findings:
    """Read what the build's steps reported."""
    files = _Files(place)
    cases: list[tuple[str, Case]] = []
    for name, data in files.read(globs.junit, IN_FOLDER.junit):
        try:
            cases += junit.read(data)
        except ReportError as error:
            files.notes.append(f"report {name} is not read: {error}")
        if len(cases) > MOST_CASES:
            files.notes.append(f"more than {MOST_CASES:,} tests: the rest is not counted")
            break
    remarks: set[Annotation] = set()
    for _, data in files.read(globs.cargo, IN_FOLDER.cargo):
        remarks.update(reports_cargo.read(data, place.checkout))
    annotations, left_out = _bounded(remarks, masked)
    return Findings(
        tests=_tested(cases[:MOST_CASES], masked) if cases else None,
        annotations=annotations,
        left_out=left_out,
        notes=tuple(_shown(note, masked, _LONGEST) for note in files.notes),
    )


@dataclass
class _Files:
    """Files to read, within the bounds of all together."""

    place: Place
    notes: list[str] = field(default_factory=list)
    _count: int = 0
    _bytes: int = 0

    def read(self, in_checkout: Sequence[str], in_folder: Sequence[str]) -> Iterator[tuple[str, bytes]]:
        """Name and content of each file that a glob matches and this build wrote."""
        # A step may have put a link where its folder was; the agent can read more than the step could.
        own = () if self.place.folder.is_symlink() else in_folder
        for root, globs in ((self.place.folder, own), (self.place.checkout, in_checkout)):
            for name in matching(root, globs) if globs else ():
                try:
                    data = self._content(root / name, name)
                except OSError as error:
                    self.notes.append(f"report {name} is not read: {error.strerror}")
                else:
                    if data is not None:
                        yield name, data

    def _content(self, path: Path, name: str) -> bytes | None:
        with path.open("rb") as file:
            facts = os.fstat(file.fileno())
            if facts.st_mtime_ns < self.place.since:
                return None
            self._count += 1
            if self._count > MOST_FILES:
                if self._count == MOST_FILES + 1:
                    self.notes.append(f"more than {MOST_FILES} reports: the rest is not read")
                return None
            if facts.st_size > FILE_BYTES or self._bytes + facts.st_size > ALL_BYTES:
                self.notes.append(f"report {name} is not read: too large ({facts.st_size >> 20} MiB)")
                return None
            self._bytes += facts.st_size
            return file.read(FILE_BYTES)


def _tested(cases: list[tuple[str, Case]], masked: Masked) -> Tested:
    by_outcome = Counter(outcome for outcome, _ in cases)
    failures = [case for outcome, case in cases if outcome == junit.Outcome.FAILED]
    flakes = [case for outcome, case in cases if outcome == junit.Outcome.FLAKY]
    slowest = heapq.nlargest(MOST_SLOWEST, (case for _, case in cases if case.seconds), key=lambda case: case.seconds)
    length = min(_LONGEST, max(_SHORTEST, _ALL_MESSAGES // max(1, len(failures))))

    def shown(case: Case, length: int = 0) -> Case:
        return msgspec.structs.replace(
            case,
            name=_shown(case.name, masked, _NAME),
            suite=_shown(case.suite, masked, _NAME),
            seconds=round(case.seconds, 3),
            message=_shown(case.message, masked, length, lines=True) if length else "",
        )

    return Tested(
        total=len(cases),
        failed=by_outcome[junit.Outcome.FAILED],
        skipped=by_outcome[junit.Outcome.SKIPPED],
        flaky=by_outcome[junit.Outcome.FLAKY],
        seconds=round(sum(case.seconds for _, case in cases), 3),
        failures=_fitting((shown(case, length) for case in failures[:MOST_LISTED]), LIST_BYTES),
        slowest=_fitting((shown(case) for case in slowest), SHORT_LIST_BYTES),
        flakes=_fitting((shown(case) for case in flakes[:MOST_LISTED]), SHORT_LIST_BYTES),
    )


def _bounded(remarks: Iterable[Annotation], masked: Masked) -> tuple[tuple[Annotation, ...], int]:
    """Errors first, then by place; and how many are left out. A warning that `-D` then made an error is one."""
    by_level = sorted(remarks, key=lambda a: (reports_cargo.LEVELS.index(a.level), a.file, a.line, a.code, a.message))
    unique: dict[tuple[str, int, str, str], Annotation] = {}
    for remark in by_level:
        unique.setdefault((remark.file, remark.line, remark.code, remark.message), remark)
    ordered = list(unique.values())
    shown = (
        msgspec.structs.replace(
            remark,
            file=_shown(remark.file, masked, _LONGEST),
            code=_shown(remark.code, masked, _NAME),
            message=_shown(remark.message, masked, _SHORTEST * 2, lines=True),
        )
        for remark in ordered[:MOST_ANNOTATIONS]
    )
    kept = _fitting(shown, LIST_BYTES)
    return kept, len(ordered) - len(kept)


def _fitting(items: Iterable[T], room: int) -> tuple[T, ...]:
    """The first items, as many as fit into so many bytes of JSON."""
    kept: list[T] = []
    for item in items:
        room -= len(msgspec.json.encode(item)) + 1
        if room < 0:
            break
        kept.append(item)
    return tuple(kept)


def _shown(text: str, masked: Masked, limit: int, *, lines: bool = False) -> str:
    """Text of strangers as the record has it. Masked before it is cut: half a secret would not be found."""
    # Twice: a secret with control characters is found before they go, one that was cut up by them afterwards.
    return excerpt(masked(visible(masked(text))), limit, lines=lines)
