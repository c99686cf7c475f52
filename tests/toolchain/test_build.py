"""Building the cluster's programs: what is built, and how each way of not being able to build is told."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Final

import psutil
import pytest
from rich.console import Console

from tests.cluster.tools import build, go, toolchain
from tests.cluster.tools.toolchain import TOOLS, WRAPPERS, cached
from tests.waiting import until

ROOT: Final = Path(__file__).resolve().parents[2]
OLD: Final = "echo go1.19.8; echo gcc"
ASKED: Final = """[ "$1" = env ] && { echo go1.99.0; echo "${CC:-gcc}"; exit 0; }
if [ "$1" = mod ]; then
  for name in templates options; do mkdir -p "$CALLS.module/$name"; echo "$name" > "$CALLS.module/$name/file"; done
  chmod -R a-w "$CALLS.module"; echo "{\\"Dir\\": \\"$CALLS.module\\"}"; exit 0
fi"""
BUILDS: Final = f"""{ASKED}
echo "$CGO_ENABLED $*" >> "$CALLS"
while [ "$1" != -o ]; do shift; done; out=$2; shift 2
for package; do echo built > "$out/$(basename "$package")"; done"""
HANGS: Final = f"""{ASKED}
echo "$$" > "$CALLS"; trap 'exit 1' INT; while :; do sleep 0.1; done"""


@pytest.fixture
def fake_go(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Path]:
    """A `go` that is this shell script, the only program on PATH beside the system's; the file of its calls."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("CALLS", str(tmp_path / "calls"))
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:/usr/bin:/bin")
    toolchain.tool.cache_clear()

    def write(script: str) -> Path:
        program = tmp_path / "bin" / "go"
        program.parent.mkdir(exist_ok=True)
        program.write_text(f"#!/bin/sh\n{script}\n")
        program.chmod(0o755)
        return tmp_path / "calls"

    return write


def test_one_build_makes_all_programs_of_a_module_and_nothing_is_built_twice(fake_go: Callable[[str], Path]) -> None:
    calls = fake_go(BUILDS)
    assert build.main([]) == 0
    lines = calls.read_text().splitlines()
    assert [line.split()[0] for line in lines] == ["0", "0", "0", "1", "0"]  # only gitea is linked to C
    assert all("-mod=readonly -trimpath -buildvcs=false" in line for line in lines)
    assert all(cached(tool).read_text() == "built\n" for tool in TOOLS.values())
    assert build.main([]) == 0
    assert calls.read_text().splitlines() == lines


def test_a_failed_build_leaves_nothing_in_the_cache(
    fake_go: Callable[[str], Path], capsys: pytest.CaptureFixture[str]
) -> None:
    fake_go(f"{BUILDS}\necho 'undefined: frob'; exit 1")
    assert build.main(["keda"]) == 1
    assert "undefined: frob" in capsys.readouterr().err
    assert not list(toolchain.cache_root().glob("*/keda"))
    assert not list(toolchain.cache_root().glob(".building-*"))


def test_without_go_the_version_that_is_needed_is_named(
    fake_go: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(go.BuildError, match=r"Go 1\.26\.2 or newer is needed and `go` is not on PATH"):
        go.check(WRAPPERS / "gitea", cgo=True)


def test_an_old_go_is_named_beside_the_one_that_is_needed(fake_go: Callable[[str], Path]) -> None:
    fake_go(OLD)
    with pytest.raises(go.BuildError, match=r"Go 1\.26\.2 or newer \(the one on PATH is 1\.19\.8\)"):
        go.check(WRAPPERS / "gitea", cgo=True)


def test_a_go_that_may_not_fetch_a_newer_one_says_so_itself(fake_go: Callable[[str], Path]) -> None:
    fake_go("echo 'go: go.mod requires go >= 1.26.2 (running go 1.24.1; GOTOOLCHAIN=local)' >&2; exit 1")
    with pytest.raises(go.BuildError, match="GOTOOLCHAIN=local"):
        go.check(WRAPPERS / "gitea", cgo=True)


def test_without_a_c_compiler_only_gitea_is_refused(
    fake_go: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    fake_go(ASKED)
    monkeypatch.setenv("CC", "no-such-compiler")
    go.check(WRAPPERS / "keda", cgo=False)
    with pytest.raises(go.BuildError, match="C compiler, no-such-compiler is not on PATH"):
        go.check(WRAPPERS / "gitea", cgo=True)


def test_without_a_network_the_proxy_settings_are_pointed_at(
    fake_go: Callable[[str], Path], capsys: pytest.CaptureFixture[str]
) -> None:
    fake_go(f"{ASKED}\necho 'Get \"…\": dial tcp: lookup …: no such host'; exit 1")
    assert build.main(["sops"]) == 1
    assert "is there a network" in capsys.readouterr().err


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_ends_the_compiler_and_leaves_nothing(fake_go: Callable[[str], Path], how: signal.Signals) -> None:
    calls = fake_go(HANGS)
    command = [sys.executable, "-m", "tests.cluster.tools.build", "keda"]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) as process:
        compiler = int(until(lambda: calls.exists() and calls.read_text().strip(), "the build is under way"))
        process.send_signal(how)
        assert "interrupted" in process.communicate(timeout=30)[1]
    assert process.returncode == 130
    assert not Path(f"/proc/{compiler}").exists()
    assert not list(toolchain.cache_root().glob(".building-*"))


def has_ended(pid: int) -> bool:
    """Also one that nobody reaps: a test before this one may have made this process the one who adopts orphans."""
    try:
        return bool(psutil.Process(pid).status() == psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return True


def test_a_compiler_does_not_outlive_a_build_that_was_killed(fake_go: Callable[[str], Path]) -> None:
    calls = fake_go(HANGS)
    command = [sys.executable, "-m", "tests.cluster.tools.build", "keda"]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL) as process:
        compiler = int(until(lambda: calls.exists() and calls.read_text().strip(), "the build is under way"))
        process.kill()
    until(lambda: has_ended(compiler), "the compiler has ended")


def test_what_gitea_reads_is_laid_out_whole_and_only_once(fake_go: Callable[[str], Path]) -> None:
    fake_go(BUILDS)
    assert build.main(["gitea"]) == 0
    read = {str(file.relative_to(toolchain.static("gitea"))): file for file in toolchain.static("gitea").rglob("file")}
    assert sorted(read) == ["options/file", "templates/file"]
    assert all(file.stat().st_mode & 0o200 for file in read.values())  # else no cache could be removed
    assert build.main(["--check", "gitea"]) == 0
    fake_go("exit 1")
    assert build.main(["gitea"]) == 0


def test_what_gitea_reads_is_missed_also_where_the_program_is_there(
    fake_go: Callable[[str], Path], capsys: pytest.CaptureFixture[str]
) -> None:
    calls = fake_go(BUILDS)
    cached(TOOLS["gitea"]).parent.mkdir(parents=True)
    cached(TOOLS["gitea"]).write_text("built earlier\n")
    assert build.main(["--check", "gitea"]) == 1
    assert "what gitea" in capsys.readouterr().out
    with pytest.raises(toolchain.ToolMissingError, match="make cluster-tools"):
        toolchain.static("gitea")
    assert build.main(["gitea"]) == 0
    assert cached(TOOLS["gitea"]).read_text() == "built earlier\n"
    assert not calls.exists()
    assert toolchain.static("gitea")


def test_a_second_build_waits_for_the_first_and_builds_nothing(
    fake_go: Callable[[str], Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    calls = fake_go(BUILDS)
    root = toolchain.cache_root()
    with build.locked(root, Console()):
        second = subprocess.Popen(
            [sys.executable, "-m", "tests.cluster.tools.build", "sops"], cwd=ROOT, stdout=subprocess.PIPE, text=True
        )
        assert second.stdout
        assert "waiting for it" in second.stdout.readline()
        cached(TOOLS["sops"]).parent.mkdir(parents=True)
        cached(TOOLS["sops"]).write_text("built by the first\n")
    assert "0 of them new" in second.communicate(timeout=60)[0]
    assert second.returncode == 0
    assert not calls.exists()


def test_what_a_killed_build_left_is_swept_away(fake_go: Callable[[str], Path]) -> None:
    left = toolchain.cache_root() / ".building-dead"
    left.mkdir(parents=True)
    with build.locked(toolchain.cache_root(), Console()):
        assert not left.exists()


def test_a_list_names_every_program_and_builds_nothing(
    fake_go: Callable[[str], Path], capsys: pytest.CaptureFixture[str]
) -> None:
    calls = fake_go(BUILDS)
    assert build.main(["--list"]) == 0
    said = capsys.readouterr().out
    assert all(tool.name in said for tool in TOOLS.values())
    assert not calls.exists()


def test_a_check_names_what_is_missing_and_fails(
    fake_go: Callable[[str], Path], capsys: pytest.CaptureFixture[str]
) -> None:
    calls = fake_go(BUILDS)
    assert build.main(["--check", "keda", "gitea"]) == 1
    assert len(capsys.readouterr().out.splitlines()) == 3  # two programs, and what one of them reads
    assert not calls.exists()
    assert build.main(["keda"]) == 0
    assert build.main(["--check", "keda"]) == 0


def test_every_wrapper_has_an_estimate() -> None:
    assert build.COLD_SECONDS.keys() == {tool.wrapper for tool in TOOLS.values()}
