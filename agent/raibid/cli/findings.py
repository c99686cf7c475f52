"""What a build reported, for people: its tests and the compiler's remarks.

Owns: which of them `raibid show` lists, in which order.
Leaves to others: the rest of a job (`jobs.py`), layout (`output.py`).
"""

from __future__ import annotations

from raibid.cli.output import duration, line, table
from raibid.model.job import Report
from raibid.model.report import Case


def describe_findings(report: Report) -> None:
    """Failed tests first, then remarks, flaky and slowest tests; nothing where nothing was reported."""
    tests = report.tests
    if tests:
        line("")
        line(tests.sentence, "bold")
    if tests and tests.failures:
        table(("failed test", "took", ""), map(_failed, tests.failures))
        _more(tests.failed - len(tests.failures))
    if report.annotations:
        line("")
        rows = ((f"{a.file}:{a.line}", a.level, a.code, _first_line(a.message)) for a in report.annotations)
        table(("place", "level", "rule", ""), rows, status_column=1)
        _more(report.annotations_left_out)
    if tests and tests.flakes:
        line("")
        table(("flaky test", "runs"), ((_named(case), str(case.runs)) for case in tests.flakes))
        _more(tests.flaky - len(tests.flakes))
    if tests and tests.slowest:
        line("")
        table(("slowest test", "took"), ((_named(case), duration(case.seconds)) for case in tests.slowest))


def _failed(case: Case) -> tuple[str, ...]:
    # The first two lines of a panic say where and what; the log has them all.
    said = [text.strip() for text in case.message.splitlines() if text.strip()]
    return _named(case), duration(case.seconds), " ".join(said[:2])


def _first_line(text: str) -> str:
    return text.partition("\n")[0]


def _named(case: Case) -> str:
    return " ".join(filter(None, (case.suite, case.name)))


def _more(count: int) -> None:
    if count > 0:
        line(f"and {count} more", "dim")
