"""When something is to be built without anybody's push: the enrolment file's `cron` rules. Pure.

Owns: a rule's shape, the times it means, which of them is due.
Leaves to others: the job that a time becomes (`cron.py`), remembering what was seen to (`raibid.ledger.crons`).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from itertools import islice
from typing import Annotated, Final, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from raibid.forge import names
from raibid.forge.errors import PayloadError
from raibid.model.pipeline_types import EnvName

_MADE_UP_FOR: Final = 24 * 3600.0
"""Seconds: a time that was missed by more is let go. Not longer than a dedupe key outlives its job."""


def _schedule(text: str) -> str:
    # Only here: an agent, whose image has no cronsim, imports this file on its way to `names`.
    from cronsim import CronSim, CronSimError

    text = " ".join(text.split())
    if len(text.split(" ")) != 5:
        raise ValueError(f"{text!r} is no schedule: minute, hour, day of month, month, day of week, as in 17 3 * * *")
    try:
        if next(CronSim(text, datetime.now(UTC)), None) is None:
            raise ValueError(f"{text!r} never comes")
    except CronSimError as error:
        raise ValueError(f"{text!r} is no schedule: {error}") from None
    return text


def _timezone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ValueError(f"{name!r} is no time zone; such as Europe/Vienna or UTC") from None
    return name


def _branch(name: str) -> str:
    try:
        return names.ref(f"refs/heads/{name}").removeprefix("refs/heads/")
    except PayloadError:
        raise ValueError(f"{name!r} is no branch: write main or release/1.0") from None


def _clone_url(url: str) -> str:
    try:
        return names.clone_url(url) if url else url
    except PayloadError as error:
        raise ValueError(str(error)) from None


class CronRule(BaseModel):
    """A branch that is built at certain times."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    branch: Annotated[str, AfterValidator(_branch)]
    schedule: Annotated[str, Field(max_length=200), AfterValidator(_schedule)]
    """Five fields as Debian's cron has them; by the minute."""
    timezone: Annotated[str, AfterValidator(_timezone)] = "UTC"
    """Whose clock the schedule means. What falls into the hour that a clock skips comes right after it; what falls
    into the hour it has twice comes once."""
    params: Annotated[Mapping[EnvName, Annotated[str, Field(max_length=4096)]], Field(max_length=64)] = {}
    """Given to the steps as variables."""
    clone_url: Annotated[str, AfterValidator(_clone_url)] = ""
    """Where to clone from; empty: as the forge says, else as the repository's latest job had it."""
    forge: Literal["", "gitea", "github"] = ""
    """Which forge to ask; empty: whichever has the repository."""


@dataclass(frozen=True)
class Schedule:
    """One rule of one repository."""

    repo: str
    rule: CronRule

    @cached_property
    def key(self) -> str:
        """Tells it from every other; the same after a restart and in every API."""
        rule = self.rule
        said = json.dumps([rule.schedule, rule.timezone, sorted(rule.params.items())])
        return f"{self.repo}|{rule.branch}|{hashlib.sha256(said.encode()).hexdigest()[:16]}"

    def times(self, after: float) -> Iterator[float]:
        """Its times after a moment, in Unix seconds."""
        from cronsim import CronSim

        start = datetime.fromtimestamp(after, UTC).astimezone(ZoneInfo(self.rule.timezone))
        return (moment.timestamp() for moment in CronSim(self.rule.schedule, start))

    def next(self, now: float, count: int) -> tuple[float, ...]:
        """The next times from now."""
        return tuple(islice(self.times(now), count))

    def due(self, seen: float, now: float) -> float | None:
        """The latest time that has come since `seen`: of several that were missed one is made up for."""
        latest = None
        for moment in self.times(max(seen, now - _MADE_UP_FOR)):
            if moment > now:
                break
            latest = moment
        return latest
