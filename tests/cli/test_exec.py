"""`raibid exec`: the agent's code, at a desk."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

from raibid.contract import ExitCode

EXEC = [sys.executable, "-m", "raibid.cli", "exec"]


def pipeline(at: Path, run: str) -> Path:
    (at / ".raibid.yaml").write_text(f"steps:\n  - name: only\n    run: {run}\n")
    return at


def test_it_exits_with_the_builds_result(tmp_path: Path) -> None:
    codes = [
        subprocess.run([*EXEC, str(pipeline(tmp_path, run))], check=False).returncode for run in ("true", "exit 3")
    ]
    assert codes == [ExitCode.OK, ExitCode.FAILED]


def test_ctrl_c_is_interrupted_and_not_a_failed_build(tmp_path: Path) -> None:
    at = pipeline(tmp_path, "echo under way; sleep 60")
    with subprocess.Popen([*EXEC, str(at)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout
        assert any(line == "under way\n" for line in process.stdout)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=30)
    assert process.returncode == ExitCode.INTERRUPTED
    assert err == "raibid: interrupted\n"
    assert "agent stopped" not in out
