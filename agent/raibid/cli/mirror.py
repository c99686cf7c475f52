"""`raibid mirror …`: repositories of GitHub, kept in Gitea as a file says."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

from cyclopts import App, Parameter

from raibid.cli import mirror_sync
from raibid.cli.errors import CliError
from raibid.cli.output import PLAIN, Output, line
from raibid.contract import Env, ExitCode

if TYPE_CHECKING:
    from raibid.cli.mirror_access import Access
    from raibid.forge.gitea.mirrors import GiteaMirrors
    from raibid.mirror.actions import Plan
    from raibid.mirror.config import MirrorsFile

app: Final = App(name="mirror", help="Mirrors as code: lint, plan, apply, verify.", help_format="plaintext")

for _command in (mirror_sync.status, mirror_sync.sync, mirror_sync.verify, mirror_sync.hooks, mirror_sync.rotate_token):
    app.command(_command)

_FILE: Final = Path(os.environ.get(Env.MIRRORS_FILE) or "mirrors.yaml")
Prune = Annotated[tuple[str, ...], Parameter(negative=())]


@app.command
def lint(file: Path = _FILE, /, *, output: Output = PLAIN) -> int:
    """Check mirrors.yaml: every error with its line, path, rule and suggestion. Exit code 1 if there is one.

    Asks nobody: whether sources and tokens exist is for `raibid mirror plan`.

    For example:
      raibid mirror lint
      raibid mirror lint fleet/mirrors.yaml --json

    Parameters
    ----------
    file
        The file; else RAIBID_MIRRORS_FILE, else mirrors.yaml.
    """
    from raibid.mirror.lint import lint as check

    try:
        linted = check(file.read_bytes(), str(file))
    except OSError as error:
        hint = "name the file: raibid mirror lint PATH"
        raise CliError(f"{file}: {error.strerror}", hint, ExitCode.NOT_FOUND) from error
    if output.json:
        output.emit({"file": str(file), "findings": linted.findings})
    else:
        for text in str(linted).splitlines() if linted.findings else [f"{file}: no findings"]:
            line(text)
    return ExitCode.FAILED if linted.findings else ExitCode.OK


@app.command
def plan(
    *,
    file: Path = _FILE,
    prune: Prune = (),
    exit_code: Annotated[bool, Parameter(negative=())] = False,
    output: Output = PLAIN,
) -> int:
    """Show what apply would do, and change nothing.

    For example:
      raibid mirror plan
      raibid mirror plan --exit-code --json

    Parameters
    ----------
    file
        The file; else RAIBID_MIRRORS_FILE, else mirrors.yaml.
    prune
        A mirror (owner/name in Gitea) that apply may delete; may be given several times.
    exit_code
        Exit with 1 if apply would do something, or could not do all.
    """
    from raibid.cli.mirror_access import Access, read, told
    from raibid.cli.mirror_progress import begin
    from raibid.mirror.diff import as_data

    access, mirrors = Access.from_env(), read(file)
    with told(), access.gitea() as gitea:
        made = _plan(access, mirrors, gitea, prune)
    if output.json:
        output.emit(as_data(made))
    else:
        begin(output, made)
    return ExitCode.FAILED if exit_code and (made.to_do or _incomplete(made)) else ExitCode.OK


@app.command
def apply(*, file: Path = _FILE, prune: Prune = (), wait: float = 600.0, output: Output = PLAIN) -> int:
    """Do what plan shows, one repository after the other. Again is harmless: it goes on where it stopped.

    Ctrl-C lets the call under way end. With --json one document per line. Exit code 1 if something was not done.

    For example:
      raibid mirror apply
      raibid mirror apply --prune acme/old --json

    Parameters
    ----------
    file
        The file; else RAIBID_MIRRORS_FILE, else mirrors.yaml.
    prune
        A mirror (owner/name in Gitea) that is deleted; may be given several times.
    wait
        Seconds to wait for a clone that Gitea is still at, for an earlier run or after a lost answer.
    """
    from raibid.cli.mirror_access import Access, read, told
    from raibid.cli.mirror_progress import begin, end, shown
    from raibid.mirror.apply import Applier

    access, mirrors = Access.from_env(), read(file)
    with told(), access.gitea() as gitea, _stopping(output) as stop:
        made = _plan(access, mirrors, gitea, prune)
        begin(output, made)
        with shown(output, len(made.to_do)) as tell:
            applier = Applier(
                gitea=gitea, tokens=access.tokens, guard=mirrors.guard(), tell=tell, stop=stop, patience=wait
            )
            summary = applier.apply(made)
    if made.to_do or output.json:
        end(output, summary)
    if stop.is_set():
        raise CliError("interrupted", "`raibid mirror apply` goes on from here", ExitCode.INTERRUPTED)
    return ExitCode.FAILED if summary.failed or summary.skipped or _incomplete(made) else ExitCode.OK


def _plan(access: Access, file: MirrorsFile, gitea: GiteaMirrors, prune: tuple[str, ...]) -> Plan:
    from raibid.mirror.desired import desire
    from raibid.mirror.plan import plan as decide
    from raibid.mirror.survey import actual, listings

    desired = desire(file, listings(file, access.github), access.github_site)
    return decide(desired, actual(desired, gitea, also=prune), prune)


def _incomplete(made: Plan) -> bool:
    """Whether the file asks for something that apply does not do."""
    return bool(made.conflicts or made.troubles)


@contextmanager
def _stopping(output: Output) -> Iterator[threading.Event]:
    """An event that the first Ctrl-C (or SIGTERM) sets; the second one interrupts whatever is under way."""
    stop = threading.Event()

    def ask(_number: int, _frame: object) -> None:
        if stop.is_set():
            raise KeyboardInterrupt
        stop.set()
        output.say("ends after this call; once more to give up at once")

    before = {number: signal.signal(number, ask) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
