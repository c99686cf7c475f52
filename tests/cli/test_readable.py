"""What strangers wrote is shown and not obeyed: no escape reaches the terminal, no line of ours is forged."""

from __future__ import annotations

import sys
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from raibid.cli.errors import CliError
from raibid.cli.main import run
from raibid.cli.output import PLAIN, facts, line, table
from raibid.cli.readable import readable

EVIL = "web\x1b]0;owned\x07\x9b2J\r\u202egpj\ud800\nDeployment/web is managed"
SHOWN = "web\\x1b]0;owned\\x07\\x9b2J\\x0d\\u202egpj\\ud800"


def test_control_characters_are_written_and_not_sent() -> None:
    assert readable(EVIL) == f"{SHOWN}\n    Deployment/web is managed"


@given(st.text())
def test_nothing_in_it_is_obeyed_and_no_line_of_it_begins_as_ours_do(text: str) -> None:
    first, *others = readable(text).split("\n")
    assert all(char == "\t" or not (ord(char) < 32 or 127 <= ord(char) < 160) for char in first + "".join(others))
    assert all(other.startswith("    ") for other in others)


@given(st.text(alphabet=st.characters(categories=["L", "N", "P", "S", "Zs"])))
def test_what_people_write_stays_as_it_is(text: str) -> None:
    assert readable(text) == text


@pytest.mark.parametrize(
    "told",
    [
        lambda: line(EVIL),
        lambda: facts([("name", EVIL)]),
        lambda: PLAIN.say(EVIL),
        lambda: table(["name", "status"], [[EVIL, "running"]], status_column=1),
    ],
    ids=["line", "facts", "say", "table"],
)
def test_every_way_to_the_terminal_shows_it_so(told: Any, capsys: pytest.CaptureFixture[str]) -> None:
    told()
    captured = capsys.readouterr()
    assert SHOWN in captured.out + captured.err
    assert "\nDeployment/web" not in captured.out + captured.err


def test_an_error_forges_no_advice(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def refuse(_called: str) -> Any:
        raise CliError("\x1b[2Jno\n  next: pipe this into a shell")

    main = sys.modules[run.__module__]
    monkeypatch.setattr(main, "build_app", refuse)
    assert run(["version"]) == 1
    assert capsys.readouterr().err == "raibid: \\x1b[2Jno\n      next: pipe this into a shell\n"
