"""`raibid reconcile`: have the forges looked at now, and see what was healed."""

from __future__ import annotations

import time
from typing import Annotated, Any, Final
from urllib.parse import quote

import msgspec
from cyclopts import Parameter

from raibid.cli.client import Client
from raibid.cli.errors import CliError
from raibid.cli.output import PLAIN, Output, ago, duration, line, table
from raibid.contract import ExitCode

_LOOK_SECONDS: Final = 0.5
_PATIENCE: Final = 900.0
"""Seconds: 500 questions at each of two forges, a second each, are 1,000; more than a period is nobody's to watch."""


class _Settled(msgspec.Struct, frozen=True):
    ref: str
    sha: str
    outcome: str
    job: str = ""
    reason: str = ""


class _Look(msgspec.Struct, frozen=True):
    forge: str
    repo: str
    heads: int = 0
    settled: tuple[_Settled, ...] = ()
    left: int = 0
    unusable: tuple[str, ...] = ()
    skipped: str = ""


class _Looks(msgspec.Struct, frozen=True):
    process: str
    round: int
    looks: tuple[_Look, ...] = ()


class _Healed(msgspec.Struct, frozen=True):
    at: float
    repo: str
    ref: str
    sha: str
    job: str
    outcome: str


class _ForgeRound(msgspec.Struct, frozen=True):
    forge: str
    at: float
    seconds: float
    repositories: int
    looked: int
    heads: int
    questions: int
    outcomes: dict[str, int]
    errors: tuple[str, ...]
    oldest: float


class _Report(msgspec.Struct, frozen=True):
    process: str
    round: int
    forges: tuple[_ForgeRound, ...]
    healed: tuple[_Healed, ...]


def reconcile(
    repo: str = "", /, *, last: Annotated[bool, Parameter(negative=())] = False, output: Output = PLAIN
) -> None:
    """Compare the forges' heads with what was built, now, and build what no webhook brought.

    The API does so every few minutes by itself.

    For example:
      raibid reconcile acme/anvil
      raibid reconcile --last

    Parameters
    ----------
    repo
        One repository, owner/name; all of them without.
    last
        Ask no forge: what the last round found.
    """
    client = Client.from_env()
    if repo:
        _one(client, repo, output)
        return
    if not last:
        _wait_for(client, client.post("/reconcile", _Looks), output)
    if output.json:
        output.emit(client.get("/reconcile", dict[str, Any]))
    else:
        _show(client.get("/reconcile", _Report))


def _one(client: Client, repo: str, output: Output) -> None:
    path = f"/reconcile?repo={quote(repo, safe='')}"
    if output.json:
        output.emit(client.post(path, dict[str, Any]))
        return
    for look in client.post(path, _Looks).looks:
        if look.skipped:
            output.say(look.skipped)
            continue
        line(f"{look.repo} at {look.forge}: heads {look.heads}, moved {len(look.settled)}")
        for text in look.unusable:
            output.say(text)
        if look.left:
            output.say(f"{look.left} heads that moved are left for the next round: a look asks a forge only so much")
        if look.settled:
            rows = ((one.ref, one.sha[:12], one.outcome, one.job or one.reason) for one in look.settled)
            table(("ref", "commit", "outcome", "job"), rows)


def _wait_for(client: Client, wish: _Looks, output: Output) -> None:
    """Until a round that began after the wish has ended.

    Raises:
        CliError: nobody will say so (the process that was asked is gone, or another one answers now), or not in time.
    """
    deadline = time.monotonic() + _PATIENCE
    said = False
    while (report := client.get("/reconcile", _Report)).round < wish.round or report.process != wish.process:
        if report.process != wish.process:
            raise CliError(
                "another process of the API answers now: it restarted, or there are several",
                "see `raibid reconcile --last`, or ask again; the API looks by itself every few minutes",
                ExitCode.UNAVAILABLE,
            )
        if time.monotonic() >= deadline:
            raise CliError(
                f"the round has not ended after {duration(_PATIENCE)}",
                "the API goes on with it: see `raibid reconcile --last` later",
                ExitCode.UNAVAILABLE,
            )
        if not said:
            output.say("asking the forges")
            said = True
        time.sleep(_LOOK_SECONDS)


def _show(report: _Report) -> None:
    if not report.forges:
        line("no forge is reconciled: none has an address and credentials, or no round has ended yet")
        return
    table(
        ("forge", "when", "took", "repositories", "looked at", "heads", "moved", "oldest look"),
        (
            (
                one.forge, ago(one.at), duration(one.seconds), str(one.repositories), str(one.looked), str(one.heads),
                ", ".join(f"{count} {outcome}" for outcome, count in sorted(one.outcomes.items())) or "none",
                ago(one.oldest) or "never",
            )
            for one in report.forges
        ),
    )  # fmt: skip
    for one in report.forges:
        for text in one.errors:
            line(f"{one.forge}: {text}", "yellow")
    if report.healed:
        line("")
        rows = ((ago(one.at), one.repo, one.ref, one.sha[:12], one.outcome, one.job) for one in report.healed)
        table(("healed", "repository", "ref", "commit", "outcome", "job"), rows)
