"""What people are told of jobs that ended. Pure.

Owns: the words, and which endings are told together: a flood is no news.
Leaves to others: who is to hear (`raibid.forge.notify`), delivery and its failures (`notifications.py`, `targets.py`).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import groupby
from typing import Final

from raibid.forge.notify import Ending
from raibid.forge.wording import job_url
from raibid.model.job import Job
from raibid.model.pull_request_event import pull_number

OLD_SECONDS: Final = 3600.0
"""What ended longer ago is not told one by one any more."""
MOST_SINGLE: Final = 10
"""More at once are told together."""
_MOST_LINES: Final = 20
_LONGEST: Final = 300


class Mood(StrEnum):
    """How a message is coloured, where a target has colours."""

    GOOD = "good"
    BAD = "bad"
    NEITHER = "neither"


@dataclass(frozen=True)
class Notice:
    """A job that ended."""

    place: str
    """In the event stream."""
    at: float
    ending: Ending
    job: Job


@dataclass(frozen=True)
class Message:
    """What a target is sent. Everything up to `place` is then told."""

    place: str
    title: str
    body: str
    mood: Mood


_MOODS: Final = {
    Ending.SUCCESS: Mood.GOOD,
    Ending.FIXED: Mood.GOOD,
    Ending.FAILED: Mood.BAD,
    Ending.DEAD: Mood.BAD,
    Ending.CANCELLED: Mood.NEITHER,
}


def messages(notices: Sequence[Notice], *, now: float, public_url: str) -> list[Message]:
    """Notices, in order, as messages: single ones, except where they are old or many. The places ascend."""
    old = [notice for notice in notices if notice.at < now - OLD_SECONDS]
    fresh = notices[len(old) :]
    if len(fresh) > MOST_SINGLE:
        old, fresh = list(notices), []
    together = [_summary(old, public_url)] if len(old) > 1 else [_single(notice, public_url) for notice in old]
    return [*together, *(_single(notice, public_url) for notice in fresh)]


def _single(notice: Notice, public_url: str) -> Message:
    job, spec = notice.job, notice.job.spec
    author = f"by {spec.author}" if spec.author else ""
    commit = " ".join(filter(None, (spec.sha[:10], author)))
    lines = (spec.message, commit, job.reason, job_url(public_url, job.id))
    return Message(
        place=notice.place,
        title=_tame(f"{spec.repo} {_branch(job)}: {notice.ending}"),
        body="\n".join(_tame(line) for line in lines if line) or str(notice.ending),
        mood=_MOODS[notice.ending],
    )


def _summary(notices: Sequence[Notice], public_url: str) -> Message:
    by_branch = sorted(notices, key=_home)  # stable: each branch's own stay in order
    lines = [_line(list(group), public_url) for _, group in groupby(by_branch, _home)]
    left_out = len(lines) - _MOST_LINES
    more = [f"and {left_out} more branches"] if left_out > 0 else []
    moods = {_MOODS[notice.ending] for notice in notices}
    return Message(
        place=notices[-1].place,
        title=f"{len(notices)} builds ended: {_counted(notices)}",
        body="\n".join([*lines[:_MOST_LINES], *more]),
        mood=Mood.BAD if Mood.BAD in moods else Mood.NEITHER if Mood.NEITHER in moods else Mood.GOOD,
    )


def _line(notices: Sequence[Notice], public_url: str) -> str:
    last = notices[-1]
    words = f"{last.job.spec.repo} {_branch(last.job)}: {_counted(notices)}; last {last.ending}"
    return _tame(" ".join(filter(None, (words, job_url(public_url, last.job.id)))))


def _counted(notices: Iterable[Notice]) -> str:
    endings = [notice.ending for notice in notices]
    return ", ".join(f"{endings.count(ending)} {ending}" for ending in Ending if ending in endings)


def _home(notice: Notice) -> tuple[str, str]:
    return notice.job.spec.repo, notice.job.spec.branch


def _branch(job: Job) -> str:
    spec = job.spec
    number = pull_number(spec.branch) if spec.event == "pull_request" else 0
    return f"#{number}" if number else spec.branch


def _tame(text: str) -> str:
    """One bounded line in which nobody is called: a commit's message may say `@everyone` or `<!channel>`."""
    line = " ".join(text.split())
    line = line if len(line) <= _LONGEST else line[: _LONGEST - 1] + "…"
    return line.replace("@", "@\u200b").replace("<", "<\u200b")
