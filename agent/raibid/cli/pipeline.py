"""`raibid lint`, `raibid exec`: a repository's pipeline, checked and run on this machine.

Owns: reading the file, telling what came of it.
Leaves to others: the rules (`raibid.model`), running the steps, which is the agent's own code (`raibid.worker`).
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from raibid.cli.errors import CliError
from raibid.cli.output import PLAIN, Output, line, log_writer
from raibid.cli.steer import params
from raibid.contract import PIPELINE_FILE, ExitCode

if TYPE_CHECKING:
    from raibid.model.job import JobSpec


def lint(file: Path = Path(PIPELINE_FILE), /, *, output: Output = PLAIN) -> int:
    """Check a pipeline file: every error with its line, path, rule and suggestion. Exit code 1 if there is one.

    For example:
      raibid lint
      raibid lint examples/.raibid.yaml --json

    Parameters
    ----------
    file
        The pipeline file.
    """
    from raibid.model.lint import lint as check

    try:
        linted = check(file.read_bytes(), str(file))
    except OSError as error:
        raise CliError(
            f"{file}: {error.strerror}", f"name the file: raibid lint PATH/{PIPELINE_FILE}", ExitCode.NOT_FOUND
        ) from error
    if output.json:
        output.emit({"file": str(file), "findings": linted.findings})
    elif linted.findings:
        for text in str(linted).splitlines():
            line(text)
    else:
        line(f"{file}: no findings")
    return ExitCode.FAILED if linted.findings else ExitCode.OK


def exec_(
    directory: Path = Path(),
    /,
    *,
    file: Path | None = None,
    param: Annotated[tuple[str, ...], Parameter(negative=())] = (),
    output: Output = PLAIN,
) -> int:
    """Run a directory's pipeline here and now, in place, by the agent's own code; exit with its result.

    Steps get the environment they would get in the pool, built from scratch; RAIBID_PASS_ENV names more.

    For example:
      raibid exec
      raibid exec ~/src/anvil --param PROFILE=release

    Parameters
    ----------
    directory
        The checkout, as it is, uncommitted changes included.
    file
        Another pipeline file than the directory's own.
    param
        NAME=VALUE for the steps' environment; may be given several times.
    """
    from raibid.local.install import toolchain
    from raibid.model.job import JobStatus
    from raibid.worker.config import AgentConfig
    from raibid.worker.errors import AgentError, InterruptedBuildError
    from raibid.worker.pipeline_run import run_local
    from raibid.worker.stop import Stop, StopReason, signals

    if not directory.is_dir():
        raise CliError(f"{directory}: no such directory", "name the checkout", ExitCode.NOT_FOUND)
    spec = _spec(directory.resolve(), params(param))
    terminal = _Terminal(shown=not output.json)
    try:
        config = AgentConfig.from_env({**os.environ, **toolchain()})
        with Stop() as stop, signals(stop, StopReason.CANCELLED):
            result = run_local(directory.resolve(), terminal, config=config, spec=spec, file=file, stop=stop)
            stop.check()
    except InterruptedBuildError as error:
        raise KeyboardInterrupt from error
    except (AgentError, ValueError) as error:
        raise CliError(str(error), "this machine failed, not the build") from error
    if output.json:
        output.emit({"status": result.outcome, "report": result.report, "log": terminal.text})
    elif result.report.reason:
        line(result.report.reason, "bold")
    return ExitCode.OK if result.outcome is JobStatus.SUCCESS else ExitCode.FAILED


class _Terminal:
    """The agent's log sink: straight to stdout, or kept for --json."""

    def __init__(self, *, shown: bool) -> None:
        self._show = log_writer() if shown else None
        self._kept: list[bytes] = []

    def step(self, name: str) -> None:
        """Steps are seen by their headers."""

    def write(self, text: bytes) -> None:
        """Take some log text."""
        if self._show:
            self._show(text.decode(errors="replace"))
        else:
            self._kept.append(text)

    @property
    def text(self) -> str:
        """What was kept."""
        return b"".join(self._kept).decode(errors="replace")


def _spec(directory: Path, given: dict[str, str]) -> JobSpec:
    """The job this directory would be; branch and commit for the steps' filters and variables, if it has them."""
    from raibid.local.errors import RepositoryError
    from raibid.local.git import git
    from raibid.model.job import JobSpec

    try:
        branch, sha = git("rev-parse", "--abbrev-ref", "HEAD", at=directory), git("rev-parse", "HEAD", at=directory)
    except RepositoryError:
        branch, sha = "main", ""  # no repository, or one without a commit: its pipeline runs all the same
    return JobSpec(
        repo=f"local/{directory.name}",
        clone_url=directory.as_uri(),
        ref=f"refs/heads/{branch}",
        sha=sha,
        event="manual",
        params=given,
    )
