"""The local scaler, with real processes for agents."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import psutil
import pytest
from raibid.contract import Env
from raibid.ledger import LedgerUnavailableError
from raibid.scaler.local import LocalScaler

from tests.scaler.pool import RELEASES, STUBBORN, Pool, await_end
from tests.waiting import until


def test_an_empty_queue_starts_nothing(pool: Pool) -> None:
    assert pool.scaler().step() == 0


def test_one_agent_per_job_up_to_max(pool: Pool) -> None:
    scaler = pool.scaler(max_agents=3)
    started = []
    for length in (1, 2, 9, 9):
        pool.length = length
        started.append(scaler.step())
    assert started == [1, 1, 1, 0]
    assert len(set(scaler.pids)) == scaler.running == 3


def test_an_agent_that_ended_is_replaced_only_while_jobs_are_left(pool: Pool) -> None:
    scaler = pool.scaler("pass")
    pool.length = 2
    assert scaler.step() == 2
    await_end(scaler)
    pool.length = 1
    assert scaler.step() == 1
    await_end(scaler)
    pool.length = 0
    assert (scaler.step(), scaler.running) == (0, 0)
    assert len(pool.said("ended")) == 3


def test_warm_agents_wait_for_work_and_count_against_max(pool: Pool) -> None:
    scaler = pool.scaler(max_agents=3, min_agents=1)
    assert scaler.step() == 1
    pool.length = 9
    assert scaler.step() == 2
    assert scaler.step() == 0


def test_every_agent_has_a_name_of_its_own_and_the_given_environment(pool: Pool, tmp_path: Path) -> None:
    program = f"import os; open(os.environ['OUT'] + os.environ['{Env.AGENT_NAME}'], 'w').close()"
    scaler = pool.scaler(program, env={"OUT": f"{tmp_path}/"})
    pool.length = 3
    scaler.step()
    await_end(scaler)
    assert len(list(tmp_path.iterdir())) == 3


def test_redis_away_starts_none_ends_none_and_is_said_once(pool: Pool) -> None:
    scaler = pool.scaler()
    pool.length = 1
    scaler.step()
    pool.length = LedgerUnavailableError("Redis: connection refused")
    assert [scaler.step() for _ in range(3)] == [0, 0, 0]
    assert scaler.running == 1
    pool.length = 2
    assert scaler.step() == 1
    assert (len(pool.said("redis-away")), len(pool.said("redis-back"))) == (1, 1)


def test_agents_that_fail_at_once_are_tried_again_one_at_a_time_and_later(pool: Pool, tmp_path: Path) -> None:
    scaler = pool.scaler("raise SystemExit('no such module')", log_dir=tmp_path / "logs", max_agents=4)
    pool.length = 4
    assert scaler.step() == 4
    await_end(scaler)
    assert scaler.step() == 0
    assert pool.said("back-off")
    assert pool.said("failed")[0] == "exit code 1; no such module"
    pool.clock.now += 60.0
    assert scaler.step() == 1
    await_end(scaler)
    assert scaler.step() == 0


def test_a_command_that_does_not_exist_is_said_and_not_repeated_at_every_poll(pool: Pool) -> None:
    scaler = pool.scaler(command=("/no/such/agent",), max_agents=4)
    pool.length = 4
    assert [scaler.step() for _ in range(20)] == [0] * 20
    assert len(pool.said("start-failed")) == 4
    assert "/no/such/agent" in pool.said("start-failed")[0]


def test_the_output_of_agents_is_kept_only_when_they_fail(pool: Pool, tmp_path: Path) -> None:
    good, bad = tmp_path / "good", tmp_path / "bad"
    for directory, program in ((good, "print('fine')"), (bad, "print('broken'); raise SystemExit(2)")):
        scaler = pool.scaler(program, log_dir=directory)
        pool.length = 1
        scaler.step()
        await_end(scaler)
        pool.length = 0
        scaler.step()
    assert list(good.iterdir()) == []
    assert [p.read_text() for p in bad.iterdir()] == ["broken\n"]


def test_stopping_lets_every_agent_release_its_job(pool: Pool, tmp_path: Path) -> None:
    ready, released = tmp_path / "ready", tmp_path / "released"
    scaler = pool.scaler(RELEASES, env={"READY": str(ready), "RELEASED": str(released)})
    pool.length = 1
    stop = threading.Event()
    thread = threading.Thread(target=scaler.run, args=(stop,))
    thread.start()
    until(ready.exists, "the agent works")
    stop.set()
    thread.join(30)
    assert not thread.is_alive()
    assert released.read_text() == "released\n"
    assert scaler.running == 0
    assert not pool.said("killed")


def test_an_agent_that_does_not_end_is_killed_with_its_build(pool: Pool, tmp_path: Path) -> None:
    ready = tmp_path / "ready"
    scaler = pool.scaler(STUBBORN, env={"READY": str(ready)}, grace=0.1)
    pool.length = 1
    scaler.step()
    until(lambda: ready.exists() and bool(ready.read_text()), "the build runs")
    build = psutil.Process(int(ready.read_text()))
    scaler.shutdown()
    until(lambda: not build.is_running() or build.status() == psutil.STATUS_ZOMBIE, "the build ends")
    assert len(pool.said("killed")) == 1
    assert scaler.running == 0


def test_what_a_killed_agent_left_of_its_build_is_ended(pool: Pool, tmp_path: Path) -> None:
    ready = tmp_path / "ready"
    scaler = pool.scaler(STUBBORN, env={"READY": str(ready)})
    pool.length = 1
    scaler.step()
    until(lambda: ready.exists() and bool(ready.read_text()), "the build runs")
    build = psutil.Process(int(ready.read_text()))
    pool.length = 0
    psutil.Process(scaler.pids[0]).kill()
    await_end(scaler)
    scaler.step()
    until(lambda: not build.is_running() or build.status() == psutil.STATUS_ZOMBIE, "the build ends")


def test_what_a_killed_agent_left_is_ended_also_if_nothing_about_it_says_so(tmp_path: Path) -> None:
    """Another environment, another session, another parent; the agent beside it builds on."""
    ready = tmp_path / "ready"
    program = f"""
import subprocess, sys, threading
from pathlib import Path
from raibid.scaler.local import LocalScaler
step = "setsid sleep 1000 > /dev/null 2>&1 & echo $! $PPID"
agent = '''
import os, signal, subprocess, sys
from raibid.worker.process_tree import become_subreaper
become_subreaper()
said = subprocess.run(["env", "-i", "/bin/sh", "-c", sys.argv[1]], capture_output=True, text=True).stdout
open(sys.argv[2] + ".new", "w").write(said)
os.rename(sys.argv[2] + ".new", sys.argv[2] + os.environ["{Env.AGENT_NAME}"][-2:])
signal.pause()
'''
left = iter([2])
queue = lambda: next(left, 0)
command = (sys.executable, "-c", agent, step, {str(ready)!r})
LocalScaler(queue, command=command, poll=0.02, adopt=True).run(threading.Event())
"""
    with subprocess.Popen([sys.executable, "-c", program]) as scaler:
        try:
            until(lambda: len(list(tmp_path.glob("ready-?"))) == 2, "both agents work")
            builds = [[*map(int, file.read_text().split())] for file in tmp_path.glob("ready-?")]
            (killed, its_agent), (kept, _) = builds
            psutil.Process(its_agent).kill()
            until(lambda: not psutil.pid_exists(killed), "the build ends")
            assert psutil.pid_exists(kept)
        finally:
            family = psutil.Process(scaler.pid).children(recursive=True)
            scaler.kill()
            for process in family:
                process.kill()


def test_a_killed_scaler_takes_no_agent_with_it(tmp_path: Path) -> None:
    """Each finishes its job and exits by itself."""
    program = f"""
import sys, threading
from raibid.scaler.local import LocalScaler
agent = "import os, signal; open({str(tmp_path / "agent")!r}, 'w').write(str(os.getpid())); signal.pause()"
LocalScaler(lambda: 1, command=(sys.executable, "-c", agent)).run(threading.Event())
"""
    scaler = subprocess.Popen([sys.executable, "-c", program], start_new_session=True)
    pid_file = tmp_path / "agent"
    try:
        until(lambda: pid_file.exists() and bool(pid_file.read_text()), "the agent runs")
    finally:
        os.killpg(scaler.pid, signal.SIGKILL)  # its whole group: the agent is not in it
        scaler.wait()
    agent = psutil.Process(int(pid_file.read_text()))
    assert agent.status() != psutil.STATUS_ZOMBIE
    agent.kill()


def test_sigterm_to_the_scaler_s_process_ends_it_after_its_agents(tmp_path: Path) -> None:
    ready, released = tmp_path / "ready", tmp_path / "released"
    program = f"""
import sys, threading
from raibid.scaler.local import LocalScaler, stop_on_signals
stop = threading.Event()
with stop_on_signals(stop):
    LocalScaler(lambda: 1, command=(sys.executable, "-c", {RELEASES!r}), poll=60).run(stop)
"""
    env = {**os.environ, "READY": str(ready), "RELEASED": str(released)}
    scaler = subprocess.Popen([sys.executable, "-c", program], env=env)
    try:
        until(ready.exists, "the agent works")
        scaler.send_signal(signal.SIGTERM)
        assert scaler.wait(30) == 0
    finally:
        scaler.kill()
        scaler.wait()
    assert released.exists()


@pytest.mark.parametrize(("low", "high"), [(0, 0), (-1, 2), (3, 2)])
def test_impossible_bounds_are_refused(low: int, high: int) -> None:
    with pytest.raises(ValueError, match=f"min {low} and max {high}"):
        LocalScaler(lambda: 0, max_agents=high, min_agents=low)
