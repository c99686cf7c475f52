"""`raibid logs`: a job's log, as it is or as it comes."""

from __future__ import annotations

import codecs
from typing import Annotated

from cyclopts import Parameter

from raibid.cli.client import Client
from raibid.cli.follow import exit_code, follow
from raibid.cli.output import PLAIN, Output, log_writer
from raibid.model.job import JobStatus


def logs(
    job: str,
    /,
    *,
    follow_: Annotated[bool, Parameter(name=["--follow", "-f"], negative=())] = False,
    output: Output = PLAIN,
) -> int | None:
    """Print a job's log; with -f, as it comes, until the job ends.

    For example:
      raibid logs 0r4d0k3n5q1zj8wb > build.log
      raibid logs -f 0r4d0k3n5q1zj8wb && deploy

    Parameters
    ----------
    job
        The job's id.
    follow_
        Stay until the job ends and exit with its result: 0 success, 1 failed, 3 cancelled, 4 dead.
        Lost connections are resumed where they broke.
    """
    client = Client.from_env()
    if follow_:
        return follow_job(client, job, output)
    with client.text(f"/jobs/{job}/logs", {"format": "text", "follow": "false"}) as reply:
        if output.json:
            output.emit({"id": job, "log": reply.content.decode(errors="replace")})
            return None
        show, text = log_writer(), codecs.getincrementaldecoder("utf-8")(errors="replace")
        for chunk in reply.iter_content(65_536):
            show(text.decode(chunk))
    return None


def follow_job(client: Client, job: str, output: Output) -> int:
    """Follow a log on stdout; the exit code of the job's result."""
    status, log = follow_status(client, job, output)
    if output.json:
        output.emit({"id": job, "status": str(status), "log": log})
    else:
        output.say(f"job {job}: {status}")
    return exit_code(status)


def follow_status(client: Client, job: str, output: Output) -> tuple[JobStatus, str]:
    """Follow a log: on stdout, or collected with --json. How the job ended, and what was collected."""
    collected: list[str] = []
    status = follow(client, job, collected.append if output.json else log_writer(), lost=output.say)
    return status, "".join(collected)
