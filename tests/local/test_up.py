"""`raibid up` as a person runs it: real Redis, real git push, real webhook, real build."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest
from raibid.contract import ExitCode
from raibid.local.state import StateDir

Own = Callable[..., Path]
UP = [sys.executable, "-m", "raibid.cli", "up", "--poll", "0.2"]


def environment(home: Path) -> dict[str, str]:
    """This machine's environment, with places for state and scratch of its own."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith("RAIBID_")}
    clean |= {"RAIBID_REDIS_URL": "redis://another-pool:1/0", "RAIBID_STORE": "s3://another-pool/store"}
    return {**clean, "XDG_STATE_HOME": str(home / "xdg"), "TMPDIR": str(home), "NO_COLOR": "1"}


@pytest.fixture
def env(tmp_path: Path) -> dict[str, str]:
    return environment(tmp_path)


def up(env: dict[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*UP, *arguments], capture_output=True, text=True, env=env, timeout=200, check=False)


def processes_below(directory: Path) -> list[str]:
    """Command lines of processes that have to do with a directory: it is in their argv or their settings."""
    found = []
    for process in psutil.process_iter():
        try:
            settings = [value for name, value in process.environ().items() if name.startswith("RAIBID_")]
            if process.pid != os.getpid() and str(directory) in " ".join([*process.cmdline(), *settings]):
                found.append(" ".join(process.cmdline()))
        except (psutil.NoSuchProcess, psutil.AccessDenied):
            continue
    return found


def test_a_pushed_rust_crate_becomes_a_finished_build(env: dict[str, str], tmp_path: Path) -> None:
    done = up(env, "--once")
    assert done.returncode == ExitCode.OK, done.stderr
    assert "test tests::greets_by_name ... ok" in done.stdout
    assert "status       success" in done.stdout
    assert "\x1b" not in done.stdout, "NO_COLOR holds for the log, too"
    assert "raibid: job " in done.stderr
    assert processes_below(tmp_path) == []
    assert not list(tmp_path.glob("raibid-*")), "--once leaves its temporary directory behind"


def test_the_python_sample_needs_nothing_but_python_and_answers_in_json(env: dict[str, str]) -> None:
    done = up(env, "--once", "--sample", "python", "--json")
    assert done.returncode == ExitCode.OK, done.stderr
    answer = json.loads(done.stdout)
    assert answer["status"] == "success"
    assert [step["name"] for step in answer["job"]["report"]["steps"]] == ["compile", "test"]
    assert answer["job"]["spec"]["message"] == "The sample python repository"
    assert done.stderr == ""


def test_a_failed_build_is_exit_code_1_and_names_the_step(env: dict[str, str], own_repository: Own) -> None:
    own = own_repository("exit 7")
    done = up(env, "--once", "--repo", str(own))
    assert done.returncode == ExitCode.FAILED
    assert "only: exit code 7" in done.stdout
    assert "local/own: failed" in done.stdout


def test_the_same_commit_again_on_the_same_state_is_built_again(
    env: dict[str, str], own_repository: Own, tmp_path: Path
) -> None:
    own = own_repository("true")
    arguments = ("--once", "--json", "--state", str(tmp_path / "state"), "--repo", str(own))
    first, second = (json.loads(up(env, *arguments).stdout)["job"] for _ in range(2))
    assert first["spec"]["sha"] == second["spec"]["sha"]
    assert first["id"] != second["id"]


def test_secrets_and_a_memory_ceiling_reach_the_build_and_the_secret_is_masked(
    env: dict[str, str], own_repository: Own, tmp_path: Path
) -> None:
    secrets = tmp_path / "secrets"
    secrets.mkdir()
    (secrets / "DEPLOY_KEY").write_text("correct-horse-battery\n")
    own = own_repository('test ${#DEPLOY_KEY} = 21 && echo "key $DEPLOY_KEY, $GREETING"', "secrets: [DEPLOY_KEY]\n")
    passed = {**env, "RAIBID_PASS_ENV": "GREETING", "GREETING": "hello from outside"}
    done = up(passed, "--once", "--repo", str(own), "--secrets", str(secrets), "--memory", "1G")
    assert done.returncode == ExitCode.OK, done.stdout
    assert "memory limit: 1024 MiB" in done.stdout
    assert "key ***, hello from outside" in done.stdout
    assert "correct-horse" not in done.stdout + done.stderr


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--secrets", "/nowhere/at/all"], "--secrets /nowhere/at/all: no such directory"),
        (["--memory", "much"], "'much' is not a size: write 4G"),
        (["--max", "0"], "--max 0 runs nothing"),
        (["--repo", "/nowhere/at/all"], "no such directory, and not a URL"),
        (["--repo", "/"], "is not a git repository"),
        (["--warm", "9", "--max", "1"], "--warm 9 is more than --max 1"),
    ],
)
def test_what_cannot_be_built_is_said_in_a_sentence(
    arguments: list[str], sentence: str, env: dict[str, str], tmp_path: Path
) -> None:
    done = up(env, "--once", *arguments)
    assert done.returncode in (ExitCode.FAILED, ExitCode.USAGE)
    assert sentence in done.stderr
    assert "Traceback" not in done.stderr
    assert processes_below(tmp_path) == []


def test_without_cargo_the_rust_sample_offers_the_python_one(env: dict[str, str], tmp_path: Path) -> None:
    bare = tmp_path / "bin"
    bare.mkdir()
    for tool in ("git", "redis-server"):
        found = subprocess.run(["which", tool], capture_output=True, text=True, check=True).stdout.strip()
        (bare / tool).symlink_to(found)
    done = up({**env, "PATH": str(bare), "CARGO_HOME": str(tmp_path / "none")}, "--once")
    assert done.returncode == ExitCode.FAILED
    assert "this machine has no cargo" in done.stderr
    remedy = re.search(r"\((\S+) up --sample python\)", done.stderr)
    assert remedy, done.stderr
    assert subprocess.run([remedy[1], "version"], env=env, check=False).returncode == 0, "it works as it is said"


Running = tuple[subprocess.Popen[str], StateDir]


@contextmanager
def staying_up(env: dict[str, str], state: Path) -> Iterator[Running]:
    """A pool that stays up, its first build finished."""
    command = [*UP, "--sample", "python", "--state", str(state), "--port", "0"]
    process = subprocess.Popen(
        command, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    )
    assert process.stdout
    if not any("git commit --allow-empty" in line for line in process.stdout):
        pytest.fail(f"the pool did not stay up: {process.stderr.read() if process.stderr else ''}")
    try:
        yield process, StateDir(state)
    finally:
        if process.poll() is None:
            process.terminate()
        process.communicate(timeout=60)


@pytest.fixture
def own_pool(env: dict[str, str], tmp_path: Path) -> Iterator[Running]:
    """A pool that the test may end in its own way."""
    with staying_up(env, tmp_path / "state") as running:
        yield running


@pytest.fixture(scope="module")
def pool(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """A pool that tests only look at."""
    home = tmp_path_factory.mktemp("pool")
    with staying_up(environment(home), home / "state") as running:
        yield running


def test_ctrl_c_ends_the_pool_and_leaves_no_process(own_pool: Running, tmp_path: Path) -> None:
    process, state = own_pool
    process.send_signal(signal.SIGINT)
    assert process.wait(timeout=60) == ExitCode.OK
    assert processes_below(tmp_path) == []
    assert state.card() is None


@contextmanager
def building(env: dict[str, str], *arguments: str) -> Iterator[tuple[subprocess.Popen[str], Iterator[str]]]:
    """`raibid up --once` on its way, and the lines of its stderr."""
    command = [*UP, "--once", *arguments]
    with subprocess.Popen(
        command, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, start_new_session=True
    ) as process:
        assert process.stderr
        yield process, iter(process.stderr)


def reach(lines: Iterator[str], start: str) -> None:
    """Read on to the line that starts like this."""
    assert any(line.startswith(start) for line in lines), f"it never said: {start}"


def test_ctrl_c_while_the_pool_ends_is_answered_and_leaves_no_process(env: dict[str, str], tmp_path: Path) -> None:
    with building(env, "--sample", "python") as (process, lines):
        reach(lines, "ending:")
        process.send_signal(signal.SIGINT)
        reach(lines, "still ending:")
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=60) == ExitCode.OK, "the build's result: it had ended before"
    assert processes_below(tmp_path) == []


@pytest.mark.parametrize("moment", ["serving", "Redis answers", "following job"])
def test_ctrl_c_at_any_moment_of_the_start_or_the_build_leaves_no_process(
    moment: str, env: dict[str, str], own_repository: Own, tmp_path: Path
) -> None:
    repo = [] if moment == "serving" else ["--repo", str(own_repository("sleep 60"))]
    with building(env, *(repo or ["--sample", "python"])) as (process, lines):
        reach(lines, moment)
        process.send_signal(signal.SIGINT)
        if moment != "serving":
            reach(lines, "ending:")
        assert process.wait(timeout=60) == ExitCode.INTERRUPTED
    assert processes_below(tmp_path) == []


def test_the_death_of_a_part_ends_the_pool_and_says_which(own_pool: Running, tmp_path: Path) -> None:
    process, _ = own_pool  # it may just be about to fall asleep
    for child in psutil.Process(process.pid).children():
        if "scaler" in child.cmdline():
            child.kill()
    assert process.wait(timeout=60) == ExitCode.FAILED
    assert process.stderr
    assert "scaler was killed by signal 9" in process.stderr.read()
    assert processes_below(tmp_path) == []


def test_what_a_killed_pool_left_running_is_ended_by_the_next(
    own_pool: Running, env: dict[str, str], tmp_path: Path
) -> None:
    process, state = own_pool
    process.kill()
    process.wait()
    assert processes_below(tmp_path) != []
    again = up(env, "--once", "--sample", "python", "--state", str(state.path))
    assert again.returncode == ExitCode.OK, again.stderr
    assert "ended what the last pool left running: scaler, api, Redis" in again.stderr
    assert processes_below(tmp_path) == []


def test_a_second_pool_on_the_same_state_is_refused(pool: Running, env: dict[str, str]) -> None:
    process, state = pool
    second = up(env, "--once", "--state", str(state.path), "--sample", "python")
    assert second.returncode == ExitCode.USAGE
    card = state.card()
    assert card
    assert f"a pool runs already at {card.url} (pid {process.pid})" in second.stderr


def test_secrets_are_the_owners_alone_and_in_no_argv(pool: Running) -> None:
    _, state = pool
    assert state.path.stat().st_mode & 0o077 == 0
    files = sorted((state.path / "secrets").iterdir())
    assert len(files) == 6
    assert [file.name for file in files if file.stat().st_mode & 0o077] == []
    visible = "\n".join(processes_below(state.path))
    assert [file.name for file in files if file.read_text() in visible] == []


def test_the_pool_serves_the_client_commands(pool: Running) -> None:
    _, state = pool
    card = state.card()
    assert card
    env = {**os.environ, "RAIBID_API_URL": card.url, "RAIBID_TOKEN_FILE": str(state.write_token)}

    def raibid(*arguments: str) -> str:
        command = [sys.executable, "-m", "raibid.cli", *arguments]
        return subprocess.run(command, capture_output=True, text=True, env=env, check=True).stdout

    [job] = json.loads(raibid("jobs", "--json"))["jobs"]
    assert job["status"] == "success"
    assert "Ran 2 tests" in raibid("logs", job["id"])
    assert json.loads(raibid("retry", job["id"], "--wait", "--json"))["status"] == "success"
