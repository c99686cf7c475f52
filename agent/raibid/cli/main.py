"""The table of commands and the one place where their errors become exit codes.

Owns: which commands there are, their groups, parsing, the last word about an error.
Leaves to others: the commands. They are named by import path: `raibid --help` loads none of them, nor what they need
(runtime.md 3.5: fastapi 259 ms, redis 166, boto3 243).
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from typing import Final, NoReturn

from cyclopts import App, CycloptsError, Group

from raibid import __version__
from raibid.cli.errors import CliError
from raibid.contract import ExitCode

_EPILOGUE: Final = """\
Examples:
  raibid up                      # a pool on this machine, and a first build
  raibid up --repo . --once      # build what is committed here
  raibid jobs --status failed    # newest first
  raibid logs -f JOB             # follow; exits with the job's result
  raibid why JOB                 # its place in the queue, what it waits for

Every command knows --help and --json.
Exit codes: 0 done, 1 failed, 2 usage, 3 cancelled, 4 dead, 5 unavailable,
6 refused, 7 not found, 8 unmanaged, 9 contested, 130 interrupted (docs/cli.md).
"""

_HERE: Final = Group.create_ordered("On this machine")
_JOBS: Final = Group.create_ordered("Jobs")
_QUEUE: Final = Group.create_ordered("The queue")
_SERVICES: Final = Group.create_ordered("Parts of the pool")
_FORGES: Final = Group.create_ordered("Forges")
_OTHER: Final = Group.create_ordered("Other")

COMMANDS: Final[Sequence[tuple[Group, str, str, str]]] = (
    (_HERE, "up", "raibid.cli.up:up", "Start the pool on this machine and build a repository with it."),
    (_HERE, "exec", "raibid.cli.pipeline:exec_", "Run a repository's pipeline here, by the agent's own code."),
    (_HERE, "lint", "raibid.cli.pipeline:lint", "Check a pipeline file; every error with line, rule and suggestion."),
    (_JOBS, "jobs", "raibid.cli.jobs:jobs", "List jobs, newest first."),
    (_JOBS, "show", "raibid.cli.jobs:show", "One job: where it stands, its steps, its times."),
    (_JOBS, "logs", "raibid.cli.logs:logs", "A job's log; -f follows it and exits with the job's result."),
    (_JOBS, "why", "raibid.cli.jobs:why", "Why a job is where it is."),
    (_JOBS, "run", "raibid.cli.steer:run", "Start a job by hand."),
    (_JOBS, "cancel", "raibid.cli.steer:cancel", "Cancel a job; a running build is stopped."),
    (_JOBS, "retry", "raibid.cli.steer:retry", "A new job like one that has ended."),
    (_JOBS, "approve", "raibid.cli.steer:approve", "Let a held job into the queue."),
    (_QUEUE, "queue", "raibid.cli.queue:queue", "How many jobs wait and run, and under which limits."),
    (_QUEUE, "limits", "raibid.cli.queue:limits", "Show or change how many jobs may run at once."),
    (_QUEUE, "pause", "raibid.cli.queue:pause", "Start nothing more; --drain waits until nothing runs."),
    (_QUEUE, "resume", "raibid.cli.queue:resume", "Undo pause."),
    (_QUEUE, "dead", "raibid.cli.dead:app", "Jobs whose infrastructure failed too often."),
    (_SERVICES, "api", "raibid.cli.services:api", "Run the webhook and job API."),
    (_SERVICES, "agent", "raibid.cli.services:agent", "Run an agent: one job, then exit."),
    (_SERVICES, "controller", "raibid.cli.services:controller", "Watch the agents' pods; without KEDA, start them."),
    (_SERVICES, "scaler", "raibid.cli.scaler:app", "The local scaler, the scaling doctor, the simulator."),
    (_FORGES, "reconcile", "raibid.cli.reconcile:reconcile", "Build what no webhook brought; what was healed."),
    (_FORGES, "cron", "raibid.cli.cron:cron", "What is built when, without anybody's push."),
    (_FORGES, "mirror", "raibid.cli.mirror:app", "Mirrors as code: lint, plan, apply, verify."),
    (_FORGES, "gitops", "raibid.cli.gitops:app", "Change the cluster in Git: owner, set, watch, rollback, log."),
    (_OTHER, "version", "raibid.cli.meta:version", "The version of raibid."),
    (_OTHER, "completion", "raibid.cli.meta:completion", "Print the completion script of a shell."),
)
_NAMES: Final = [name for _, name, _, _ in COMMANDS]


def build_app(called: str = "") -> App:
    """The application. Only the `called` command is imported, to show its own help and not the table's line."""
    app = App(
        name="raibid",
        help="A self-hosted CI agent pool: a git push becomes a finished build.",
        help_epilogue=None if called in _NAMES else _EPILOGUE,
        help_format="plaintext",
        version=__version__,
        version_flags=["--version"],
        suppress_keyboard_interrupt=False,  # `run` says "interrupted"; cyclopts would exit without a word
    )
    app["--help"].group = _OTHER
    app["--version"].group = _OTHER
    for group, name, path, help_ in COMMANDS:
        app.command(path, name=name, help=help_, group=group, sort_key=_NAMES.index(name))
        if name == called and not path.endswith(":app"):
            app[name].help = None
    return app


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run `raibid` and exit."""
    try:
        code = run(sys.argv[1:] if arguments is None else arguments)
        sys.stdout.flush()
    except BrokenPipeError:
        # `raibid jobs | head` closed the pipe: nobody reads on, which is not an error. Python's own flush at exit
        # would complain once more, so stdout goes nowhere from here.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = ExitCode.OK
    sys.exit(code)


def run(arguments: Sequence[str]) -> int:
    """Run `raibid`; its exit code. Errors are told on stderr, never as a traceback (but see RAIBID_DEBUG)."""
    try:
        app = build_app(next(iter(arguments), ""))
        result = app(
            list(arguments), exit_on_error=False, print_error=False, result_action="return_value", verbose=False
        )
        return result if isinstance(result, int) else ExitCode.OK
    except KeyboardInterrupt:
        return _tell("interrupted", "", ExitCode.INTERRUPTED)
    except CycloptsError as error:
        return _tell(str(error), " ".join(["raibid", *(error.command_chain or ()), "--help"]), ExitCode.USAGE)
    except CliError as error:
        return _tell(str(error), error.hint, error.code)
    except BrokenPipeError:
        raise
    except Exception as error:  # the program's edge: what nobody foresaw still ends in a sentence
        if os.environ.get("RAIBID_DEBUG"):
            raise
        return _tell(
            f"{type(error).__name__}: {error}", "RAIBID_DEBUG=1 shows where; please report it", ExitCode.FAILED
        )


def _tell(message: str, hint: str, code: int) -> int:
    from raibid.cli.readable import readable

    sys.stderr.write(f"raibid: {readable(message)}\n")
    if hint:
        sys.stderr.write(f"  next: {readable(hint)}\n")
    return code
