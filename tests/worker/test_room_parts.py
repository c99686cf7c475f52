"""The small deciding functions of the agent, one by one."""

from __future__ import annotations

import math
import os
import time
from pathlib import Path

import pytest
from raibid.contract import Env
from raibid.model.job import JobStatus, Report
from raibid.worker.artifacts import keep, matching
from raibid.worker.build import Ending, decide, retry_delay
from raibid.worker.config import AgentConfig, parse_size
from raibid.worker.environment import agent_variables, read_secrets
from raibid.worker.errors import InfrastructureError, InterruptedBuildError, JobFaultError
from raibid.worker.git_credential import answer
from raibid.worker.memory import Cgroup, DataLimit, NoCeiling, ceiling, oom_kills, writable_cgroup
from raibid.worker.pipeline_run import Result
from raibid.worker.stop import Stop, StopReason

SUCCESS = Result(JobStatus.SUCCESS, Report())
INTERRUPTED = Result(JobStatus.CANCELLED, Report())


@pytest.mark.parametrize(
    ("stop", "done", "error", "ending", "status"),
    [
        (None, SUCCESS, None, Ending.FINISH, JobStatus.SUCCESS),
        (None, None, JobFaultError("gone"), Ending.FINISH, JobStatus.FAILED),
        (None, None, InfrastructureError("net"), Ending.RETRY, None),
        (StopReason.CANCELLED, INTERRUPTED, None, Ending.FINISH, JobStatus.CANCELLED),
        (StopReason.CANCELLED, None, InterruptedBuildError("x"), Ending.FINISH, JobStatus.CANCELLED),
        (StopReason.CANCELLED, SUCCESS, None, Ending.FINISH, JobStatus.SUCCESS),
        (StopReason.TERMINATED, INTERRUPTED, None, Ending.HAND_BACK, None),
        (StopReason.TERMINATED, SUCCESS, None, Ending.FINISH, JobStatus.SUCCESS),
        (StopReason.TERMINATED, None, InfrastructureError("net"), Ending.HAND_BACK, None),
        (StopReason.STALE, SUCCESS, None, Ending.SILENCE, None),
        (StopReason.STALE, None, InfrastructureError("net"), Ending.SILENCE, None),
    ],
)
def test_the_verdict(
    stop: StopReason | None, done: Result | None, error: Exception | None, ending: Ending, status: JobStatus | None
) -> None:
    verdict = decide(stop, done, error)  # type: ignore[arg-type]
    assert verdict.ending is ending
    assert status is None or verdict.status is status


def test_retries_wait_longer_each_time_and_never_longer_than_a_lease() -> None:
    assert [retry_delay(n, 30.0) for n in (1, 2, 3, 4)] == [5.0, 10.0, 20.0, 30.0]


def test_an_agent_without_a_job_waits_a_lease_and_15_seconds() -> None:
    assert AgentConfig.from_env({Env.LEASE_SECONDS: "4"}).patience == 19


def test_an_agent_without_a_pod_has_no_deadline() -> None:
    assert AgentConfig.from_env({}).deadline == math.inf
    before = time.monotonic()
    assert before + 60 <= AgentConfig.from_env({Env.AGENT_SECONDS: "60"}).deadline <= time.monotonic() + 60


@pytest.mark.parametrize(
    ("text", "size"), [("", 0), ("1024", 1024), ("4G", 4 << 30), ("512 MiB", 512 << 20), ("1kb", 1024)]
)
def test_sizes(text: str, size: int) -> None:
    assert parse_size(text) == size


def test_a_wrong_size_names_its_variable() -> None:
    with pytest.raises(ValueError, match=Env.MEMORY_LIMIT):
        parse_size("plenty")


def test_cargo_is_found_below_the_real_home(tmp_path: Path) -> None:
    (tmp_path / ".cargo").mkdir()
    agent = {"HOME": str(tmp_path), "PATH": "/bin", "RUSTUP_HOME": "/opt/rustup", "SECRET": "x"}
    variables = agent_variables(agent, home=Path("/job/home"), tmp=Path("/job/tmp"))
    assert variables["CARGO_HOME"] == str(tmp_path / ".cargo")
    assert variables["RUSTUP_HOME"] == "/opt/rustup"
    assert (variables["HOME"], variables["TMPDIR"]) == ("/job/home", "/job/tmp")
    assert "SECRET" not in variables


def test_a_secrets_last_line_end_is_not_part_of_it(tmp_path: Path) -> None:
    (tmp_path / "A").write_text("two\nlines\r\n")
    assert read_secrets(tmp_path, ["A"]) == {"A": "two\nlines"}


def test_without_a_limit_there_is_no_ceiling_and_without_a_cgroup_an_rlimit() -> None:
    assert isinstance(ceiling(0, None), NoCeiling)
    assert isinstance(ceiling(2**30, None), DataLimit)


def test_a_cgroup_is_used_where_memory_is_handed_down(tmp_path: Path) -> None:
    (tmp_path / "pod").mkdir()
    (tmp_path / "pod" / "cgroup.subtree_control").write_text("cpu memory pids\n")
    assert writable_cgroup("0::/pod\n", tmp_path) == tmp_path / "pod"
    assert isinstance(ceiling(2**30, tmp_path / "pod"), Cgroup)


@pytest.mark.parametrize("own", ["4:memory:/pod\n", "0::/elsewhere\n", "0::/pod\n"], ids=["v1", "absent", "no-memory"])
def test_other_cgroups_are_left_alone(own: str, tmp_path: Path) -> None:
    (tmp_path / "pod").mkdir()
    (tmp_path / "pod" / "cgroup.subtree_control").write_text("cpu pids\n")
    assert writable_cgroup(own, tmp_path) is None


def test_the_kernels_count_of_kills_is_read() -> None:
    assert oom_kills("low 0\nhigh 0\nmax 12\noom 3\noom_kill 2\noom_group_kill 1\n") == 2


_LINES = ["https://a:1@f.test", "http://b:2@f.test:3000/path", "https://c%40x:p%2Fw@g.test", "junk"]


@pytest.mark.parametrize(
    ("asked", "given"),
    [
        ({"protocol": "https", "host": "f.test"}, "username=a\npassword=1\n"),
        ({"protocol": "http", "host": "f.test:3000"}, "username=b\npassword=2\n"),
        ({"protocol": "https", "host": "G.test"}, "username=c@x\npassword=p/w\n"),
        ({"protocol": "http", "host": "f.test"}, ""),
        ({"protocol": "https", "host": "f.test.evil.test"}, ""),
        ({"protocol": "https", "host": "f.test", "username": "other"}, ""),
        ({}, ""),
    ],
)
def test_git_is_answered_for_the_same_protocol_host_and_user_only(asked: dict[str, str], given: str) -> None:
    assert answer(asked, _LINES) == given


def test_artifacts_are_found_inside_the_checkout_only(tmp_path: Path) -> None:
    checkout = tmp_path / "checkout"
    (checkout / "out" / "deep").mkdir(parents=True)
    (checkout / ".git").mkdir()
    (tmp_path / "secret").write_text("x")
    for name in ("out/a.txt", "out/deep/b.txt", ".git/config"):
        (checkout / name).write_text(name)
    (checkout / "out" / "link").symlink_to(tmp_path / "secret")
    (checkout / "out" / "up").symlink_to(tmp_path)
    os.mkfifo(checkout / "out" / "fifo")
    assert list(matching(checkout, ["**"])) == ["out/a.txt", "out/deep/b.txt"]
    assert list(matching(checkout, ["out/*"])) == ["out/a.txt"]


def test_artifacts_that_match_nothing_are_mentioned(tmp_path: Path, stop: Stop) -> None:
    assert keep(tmp_path, ["*.zip"], lambda *_: None, "x", stop).notes == ("no file matches artifacts: *.zip",)


@pytest.mark.parametrize(
    ("second", "stays"),
    [(StopReason.TERMINATED, StopReason.CANCELLED), (StopReason.STALE, StopReason.STALE)],
)
def test_the_first_reason_to_stop_stays_unless_the_lease_is_lost(second: StopReason, stays: StopReason) -> None:
    with Stop() as stop:
        stop.request(StopReason.CANCELLED)
        stop.request(second)
        assert stop.reason is stays
