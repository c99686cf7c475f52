"""`raibid gitops log`: who changed what, when it landed, what was taken back.

Owns: the command's options, the table.
Leaves to others: the list itself (`raibid.gitops.history`).
"""

from __future__ import annotations

import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

from cyclopts import Parameter

from raibid.cli.errors import CliError
from raibid.cli.output import PLAIN, Output, duration, line
from raibid.contract import ExitCode

if TYPE_CHECKING:
    from raibid.gitops.change.checkout import Checkout
    from raibid.gitops.history.gather import BranchLog
    from raibid.gitops.history.log import Row
    from raibid.gitops.owner.ownership import Place

_HEADINGS: Final = ("time", "commit", "state", "landed", "who", "object", "what")
_SHORT: Final = 12
_WIDEST: Final = 40
_SAID: Final = 120
"""Characters of an applier's words; --json has all."""
_AGO: Final = re.compile(r"(\d{1,6})([mhdw])")
_UNITS: Final = {"m": "minutes", "h": "hours", "d": "days", "w": "weeks"}


def log(
    about: str = "",
    /,
    *,
    namespace: Annotated[str, Parameter(name=["--namespace", "-n"])] = "default",
    since: str = "",
    limit: int = 20,
    context: str = "",
    output: Output = PLAIN,
) -> None:
    """List who changed what in Git, why, when it was applied and what became of it; newest first.

    States: landed, failing, trying, pending, reverted, superseded; elsewhere: nothing that we see reads those files.

    For example:
      raibid gitops log
      raibid gitops log deployment/raibid-api -n ci --since 7d
      raibid gitops log kustomization/apps -n flux-system --limit 5 --json

    Parameters
    ----------
    about
        KIND/NAME: an object, or an applier for all that it reads; else every branch that is applied.
    namespace
        Its namespace.
    since
        No older commits: 90m, 24h, 7d, 2w, or a date.
    limit
        At most so many of each branch.
    context
        A context of KUBECONFIG, other than its current one.
    """
    from raibid.cli.gitops_access import cluster, told
    from raibid.gitops.history.gather import branch_logs
    from raibid.gitops.kinds import referred

    if limit < 1:
        raise CliError(f"--limit {limit}: must be at least 1", code=ExitCode.USAGE)
    moment = _moment(since, datetime.now(UTC)) if since else None
    with told(), cluster(context) as connected:
        ref = referred(about, namespace, connected.kinds()) if about else None
        logs = branch_logs(connected, ref, lambda place: _clone(place, output), since=moment, limit=limit)
    if output.json:
        output.emit([_as_data(found) for found in logs])
        return
    for found in logs:
        line(f"{found.repository} {found.branch}")
        if found.rows:
            _tell([_HEADINGS, *map(_cells, found.rows)])
        else:
            line(found.note or "no commits")


@contextmanager
def _clone(place: Place, output: Output) -> Iterator[Checkout]:
    from raibid.cli.gitops_access import credentials, settings
    from raibid.gitops.change.checkout import Checkout
    from raibid.gitops.change.fence import git_for
    from raibid.gitops.history.gather import DEPTH

    operators = settings()
    url = operators.reachable(place.repository)
    output.say(f"looking into {url}")
    with tempfile.TemporaryDirectory(prefix="raibid-gitops-") as room:
        git = git_for(operators, credentials())
        yield Checkout.open(url, place.branch, Path(room) / "work", git, depth=DEPTH)


def _moment(since: str, now: datetime) -> datetime:
    ago = _AGO.fullmatch(since)
    try:
        if ago:
            return now - timedelta(**{_UNITS[ago[2]]: int(ago[1])})
        found = datetime.fromisoformat(since)
    except (ValueError, OverflowError) as error:
        hint = "for example 24h, 7d or 2026-11-21"
        raise CliError(f"--since {since}: no time", hint, ExitCode.USAGE) from error
    return found if found.tzinfo else found.astimezone()


def _tell(rows: list[tuple[str, ...]]) -> None:
    """Columns as wide as they must be, the last one as long as it is: seven do not fit into a terminal's width."""
    widths = [min(max(map(len, column)), _WIDEST) for column in zip(*rows, strict=True)]
    for number, row in enumerate(rows):
        cells = [cell if len(cell) <= _WIDEST else f"{cell[: _WIDEST - 1]}…" for cell in row[:-1]]
        padded = [cell.ljust(width) for cell, width in zip(cells, widths, strict=False)]
        line("  ".join([*padded, row[-1]]).rstrip(), "" if number else "bold")


def _cells(row: Row) -> tuple[str, ...]:
    return (
        row.at.astimezone().strftime("%Y-%m-%d %H:%M"),
        row.commit[:_SHORT],
        f"{row.state}{f' by {row.by[:_SHORT]}' if row.by else ''}",
        _landed(row),
        row.who,
        ", ".join(row.objects) or ", ".join(landing.applier for landing in row.landings),
        f"{row.what}{f' ({row.why})' if row.why else ''}{f': {row.message[:_SAID]}' if row.message else ''}",
    )


def _landed(row: Row) -> str:
    if row.landed and row.after is not None:
        return f"{row.landed.astimezone():%H:%M:%S}, after {duration(max(row.after.total_seconds(), 0.1))}"
    known = [landing.at for landing in row.landings if landing.at]
    return f"by {max(known).astimezone():%H:%M:%S}" if known else ""


def _as_data(found: BranchLog) -> dict[str, Any]:
    rows = [
        {
            "at": row.at,
            "commit": row.commit,
            "who": row.who,
            "what": row.what,
            "why": row.why,
            "objects": row.objects,
            "state": row.state,
            "landed": row.landed,
            "after_seconds": row.after.total_seconds() if row.after is not None else None,
            "by": row.by,
            "reverts": row.reverts,
            "rollback_of": row.rollback,
            "message": row.message,
            "appliers": row.landings,
        }
        for row in found.rows
    ]
    return {"repository": found.repository, "branch": found.branch, "log": rows, "note": found.note}
