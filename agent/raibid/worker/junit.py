"""JUnit XML of a build, which strangers wrote: its tests, or one sentence why there are none.

Owns: what is safe to parse (no DTD, so no entity of any kind; bounded depth and size), what each element means.
Leaves to others: the format (junitparser, with nextest's retries as xunit2 has them), bounding what is kept
(`reports.py`).
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any, Final
from xml.etree.ElementTree import Element, TreeBuilder
from xml.parsers import expat

from junitparser import Error, Failure, JUnitXmlError, Skipped, TestCase
from junitparser.xunit2 import FlakyError, FlakyFailure, InterimResult, JUnitXml

from raibid.model.report import Case
from raibid.worker.errors import ReportError

MOST_ELEMENTS: Final = 200_000
"""16 MiB of `<a/>` would be four million objects, half a gigabyte; 200,000 are 30 MB and 60,000 tests."""
MOST_ATTRIBUTES: Final = 400_000
"""Six for each of as many tests; 1.2 million had cost 300 MiB."""
LONGEST_TAG: Final = 2 * 1024 * 1024
"""Bytes; all attributes of a tag are objects before anybody can count them."""
DEEPEST: Final = 20
LONGEST_SECONDS: Final = 30 * 24 * 3600.0
"""No test takes a month; and the sum of two of 1e308 s would be infinite, which JSON cannot say."""
_PIECE: Final = 64 * 1024


class Outcome:
    """How a test ended."""

    PASSED: Final = "passed"
    FLAKY: Final = "flaky"  #: passed, but not at the first try
    FAILED: Final = "failed"
    SKIPPED: Final = "skipped"


def read(data: bytes) -> Iterator[tuple[str, Case]]:
    """Every test with its outcome, in the file's order; the message of a failed one as the file has it.

    Raises:
        ReportError: this is no JUnit report, or not one that is safe to read.
    """
    root: Any = _tree(data)  # junitparser's annotation names its own class, its code wants ElementTree's
    try:
        report = JUnitXml.fromroot(root)
    except JUnitXmlError:
        raise ReportError("not a JUnit report: its root is neither testsuites nor testsuite") from None
    for suite in report:
        for case in suite:
            yield _case(case, suite.name or "")


def _case(case: TestCase, suite: str) -> tuple[str, Case]:
    results = list(case)
    failure = next((r for r in results if isinstance(r, Failure | Error)), None)
    tries = [r for r in results if isinstance(r, InterimResult)]
    outcome, message = Outcome.PASSED, ""
    if failure is not None:
        outcome, message = Outcome.FAILED, _message(failure, case.system_err or "", case.system_out or "")
    elif any(isinstance(r, FlakyFailure | FlakyError) for r in tries):
        outcome = Outcome.FLAKY
    elif any(isinstance(r, Skipped) for r in results):
        outcome = Outcome.SKIPPED
    name, owner = case.name or "(no name)", case.classname or suite
    return outcome, Case(name=name, suite=owner, seconds=_seconds(case), runs=1 + len(tries), message=message)


def _message(failure: Failure | Error, stderr: str, stdout: str) -> str:
    """What the report says of a failure. nextest: a headline, then all of it; a timeout has neither, but its words."""
    headline, text = (failure.message or "").strip(), (failure.text or "").strip()
    if text:
        return text if headline in text else f"{headline}\n{text}"
    return headline or "\n".join(filter(None, (failure.type or "", stderr.strip() or stdout.strip())))


def _seconds(case: TestCase) -> float:
    try:
        seconds = float(case.time or 0.0)
    except ValueError:
        return 0.0
    return min(seconds, LONGEST_SECONDS) if math.isfinite(seconds) and seconds > 0 else 0.0


def _tree(data: bytes) -> Element:
    """The file's elements. ElementTree's own parser cannot be told to refuse a DTD; expat, below it, can."""
    builder = _Bounded()
    parser = expat.ParserCreate()
    parser.buffer_text = True  # else each end of a line is a piece of its own: 15 MiB of them had cost 200 MiB
    parser.StartDoctypeDeclHandler = _refuse_doctype
    parser.StartElementHandler = builder.start
    parser.EndElementHandler = builder.end
    parser.CharacterDataHandler = builder.text
    try:
        for begin in range(0, len(data), _PIECE):
            piece = data[begin : begin + _PIECE]
            parser.Parse(piece, False)
            # Where expat is: at the beginning of what has no end yet.
            if begin + len(piece) - parser.CurrentByteIndex > LONGEST_TAG:
                raise ReportError(f"a tag of more than {LONGEST_TAG >> 20} MiB")
        parser.Parse(b"", True)
    except expat.ExpatError as error:
        raise ReportError(f"not well-formed XML: {expat.ErrorString(error.code)}, line {error.lineno}") from error
    except (ValueError, LookupError) as error:
        raise ReportError(f"not readable XML: {error}") from error
    return builder.root()


def _refuse_doctype(*_: object) -> None:
    raise ReportError("it has a DOCTYPE, which no JUnit report needs")


class _Bounded:
    """Builds the tree, to a limit."""

    def __init__(self) -> None:
        self._builder = TreeBuilder()
        self._depth = self._elements = self._attributes = 0

    def start(self, tag: str, attributes: dict[str, str]) -> None:
        self._depth += 1
        self._elements += 1
        self._attributes += len(attributes)
        if self._depth > DEEPEST:
            raise ReportError(f"elements are nested more than {DEEPEST} levels deep")
        if self._elements > MOST_ELEMENTS:
            raise ReportError(f"more than {MOST_ELEMENTS:,} elements")
        if self._attributes > MOST_ATTRIBUTES:
            raise ReportError(f"more than {MOST_ATTRIBUTES:,} attributes")
        self._builder.start(tag, attributes)

    def end(self, tag: str) -> None:
        self._depth -= 1
        self._builder.end(tag)

    def text(self, data: str) -> None:
        self._builder.data(data)

    def root(self) -> Element:
        return self._builder.close()
