"""One command: its output, limits, measures, and that nothing of it is left afterwards."""

from __future__ import annotations

import itertools
import os
import resource
import signal
import sys
import threading
import uuid
from pathlib import Path

import psutil
import pytest
from raibid.worker import steps
from raibid.worker.errors import InfrastructureError, JobFaultError, WorkspaceFullError
from raibid.worker.memory import DataLimit
from raibid.worker.steps import TIMEOUT, Command, Ended
from raibid.worker.stop import Stop, StopReason

from tests.worker.conftest import Fresh


def script(
    text: str, cwd: Path, *, timeout: float = 60.0, grace: float = 0.2, env: dict[str, str] | None = None
) -> Command:
    path = {"PATH": "/usr/local/bin:/usr/bin:/bin"}
    return Command(argv=steps.shell(text), cwd=cwd, env={**path, **(env or {})}, timeout=timeout, grace=grace)


def run(command: Command, stop: Stop) -> tuple[Ended, str]:
    said = bytearray()
    ended = steps.run(command, said.extend, stop)
    return ended, said.decode()


def marked(mark: str) -> list[psutil.Process]:
    """Processes whose command line holds the mark."""
    return [p for p in psutil.process_iter(["cmdline"]) if mark in " ".join(p.info["cmdline"] or ())]


def test_stdout_and_stderr_are_one_stream_in_order(tmp_path: Path, stop: Stop) -> None:
    _, said = run(script("for i in 1 2 3; do echo out $i; echo err $i >&2; done", tmp_path), stop)
    assert said == "".join(f"out {i}\nerr {i}\n" for i in (1, 2, 3))


def test_the_environment_is_what_was_given_and_stdin_is_empty(tmp_path: Path, stop: Stop) -> None:
    _, said = run(script("cat; env | cut -d= -f1 | sort | tr '\\n' ' '", tmp_path, env={"ONLY": "this"}), stop)
    assert set(said.split()) <= {"ONLY", "PATH", "PWD", "SHLVL", "_", "OLDPWD"}


@pytest.mark.parametrize(
    ("text", "env"),
    [("echo a\0b", {}), ("true", {"NAME": "a\0b"}), ("true", {"A=B": "c"}), ("true; " + "#" * 200_000, {})],
    ids=["nul-in-script", "nul-in-variable", "no-name", "longer-than-the-kernel-takes"],
)
def test_a_command_that_no_system_could_start_is_the_jobs_fault(
    text: str, env: dict[str, str], tmp_path: Path, stop: Stop
) -> None:
    with pytest.raises(JobFaultError, match="cannot be given this script or environment"):
        run(script(text, tmp_path, env=env), stop)


@pytest.mark.parametrize("text", ["false; echo on", "false | cat; echo on"])
def test_a_script_stops_at_the_first_failure(text: str, tmp_path: Path, stop: Stop) -> None:
    ended, said = run(script(text, tmp_path), stop)
    assert (ended.exit_code, said) == (1, "")


def test_the_exit_code_and_the_signal_are_told_apart(tmp_path: Path, stop: Stop) -> None:
    assert run(script("exit 7", tmp_path), stop)[0].exit_code == 7
    assert run(script("kill -SEGV $$", tmp_path), stop)[0].exit_code == -signal.SIGSEGV


def test_peak_memory_is_that_of_the_largest_process(tmp_path: Path, stop: Stop) -> None:
    # Until exec the kernel counts the parent's pages: what is smaller than this process cannot be told.
    eaten = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 + 80_000_000
    eat = f"'{sys.executable}' -c 'b = bytearray({eaten})'; true"
    assert eaten < run(script(eat, tmp_path), stop)[0].peak_rss < eaten + 100_000_000


def test_peak_memory_that_could_be_this_processs_own_is_not_known(tmp_path: Path, stop: Stop) -> None:
    assert run(script("true", tmp_path), stop)[0].peak_rss == 0


def test_silence_is_told_once_per_pause(tmp_path: Path, stop: Stop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(steps, "_SILENCE_SECONDS", 0.01)
    events: list[str] = []

    def silence() -> None:
        events.append("silence")
        (tmp_path / f"go{events.count('silence')}").touch()

    text = "until [ -e go1 ]; do sleep 0.01; done; echo one; until [ -e go2 ]; do sleep 0.01; done"
    steps.run(script(text, tmp_path), lambda said: events.append(said.decode()), stop, silence=silence)
    assert events[:3] == ["silence", "one\n", "silence"]


def test_the_last_words_are_the_end_of_the_output(tmp_path: Path, stop: Stop) -> None:
    ended, said = run(script("seq 1 5000; echo last >&2", tmp_path), stop)
    assert ended.last_words.endswith(b"5000\nlast\n")
    assert len(ended.last_words) < len(said)


def test_a_timeout_kills_the_command(tmp_path: Path, stop: Stop) -> None:
    ended, said = run(script("echo begun; sleep 1000", tmp_path, timeout=0.5), stop)
    assert (ended.cause, said) == (TIMEOUT, "begun\n")


def test_a_polite_command_may_clean_up_after_sigterm(tmp_path: Path, stop: Stop) -> None:
    text = "trap 'echo cleaned; exit 0' TERM; echo begun; sleep 1000 & wait"
    _, said = run(script(text, tmp_path, timeout=0.5, grace=20), stop)
    assert said == "begun\ncleaned\n"


_STUBBORN = """
import os, signal, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        print("grandchild", flush=True)
        time.sleep(1000)
    os._exit(0)
time.sleep(1000)
"""


@pytest.mark.parametrize("reason", list(StopReason))
def test_no_grandchild_survives_even_in_its_own_session_and_deaf_to_sigterm(
    reason: StopReason, tmp_path: Path, stop: Stop
) -> None:
    mark = f"stubborn-{reason.name}-{tmp_path.name}"
    (tmp_path / "stubborn.py").write_text(_STUBBORN)
    up = threading.Event()

    def hear(data: bytes) -> None:
        if b"grandchild" in data:
            up.set()
            stop.request(reason)

    ended = steps.run(script(f"'{sys.executable}' stubborn.py {mark}", tmp_path), hear, stop)

    assert up.is_set()
    assert ended.cause == reason
    assert marked(mark) == []


def test_background_children_of_a_finished_step_are_ended_too(tmp_path: Path, stop: Stop) -> None:
    mark = f"background-{tmp_path.name}"
    text = f"setsid bash -c 'sleep 1000; : {mark}' & echo done"
    ended, said = run(script(text, tmp_path), stop)
    assert (ended.exit_code, ended.cause, said) == (0, "", "done\n")
    assert marked(mark) == []


def test_one_empty_look_at_the_processes_proves_nothing(
    tmp_path: Path, stop: Stop, monkeypatch: pytest.MonkeyPatch
) -> None:
    mark = f"overlooked-{uuid.uuid4()}"
    real, looks = psutil.Process.children, itertools.count(1)

    def overlook(process: psutil.Process, recursive: bool = False) -> list[psutil.Process]:
        return [] if next(looks) % 2 == 0 else real(process, recursive)

    monkeypatch.setattr(psutil.Process, "children", overlook)  # the first look is the one before the step
    run(script(f"setsid bash -c 'sleep 300; : {mark}' & echo done", tmp_path), stop)
    assert marked(mark) == []


def test_a_process_substitution_says_its_last_words(tmp_path: Path, stop: Stop) -> None:
    assert run(script("echo hello > >(sleep 0.1; cat)", tmp_path), stop)[1] == "hello\n"


def test_an_output_held_open_from_outside_is_an_error_and_not_a_wait(
    tmp_path: Path, stop: Stop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(steps, "_CLOSED_SECONDS", 0.2)
    held: list[int] = []

    def hold(said: bytes) -> None:
        held.append(os.open(f"/proc/{int(said)}/fd/1", os.O_WRONLY))
        (tmp_path / "held").touch()

    command = script("echo $$; until [ -e held ]; do sleep 0.01; done", tmp_path)
    try:
        with pytest.raises(InfrastructureError, match="holds the output"):
            steps.run(command, hold, stop)
    finally:
        os.close(held[0])


def test_processes_that_were_there_before_are_left_alone(tmp_path: Path, stop: Stop) -> None:
    with psutil.Popen(["sleep", "1000"]) as bystander:
        run(script("true", tmp_path), stop)
        assert bystander.is_running()
        assert bystander.status() != psutil.STATUS_ZOMBIE
        bystander.kill()


def test_a_log_that_cannot_be_written_ends_the_command(tmp_path: Path, stop: Stop) -> None:
    def full(_: bytes) -> None:
        raise WorkspaceFullError("workspace full")

    with pytest.raises(WorkspaceFullError):
        steps.run(script("yes", tmp_path), full, stop)


def test_a_command_that_does_not_exist_is_the_agents_fault(tmp_path: Path, stop: Stop) -> None:
    with pytest.raises(InfrastructureError, match="does not start"):
        steps.run(Command(argv=["/nonexistent"], cwd=tmp_path, env={}, timeout=1, grace=0), lambda _: None, stop)


def test_a_leaping_wall_clock_neither_shortens_nor_stretches_a_limit(
    leaping: Fresh, tmp_path: Path, stop: Stop
) -> None:
    def timed(command: Command) -> Ended:
        ended: Ended = leaping(steps).run(command, lambda _: None, stop)
        assert 0 < ended.seconds < 3600
        return ended

    assert timed(script("sleep 0.1", tmp_path, timeout=60)).cause == ""
    assert timed(script("sleep 1000", tmp_path, timeout=0.1)).cause == TIMEOUT
    polite = "trap 'sleep 0.1; touch cleaned; exit' TERM; sleep 1000 & wait"
    timed(script(polite, tmp_path, timeout=0.3, grace=60))
    assert (tmp_path / "cleaned").exists()
    timed(script("trap '' TERM; sleep 1000", tmp_path, timeout=0.1, grace=0.1))


def test_a_process_over_the_data_limit_cannot_grow(tmp_path: Path, stop: Stop) -> None:
    limit = DataLimit(200 * 2**20)
    eat = f"'{sys.executable}' -c 'b = bytearray(400_000_000)'"
    command = script(limit.prelude + eat, tmp_path)
    ended, said = run(Command(**{**command.__dict__, "ceiling": limit}), stop)
    assert "MemoryError" in said
    assert (ended.exit_code, ended.out_of_memory) == (1, True)
