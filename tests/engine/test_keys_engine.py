"""`python -m components keys` against the real engine, for a stack that needs a cluster."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from components.commands import keys as command
from components.engine import cli as engine
from components.engine import stack_keys
from tests.engine.conftest import make_stack

pytestmark = pytest.mark.engine


def test_the_engine_holds_both_secrets_encrypted_and_a_second_run_changes_nothing(
    program: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    stack = make_stack(program, tmp_path, "dev")
    for name, value in engine.environment(stack.workspace, stack.pulumi.env).items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(command, "ROOT", stack.workspace.path)
    recovery = tmp_path / "recovery.agekey"
    assert command.keys(stack="dev", recovery=recovery) == 0
    written = stack.workspace.stack_file.read_text()
    private = stack.pulumi.run("config", "get", "ageKey", "--stack", "dev").strip()
    recipients = json.loads(stack.pulumi.run("config", "get", "recipients", "--stack", "dev"))
    assert recipients["cluster"] == stack_keys.identity_of(private).public
    assert recipients["recovery"] == stack_keys.identity_of(recovery.read_text()).public
    assert "AGE-SECRET-KEY" not in written
    assert stack.workspace.closed() == {"seed", "ageKey"}
    capsys.readouterr()
    assert command.keys(stack="dev", recovery=recovery) == 0
    assert stack.workspace.stack_file.read_text() == written
    assert "has all its keys" in capsys.readouterr().out
