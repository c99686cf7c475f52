"""`raibid queue`, `limits`, `pause`, `resume`: the queue as a whole."""

from __future__ import annotations

import time
from typing import Annotated, Any, Final

from cyclopts import Parameter

from raibid.cli.client import Client
from raibid.cli.errors import CliError
from raibid.cli.output import PLAIN, Output, facts, line
from raibid.contract import ExitCode
from raibid.ledger.results import Depth

_LOOK_SECONDS: Final = 1.0


def queue(*, output: Output = PLAIN) -> None:
    """How many jobs wait and run, and under which limits.

    For example:
      raibid queue
      raibid queue --json | jq .waiting
    """
    client = Client.from_env()
    if output.json:
        output.emit(client.get("/queue", dict[str, Any]))
        return
    depth = client.get("/queue", Depth)
    facts(
        [
            ("running", str(depth.claimed)),
            ("queued", str(depth.stream - depth.claimed)),
            ("waiting", str(depth.waiting)),
            ("held", str(depth.held)),
            ("dead", str(depth.dead)),
            ("window", f"{depth.stream} of {depth.window} places taken"),
            ("paused", "yes: `raibid resume` goes on" if depth.paused else "no"),
            ("limits", ", ".join(f"{name} {limit}" for name, limit in sorted(depth.limits.items()))),
        ]
    )


def pause(*, drain: Annotated[bool, Parameter(negative=())] = False, output: Output = PLAIN) -> None:
    """Start nothing more; running jobs finish.

    For example:
      raibid pause --drain && reboot

    Parameters
    ----------
    drain
        Return when nothing runs any more.
    """
    client = Client.from_env()
    client.post("/queue/pause", dict[str, Any])
    left = -1
    while drain:
        running = client.get("/queue", Depth).claimed
        if not running:
            break
        if running != left:
            output.say(f"{running} still running")
        left = running
        time.sleep(_LOOK_SECONDS)
    _tell(output, "drained" if drain else "paused")


def resume(*, output: Output = PLAIN) -> None:
    """Undo pause.

    For example:
      raibid resume
    """
    Client.from_env().post("/queue/resume", dict[str, Any])
    _tell(output, "resumed")


def limits(
    *,
    window: int | None = None,
    repo: Annotated[tuple[str, ...], Parameter(negative=())] = (),
    resource: Annotated[tuple[str, ...], Parameter(negative=())] = (),
    output: Output = PLAIN,
) -> None:
    """Show the limits, or change those that are named. They hold until the API starts again.

    For example:
      raibid limits
      raibid limits --repo acme/anvil=2 --resource gpu=1
      raibid limits --repo acme/anvil=        # no limit any more

    Parameters
    ----------
    window
        Jobs at once in all.
    repo
        NAME=COUNT, jobs at once of a repository; `*` for each one not named.
    resource
        NAME=COUNT, jobs at once that need a counted resource.
    """
    client = Client.from_env()
    wanted: dict[str, Any] = {"repositories": _counts(repo), "resources": _counts(resource)}
    if window is not None:
        wanted["window"] = window
    changes = any(value not in (None, {}) for value in wanted.values())
    depth = client.put("/queue/limits", Depth, wanted) if changes else client.get("/queue", Depth)
    if output.json:
        output.emit({"window": depth.window, "limits": depth.limits})
    else:
        facts([("window", str(depth.window)), *((name, str(n)) for name, n in sorted(depth.limits.items()))])


def _counts(pairs: tuple[str, ...]) -> dict[str, int | None]:
    counts: dict[str, int | None] = {}
    for pair in pairs:
        name, equals, count = pair.rpartition("=")
        if not equals or not name or not (count.isdigit() or not count):
            raise CliError(f"{pair!r} is not NAME=COUNT", "for example --repo acme/anvil=2", ExitCode.USAGE)
        counts[name] = int(count) if count else None
    return counts


def _tell(output: Output, state: str) -> None:
    if output.json:
        output.emit({"queue": state})
    else:
        line(f"the queue is {state}")
