"""What a change shows before it is made: all of it, and nothing that steers a terminal."""

from __future__ import annotations

import pytest
from raibid.cli.gitops_show import Report, preview
from raibid.cli.output import PLAIN


def test_what_strangers_wrote_does_not_steer_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    preview(PLAIN, Report(["x"], diff="+a: \x1b[2J\tb\r", notes=["\x1b]0;title\a"], warnings=["\x1b[31m"]))
    said = capsys.readouterr()
    assert not {"\x1b", "\r", "\a"} & {*said.out, *said.err}
    assert "+a: " in said.out


@pytest.mark.parametrize("variable", ["NO_COLOR", "TERM"])
def test_without_a_terminal_a_diff_has_no_colours(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    monkeypatch.setenv(variable, "1")
    preview(PLAIN, Report(["x"], diff="--- a\n+++ b\n@@ -1 +1 @@\n-a: 1\n+a: 2\n"))
    assert capsys.readouterr().out == "--- a\n+++ b\n@@ -1 +1 @@\n-a: 1\n+a: 2\n"
