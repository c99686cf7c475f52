"""The wrapper around cargo: people see its remarks, the file has their JSON, the exit code is cargo's."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from raibid.worker.cargo_messages import MOST_BYTES, pass_on

ARTIFACT = b'{"reason":"compiler-artifact","filenames":["libtiny.rlib"]}\n'
DONE = b'{"reason":"build-finished","success":true}\n'


def remark(rendered: str) -> bytes:
    return json.dumps({"reason": "compiler-message", "message": {"rendered": rendered}}).encode() + b"\n"


def wrapped(kept: Path, *command: str, at: Path | None = None) -> subprocess.CompletedProcess[str]:
    wrapper = [sys.executable, "-P", "-m", "raibid.worker.cargo_messages", str(kept)]
    return subprocess.run([*wrapper, *command], cwd=at, capture_output=True, text=True, timeout=100)


def passed_on(*lines: bytes) -> tuple[bytes, bytes]:
    shown: list[bytes] = []
    kept: list[bytes] = []
    pass_on(lines, shown.append, kept.append)
    return b"".join(shown), b"".join(kept)


def test_remarks_are_shown_as_text_and_kept_as_json() -> None:
    assert passed_on(ARTIFACT, remark("warning: odd\n"), DONE) == (b"warning: odd\n", remark("warning: odd\n"))


def test_a_remark_that_cargo_repeats_is_shown_once() -> None:
    shown, kept = passed_on(remark("warning: odd\n"), remark("warning: odd\n"))
    assert (shown, len(kept.splitlines())) == (b"warning: odd\n", 2)


def test_what_a_build_prints_between_the_messages_is_shown() -> None:
    words = [b"running 1 test\n", b'{"json": "but none of cargo\'s"}\n', b"{{{\n", b"[1]\n", b"no line end"]
    assert passed_on(*words) == (b"".join(words), b"")


@given(st.lists(st.binary(max_size=50) | st.text(max_size=20).map(remark)))
def test_no_output_stops_the_wrapper(lines: list[bytes]) -> None:
    passed_on(*lines)


@pytest.mark.parametrize("code", [0, 1, 101])
def test_the_exit_code_is_the_commands(tmp_path: Path, code: int) -> None:
    assert wrapped(tmp_path / "kept", "sh", "-c", f"exit {code}").returncode == code


@pytest.mark.parametrize("killer", [signal.SIGKILL, signal.SIGSEGV, signal.SIGINT], ids=lambda s: s.name)
def test_a_signal_that_kills_the_command_kills_the_wrapper(killer: signal.Signals) -> None:
    assert wrapped(Path("/dev/null"), "sh", "-c", f"kill -{killer.value} $$").returncode == -killer


def test_a_command_that_is_not_there_is_said_as_a_shell_says_it(tmp_path: Path) -> None:
    done = wrapped(tmp_path / "kept", "cargo-of-another-machine")
    assert (done.returncode, done.stderr) == (127, "cargo-of-another-machine: No such file or directory\n")


def test_a_file_that_cannot_be_written_costs_the_remarks_and_not_the_build(tmp_path: Path) -> None:
    done = wrapped(tmp_path / "missing" / "kept", "echo", "built")
    assert (done.returncode, done.stdout) == (0, "built\n")
    assert "remarks are not kept" in done.stderr


def test_a_full_disk_is_said_once(tmp_path: Path) -> None:
    both = remark("a").decode() + remark("b").decode()
    done = wrapped(Path("/dev/full"), "printf", "%s", both)
    assert (done.returncode, done.stdout) == (0, "ab")
    assert done.stderr.count("No space left on device") == 1


def test_no_more_is_kept_than_is_read(tmp_path: Path) -> None:
    large = tmp_path / "large"
    large.write_bytes(remark("x" * (MOST_BYTES // 2)) * 3)
    wrapped(tmp_path / "kept", "cat", str(large))
    assert (tmp_path / "kept").stat().st_size <= MOST_BYTES


def test_a_raibid_of_the_checkouts_own_is_not_imported(tmp_path: Path) -> None:
    (tmp_path / "raibid").mkdir()
    (tmp_path / "raibid" / "__init__.py").write_text("raise SystemExit('a stranger')")
    assert wrapped(tmp_path / "kept", "true", at=tmp_path).returncode == 0


def test_real_cargos_remarks_arrive_in_both_forms(tmp_path: Path) -> None:
    assert shutil.which("cargo"), "cargo is not on PATH: install Rust (rustup, or the distribution's cargo)"
    (tmp_path / "src").mkdir()
    (tmp_path / "Cargo.toml").write_text('[package]\nname = "tiny"\nversion = "0.1.0"\nedition = "2021"\n')
    (tmp_path / "src" / "lib.rs").write_text("pub fn four() -> u8 {\n    let unused = 1;\n    return 4;\n}\n")
    command = "cargo clippy --message-format=json-diagnostic-rendered-ansi -- -D warnings"
    done = wrapped(tmp_path / "kept.json", *command.split(), at=tmp_path)
    assert done.returncode == 101
    assert done.stdout.count("unneeded `return` statement") == 1
    assert "\x1b[" in done.stdout
    assert "Checking" in done.stderr
    kept = [json.loads(line) for line in (tmp_path / "kept.json").read_text().splitlines()]
    assert {m["message"]["code"]["code"] for m in kept if m["message"]["code"]} == {
        "unused_variables",
        "clippy::needless_return",
    }
