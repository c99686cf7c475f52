"""`raibid dead`: jobs whose infrastructure failed as often as it may."""

from __future__ import annotations

from typing import Any, Final

import msgspec
from cyclopts import App

from raibid.cli.client import Client
from raibid.cli.output import PLAIN, Output, line, table
from raibid.cli.steer import Standing

app: Final = App(name="dead", help="Jobs whose infrastructure failed too often.", help_format="plaintext")


class Letter(msgspec.Struct, frozen=True):
    """A dead letter: the stream's entry, the job (none for an entry nobody could read), why."""

    entry: str
    job: str = ""
    reason: str = ""


class Letters(msgspec.Struct, frozen=True):
    """The answer of `GET /dead`."""

    dead: tuple[Letter, ...]


@app.command(name="list")
def list_(*, output: Output = PLAIN) -> None:
    """List dead letters, newest first.

    For example:
      raibid dead list
    """
    client = Client.from_env()
    if output.json:
        output.emit(client.get("/dead", dict[str, Any]))
        return
    letters = client.get("/dead", Letters).dead
    if not letters:
        line("no dead letters", "dim")
        return
    table(("entry", "job", "reason"), ((letter.entry, letter.job, letter.reason) for letter in letters))


@app.command
def requeue(entry: str, /, *, output: Output = PLAIN) -> None:
    """A new job like the dead one, with all its attempts.

    For example:
      raibid dead requeue 1760000000000-0

    Parameters
    ----------
    entry
        The letter's entry, as `raibid dead list` shows it.
    """
    answer = Client.from_env().post(f"/dead/{entry}/requeue", Standing)
    if output.json:
        output.emit(answer)
    else:
        line(f"{answer.id}  {answer.status}")


app.default(list_)
