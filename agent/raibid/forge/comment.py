"""What a build found, as one Markdown comment for a pull request. Pure.

Owns: what is said, in which order, how much of it, and that no word of strangers becomes Markdown or HTML.
Leaves to others: delivering it, the marker by which it is found again (`raibid.api.comments`).

Names, messages and paths come from the pull request's own code. So each stands in a code span, in a fenced block, or
escaped in an HTML `<code>`: forges look for neither markup nor mentions nor references there. Nothing else is theirs.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterable, Iterator
from typing import Final

from raibid.forge.wording import duration, job_url
from raibid.model.findings import one_line
from raibid.model.job import Job, JobStatus, Report
from raibid.model.report import Annotation, Case, Tested

MOST_BYTES: Final = 60_000
"""GitHub refuses bodies over 65,536 characters; whoever delivers this adds a marker."""
_NAME: Final = 160
_LINE: Final = 400
_MESSAGE: Final = 2_000
_FOLDED: Final = 20
_SHA: Final = 10
_VERDICTS: Final[dict[JobStatus, str]] = {
    JobStatus.SUCCESS: "Built",
    JobStatus.FAILED: "Failed",
    JobStatus.CANCELLED: "Cancelled",
    JobStatus.DEAD: "Infrastructure failed",
}


def comment_of(job: Job, public_url: str) -> str:
    """The comment; empty if the build reported neither tests nor remarks: the commit's status says the rest.

    `public_url`: where people reach the API; empty: no link.
    """
    report = job.report
    if report is None or not (report.tests or report.annotations):
        return ""
    return _within(_blocks(job, report, public_url), MOST_BYTES)


def nothing_left(job: Job, public_url: str) -> str:
    """In the place of an older build's comment, whose findings are gone."""
    return f"{_verdict(job, public_url)}\n\nThis build reported neither tests nor remarks."


def code(text: str, limit: int = _NAME) -> str:
    """Text of strangers as a code span: one line, and no run of backticks in it can end it."""
    shown = one_line(" ".join(text.split()), limit) or "(nothing)"
    fence = "`" * (_longest_run(shown) + 1)
    pad = " " if shown.startswith("`") or shown.endswith("`") else ""
    return f"{fence}{pad}{shown}{pad}{fence}"


def block(text: str, limit: int = _MESSAGE) -> str:
    """Text of strangers as a fenced block, which no line of it can end."""
    cut = text if len(text) <= limit else text[:limit] + "…"
    lines = [one_line(line.expandtabs(4), limit) for line in cut.splitlines()]
    fence = "`" * max(3, _longest_run(cut) + 1)
    return "\n".join([f"{fence}text", *lines, fence])


def _longest_run(text: str) -> int:
    return max(map(len, re.findall("`+", text)), default=0)


def _blocks(job: Job, report: Report, public_url: str) -> Iterator[str]:
    """What there is to say, the most important first."""
    yield _verdict(job, public_url)
    tests = report.tests or Tested()
    if tests.total:
        yield f"{tests.sentence}."
    if tests.failures:
        yield "#### Failed tests"
        yield from map(_failure, tests.failures)
        yield from _more(tests.failed - len(tests.failures))
    if report.annotations:
        yield "#### Errors and warnings"
        yield from map(_remark, report.annotations)
        yield from _more(report.annotations_left_out)
    if tests.flakes:
        yield _folded(f"Flaky: {tests.flaky}", tests.flakes)
    if tests.slowest:
        yield _folded("Slowest tests", tests.slowest)


def _verdict(job: Job, public_url: str) -> str:
    words = f"**{_VERDICTS.get(job.status, str(job.status).capitalize())}**"
    if job.started and job.finished:
        words += f" after {duration(job.finished - job.started)}"
    if job.reason:
        words += f": {code(job.reason, _LINE)}"
    parts = [words]
    if public_url:
        parts.append(f"[job {job.id}]({job_url(public_url, job.id)})")
    if job.spec.sha:
        parts.append(code(job.spec.sha[:_SHA]))
    return " · ".join(parts)


def _failure(case: Case) -> str:
    headline = f"- {_seconds(case)} {_named(case)}"
    return f"{headline}\n\n{block(case.message)}" if case.message.strip() else headline


def _named(case: Case) -> str:
    names = " ".join(code(name) for name in (case.suite, case.name) if name)
    return f"{names}, {case.runs} runs" if case.runs > 1 else names


def _remark(remark: Annotation) -> str:
    level = "error" if remark.level == "error" else "warning"
    rule = f" {code(remark.code)}" if remark.code else ""
    place = code(f"{one_line(remark.file, _NAME)}:{remark.line}", _LINE)
    return f"- {level} at {place}{rule}: {code(remark.message, _LINE)}"


def _folded(title: str, cases: Iterable[Case]) -> str:
    """A list that is closed until somebody opens it. HTML without an empty line: no Markdown is looked for in it."""
    listed = list(cases)[:_FOLDED]
    rows = [f"<li>{_seconds(case)} {_named_in_html(case)}</li>" for case in listed]
    return "\n".join([f"<details><summary>{title}</summary><ul>", *rows, "</ul></details>"])


def _named_in_html(case: Case) -> str:
    shown = (one_line(" ".join(name.split()), _NAME) for name in (case.suite, case.name) if name)
    names = " ".join(f"<code>{html.escape(name)}</code>" for name in shown)
    return f"{names}, {case.runs} runs" if case.runs > 1 else names


def _more(count: int) -> Iterator[str]:
    if count > 0:
        yield f"… and {count} more."


def _seconds(case: Case) -> str:
    return f"{case.seconds:.2f} s"


def _within(blocks: Iterable[str], limit: int) -> str:
    """The first blocks, as many as fit, with a word on the rest."""
    cut = "… There is more than a comment takes."
    kept: list[str] = []
    room = limit - len(cut.encode()) - 2
    for text in blocks:
        room -= len(text.encode()) + 2
        if room < 0:
            kept.append(cut)
            break
        kept.append(text)
    return "\n\n".join(kept) + "\n"
