"""`raibid run`, `cancel`, `retry`, `approve`: changing what happens to jobs."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from cyclopts import Parameter

from raibid.cli.client import Client
from raibid.cli.errors import CliError
from raibid.cli.logs import follow_job
from raibid.cli.output import PLAIN, Output, line
from raibid.contract import ExitCode

Wait = Annotated[bool, Parameter(name=["--wait", "-w"], negative=())]


class Standing(msgspec.Struct, frozen=True):
    """A job's id and status, as the API answers a change."""

    id: str
    status: str
    created: bool = True


def run(
    repo: str,
    /,
    *,
    clone_url: str,
    ref: str = "main",
    sha: str = "",
    param: Annotated[tuple[str, ...], Parameter(negative=())] = (),
    priority: Literal["urgent", "high", "normal", "low"] = "normal",
    wait: Wait = False,
    output: Output = PLAIN,
) -> int | None:
    """Start a job by hand.

    For example:
      raibid run acme/anvil --clone-url https://git.example/acme/anvil.git
      raibid run acme/anvil --clone-url https://git.example/acme/anvil.git --ref v1.2 --param PROFILE=release --wait

    Parameters
    ----------
    repo
        The repository's name: owner/name.
    clone_url
        Where the agent clones it from; no credentials in it.
    ref
        Branch, or full ref such as refs/tags/v1.
    sha
        The commit; whatever the ref points to if not given.
    param
        NAME=VALUE for the steps' environment; may be given several times.
    priority
        Who is served first.
    wait
        Follow the log and exit with the job's result.
    """
    body = {
        "repo": repo,
        "clone_url": clone_url,
        "ref": ref if ref.startswith("refs/") else f"refs/heads/{ref}",
        "params": params(param),
        "priority": priority,
        **({"sha": sha} if sha else {}),
    }
    client = Client.from_env()
    return _started(client, client.post("/jobs", Standing, body), output, wait=wait)


def cancel(job: str, /, *, output: Output = PLAIN) -> None:
    """Cancel a job; a running build is stopped at the agent's next heartbeat.

    For example:
      raibid cancel 0r4d0k3n5q1zj8wb

    Parameters
    ----------
    job
        The job's id.
    """
    answer = Client.from_env().post(f"/jobs/{job}/cancel", Standing)
    told = "running: told to stop" if answer.status == "running" else answer.status
    _tell(answer, output, told)


def retry(job: str, /, *, wait: Wait = False, output: Output = PLAIN) -> int | None:
    """A new job like one that has ended: same commit, same parameters.

    For example:
      raibid retry 0r4d0k3n5q1zj8wb --wait

    Parameters
    ----------
    job
        The id of the job that has ended.
    wait
        Follow the new job's log and exit with its result.
    """
    client = Client.from_env()
    return _started(client, client.post(f"/jobs/{job}/retry", Standing), output, wait=wait)


def approve(job: str, /, *, output: Output = PLAIN) -> None:
    """Let a held job into the queue.

    For example:
      raibid approve 0r4d0k3n5q1zj8wb

    Parameters
    ----------
    job
        The job's id.
    """
    answer = Client.from_env().post(f"/jobs/{job}/approve", Standing)
    _tell(answer, output, answer.status)


def _started(client: Client, answer: Standing, output: Output, *, wait: bool) -> int | None:
    if wait:
        output.say(f"job {answer.id}")
        return follow_job(client, answer.id, output)
    _tell(answer, output, answer.status)
    output.say(f"follow it: raibid logs -f {answer.id}")
    return None


def _tell(answer: Standing, output: Output, told: str) -> None:
    if output.json:
        output.emit(answer)
    else:
        line(f"{answer.id}  {told}")


def params(pairs: tuple[str, ...]) -> dict[str, str]:
    """NAME=VALUE pairs as given on the command line. Raises CliError."""
    found: dict[str, str] = {}
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not equals or not name:
            raise CliError(f"--param {pair!r} is not NAME=VALUE", "for example --param PROFILE=release", ExitCode.USAGE)
        found[name] = value
    return found
