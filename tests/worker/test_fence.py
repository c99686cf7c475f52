"""What a stranger's step can do behind the kernel's fence, and what it cannot: real processes, real Landlock."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from raibid.contract import Env
from raibid.worker import landlock, steps
from raibid.worker.config import AgentConfig
from raibid.worker.environment import agent_variables
from raibid.worker.errors import InfrastructureError, JobFaultError
from raibid.worker.fence import OLDEST_ABI, Fence, fence, gaps, launcher_env, objections
from raibid.worker.steps import Ended
from raibid.worker.stop import Stop
from raibid.worker.workspace import Workspace, workspace

pytestmark = pytest.mark.skipif(landlock.version() < OLDEST_ABI, reason="this kernel has no Landlock, or an old one")

_DENIED = ("permission denied", "not permitted", "invalid cross-device link")  # the last: of a link into the room
PASSWORD = "ledger-password-sentinel"


@pytest.fixture
def secrets(tmp_path: Path) -> Path:
    """What a pod mounts, and the home of the agent's user."""
    for name in ("secrets/TOKEN", "git/credentials", "redis/password", "home/.ssh/id", "cargo/credentials.toml"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("secret-sentinel")
    return tmp_path


@pytest.fixture
def config(config: AgentConfig, secrets: Path) -> AgentConfig:
    agent = {
        "PATH": os.environ["PATH"],
        "HOME": str(secrets / "home"),
        "CARGO_HOME": str(secrets / "cargo"),
        Env.REDIS_PASSWORD_FILE: str(secrets / "redis/password"),
        Env.REDIS_PASSWORD: PASSWORD,
    }
    return replace(
        config,
        doors=(),
        secrets_dir=secrets / "secrets",
        git_credentials_file=secrets / "git",
        environment=agent,
    )


@pytest.fixture
def room(config: AgentConfig) -> Iterator[Workspace]:
    with workspace(config.workspace, "job") as room:
        yield room


@pytest.fixture
def env(config: AgentConfig, room: Workspace) -> dict[str, str]:
    return agent_variables(config.environment, home=room.home, tmp=room.tmp)


@pytest.fixture
def around(config: AgentConfig, room: Workspace, env: dict[str, str]) -> Fence:
    return fence(config, room, env)


class Inside:
    """Runs scripts behind the fence, as a step is run."""

    def __init__(self, around: Fence, room: Workspace, env: dict[str, str], config: AgentConfig) -> None:
        self.around, self.room, self.env, self.config = around, room, env, config
        self.output = ""

    def ends(self, script: str, timeout: float = 60.0, stop: Stop | None = None, prelude: str = "") -> Ended:
        said = bytearray()
        command = steps.Command(
            argv=[
                *steps.shell(f'{prelude}exec "$@"'),
                "fence",
                *self.around.behind(steps.shell(textwrap.dedent(script)), self.env),
            ],
            cwd=self.room.checkout,
            env=launcher_env(self.config),
            timeout=timeout,
            grace=0.3,
        )
        with Stop() as never:
            ended = steps.run(command, said.extend, stop or never)
        self.output = said.decode()
        if not ended.cause:
            self.around.check("the step")
        return ended

    def says(self, script: str) -> str:
        """What a script that succeeds says."""
        ended = self.ends(script)
        assert ended.exit_code == 0, self.output
        return self.output.strip()

    def denied(self, script: str) -> bool:
        """Whether a script fails, and for want of a right."""
        ended = self.ends(script)
        return ended.exit_code != 0 and any(word in self.output.lower() for word in _DENIED)


@pytest.fixture
def inside(around: Fence, room: Workspace, env: dict[str, str], config: AgentConfig) -> Inside:
    return Inside(around, room, env, config)


# --- what a build needs ----------------------------------------------------------------------------------------------


def test_a_step_works_in_its_checkout_home_and_tmp(inside: Inside) -> None:
    script = """
        mkdir -p a/b; echo text > a/b/file; ln a/b/file hard; mv a/b/file moved; ln -s moved soft; cat soft hard
        mkfifo pipe; rm -r a pipe; chmod +x moved; touch ~/.profile "$(mktemp)"; : > /dev/null
        printf '#!/bin/sh\\necho ran' > tool; chmod +x tool; ./tool; echo to-stderr > /dev/stderr
        diff <(echo x) <(echo x); git init -q . && git status --short | wc -l >/dev/null
    """
    assert inside.says(script).splitlines() == ["text", "text", "ran", "to-stderr"]


def test_the_launcher_leaves_no_trace_in_the_environment(inside: Inside) -> None:
    seen = dict(line.split("=", 1) for line in inside.says("env").splitlines())
    assert {key: seen[key] for key in inside.env} == inside.env
    assert set(seen) - set(inside.env) <= {"_", "PWD", "SHLVL", "OLDPWD"}


def test_a_step_may_talk_to_servers_of_its_own(inside: Inside) -> None:
    script = """
        /usr/bin/env python3 - <<'END'
        import socket, threading
        server = socket.create_server(("127.0.0.1", 0))
        client = socket.create_connection(server.getsockname())
        print("connected")
        END
    """
    assert inside.says(script) == "connected"


# --- what is not a stranger's ----------------------------------------------------------------------------------------

READS = {
    "a secret of a pipeline": "cat {secrets}/secrets/TOKEN",
    "the names of the secrets": "ls {secrets}/secrets",
    "the forge's credentials": "cat {secrets}/git/credentials",
    "the ledger's password": "cat {secrets}/redis/password",
    "cargo's credentials": "cat {secrets}/cargo/credentials.toml",
    "a key of the agent's user": "cat {secrets}/home/.ssh/id",
    "another job's room": "cat {other}/checkout/source",
    "the names of other jobs": "ls {workspace}",
    "its own room's log and order": "cat {root}/order.json",
    "the passwords of the system": "cat /etc/shadow",
    "what is mounted below /run, as a service account is": "ls /run",
    "what others keep in /tmp": "ls /tmp",
    "the environment of the agent": "cat /proc/{agent}/environ",
    "the memory of the agent": "dd if=/proc/{agent}/mem bs=1 count=1 skip=4194304",
    "the map of the agent's memory": "cat /proc/{agent}/maps",
    "the open files of the agent": "cat /proc/{agent}/fd/0",
    "the secrets by way of the agent's root": "cat /proc/{agent}/root{secrets}/secrets/TOKEN",
}


@pytest.mark.parametrize("script", READS.values(), ids=READS.keys())
def test_no_step_reads(script: str, inside: Inside, secrets: Path, room: Workspace, config: AgentConfig) -> None:
    with workspace(config.workspace, "other") as other:
        (other.checkout / "source").write_text("secret-sentinel")
        names = {"secrets": secrets, "other": other.root, "workspace": config.workspace, "root": room.root}
        assert inside.denied(script.format(agent=os.getpid(), **names)), inside.output
    assert "sentinel" not in inside.output


WRITES = {
    "the shared cargo cache": "echo evil > {secrets}/cargo/registry/cache/index/crate.crate",
    "a file beside it": "echo evil > {secrets}/cargo/registry/cache/index/new.crate",
    "the shared source by truncating it": "truncate -s 0 {secrets}/cargo/registry/src/index/crate/lib.rs",
    "a program of the toolchain": "echo evil > {secrets}/cargo/bin/tool",
    "the agent's own code": "echo evil >> {code}",
    "its log on the way to the ledger": "echo evil > {root}/log",
    "another job's checkout": "echo evil > {other}/checkout/evil",
    "files of the agent's user": "echo evil > {secrets}/home/.bashrc",
    "files of the system": "echo evil > /usr/local/evil",
    "what others keep in /tmp": "echo evil > /tmp/evil-$$",
    "its own cgroup": "echo 0 > /sys/fs/cgroup/cgroup.procs",
    "settings of the kernel": "echo evil > /proc/sys/kernel/core_pattern",
    "the shared cache by a hard link": "ln {secrets}/cargo/registry/cache/index/crate.crate mine",
    "a device of its own": "mknod disk b 8 0",
    "mounts": "mount -t tmpfs none {root}/tmp",
}


@pytest.mark.parametrize("script", WRITES.values(), ids=WRITES.keys())
def test_no_step_changes(
    script: str, around: Fence, inside: Inside, secrets: Path, room: Workspace, config: AgentConfig
) -> None:
    for name in ("registry/cache/index/crate.crate", "registry/src/index/crate/lib.rs", "bin/tool"):
        (secrets / "cargo" / name).parent.mkdir(parents=True, exist_ok=True)
        (secrets / "cargo" / name).write_text("good")
    inside.env["PATH"] += f":{secrets}/cargo/bin"
    inside.around = fence(config, room, inside.env)
    with workspace(config.workspace, "other") as other:
        names = {"secrets": secrets, "other": other.root, "root": room.root, "code": landlock.__file__}
        assert inside.denied(script.format(**names)), inside.output
        assert not list(other.checkout.iterdir())
    good = [path for path in (secrets / "cargo").rglob("*") if path.is_file() and path.name != "credentials.toml"]
    assert [path.read_text() for path in good] == ["good"] * 3


def test_what_the_shared_cache_holds_can_be_read(inside: Inside, secrets: Path) -> None:
    crate = secrets / "cargo/registry/cache/index/crate.crate"
    crate.parent.mkdir(parents=True)
    crate.write_text("a crate")
    assert inside.says(f"cat {crate}") == "a crate"


@pytest.mark.skipif(landlock.version() < landlock.SCOPES_SINCE, reason="this kernel does not scope signals")
def test_no_step_signals_the_agent_or_reaches_its_abstract_sockets(inside: Inside) -> None:
    name = f"raibid-test-{os.getpid()}"
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(f"\0{name}")
        server.listen()
        assert inside.denied(f"kill -0 {os.getpid()}")
        code = f"import socket; socket.socket(socket.AF_UNIX).connect('\\0{name}')"
        assert inside.denied(f'/usr/bin/env python3 -c "{code}"')
    assert inside.says("sleep 100 & kill $!; wait $! || echo ended") == "ended"


@pytest.mark.skipif(landlock.version() < landlock.PORTS_SINCE, reason="this kernel does not restrict ports")
def test_the_ledgers_port_is_closed_and_others_are_open(inside: Inside, config: AgentConfig, room: Workspace) -> None:
    with socket.create_server(("127.0.0.1", 0)) as ledger, socket.create_server(("127.0.0.1", 0)) as other:
        url = f"redis://127.0.0.1:{ledger.getsockname()[1]}/0"
        closed = replace(config, environment={**config.environment, Env.REDIS_URL: url})
        inside.around = fence(closed, room, inside.env)
        assert inside.denied(f"echo PING > /dev/tcp/127.0.0.1/{ledger.getsockname()[1]}")
        assert inside.says(f"echo hello > /dev/tcp/127.0.0.1/{other.getsockname()[1]}") == ""


# --- the launcher ----------------------------------------------------------------------------------------------------


def test_nothing_of_the_checkout_or_the_pipeline_runs_before_the_fence_stands(
    inside: Inside, room: Workspace, secrets: Path
) -> None:
    steal = f"import sys; sys.stderr.write(open('{secrets}/secrets/TOKEN').read())"
    for name in ("raibid/__init__.py", "json.py", "ctypes.py", "sitecustomize.py", "usercustomize.py", "landlock.py"):
        (room.checkout / name).parent.mkdir(exist_ok=True)
        (room.checkout / name).write_text(steal)
    (room.checkout / "env.sh").write_text(f"cat {secrets}/secrets/TOKEN")
    inside.env |= {
        "PYTHONPATH": str(room.checkout),
        "BASH_ENV": str(room.checkout / "env.sh"),
        "PYTHONSTARTUP": "json.py",
    }
    inside.ends("echo ran")
    assert "sentinel" not in inside.output


def test_exit_codes_and_signals_are_the_steps_own(inside: Inside) -> None:
    assert inside.ends("exit 3").exit_code == 3
    assert inside.ends("kill -SEGV $$").exit_code == -signal.SIGSEGV
    assert inside.ends("false | true; echo never").exit_code == 1


def test_what_a_step_left_in_the_background_ends_with_it(inside: Inside) -> None:
    background = inside.says("setsid sh -c 'trap \"\" TERM; sleep 1000' > /dev/null & echo $!")
    assert not Path("/proc", background).exists()


def test_a_timeout_ends_a_step(inside: Inside) -> None:
    assert inside.ends("sleep 1000", timeout=1.0).cause == steps.TIMEOUT


def test_an_rlimit_put_up_outside_holds_inside_and_cannot_be_lifted(inside: Inside) -> None:
    assert inside.ends("ulimit -d unlimited", prelude="ulimit -d 100000; ").exit_code != 0
    assert inside.says("ulimit -d") == "unlimited"
    inside.ends("ulimit -d", prelude="ulimit -d 100000; ")
    assert inside.output.strip() == "100000"


def test_a_step_is_put_into_its_cgroup_before_the_fence_stands(inside: Inside, tmp_path: Path) -> None:
    procs = tmp_path / "cgroup.procs"
    inside.ends("echo $$", prelude=f"echo $$ > '{procs}'; ")
    assert procs.read_text() == inside.output


def test_peak_memory_is_the_steps_and_not_the_launchers(inside: Inside) -> None:
    code = "x = bytearray(200_000_000); print(len(x))"
    ended = inside.ends(f'/usr/bin/env python3 -c "{code}"')
    assert 200_000_000 < ended.peak_rss < 260_000_000
    assert inside.ends("true").peak_rss == 0


def test_a_script_that_no_system_can_start_is_the_jobs_fault(inside: Inside) -> None:
    with pytest.raises(JobFaultError, match="cannot be given this script"):
        inside.ends("x" * 200_000)


def test_an_environment_that_no_system_can_give_is_the_jobs_fault(inside: Inside) -> None:
    inside.env["BROKEN"] = "a\0b"
    with pytest.raises(JobFaultError, match="cannot be given this script or environment: Invalid argument"):
        inside.ends("true")


def test_a_launcher_that_never_got_so_far_is_infrastructure_and_no_failed_step(inside: Inside) -> None:
    with pytest.raises(InfrastructureError, match=r"does not start behind its fence \(launcher\)"):
        inside.ends("echo never", prelude="ulimit -d 100; ")
    assert "never" not in inside.output.split()


def test_a_program_that_cannot_be_started_is_infrastructure(around: Fence, inside: Inside) -> None:
    inside.around = replace(around, paths=())
    with pytest.raises(InfrastructureError, match=r"does not start behind its fence \(start\): Permission denied"):
        inside.ends("true")


# --- agents that cannot keep a stranger out ---------------------------------------------------------------------------


@pytest.mark.parametrize(("abi", "has"), [(0, "no Landlock"), (1, "Landlock ABI 1"), (2, "Landlock ABI 2")])
def test_an_old_kernel_is_an_objection(abi: int, has: str, around: Fence, config: AgentConfig) -> None:
    assert objections(around, config, abi) == (f"this kernel has {has}, and steps of a fork need ABI 3 (Linux 6.2)",)


def test_an_agent_whose_secrets_lie_apart_has_none(around: Fence, config: AgentConfig) -> None:
    assert objections(around, config, OLDEST_ABI) == ()


@pytest.mark.parametrize("name", ["secrets", "git", "redis", "work"])
def test_a_secret_below_what_a_step_may_read_is_an_objection(
    name: str, room: Workspace, env: dict[str, str], config: AgentConfig, secrets: Path
) -> None:
    (secrets / "link").symlink_to(secrets / name)
    around = fence(config, room, {**env, "PATH": f"{env['PATH']}:{secrets}/link"})
    (objection,) = objections(around, config, 7)
    assert f"lies below {secrets}/link, which its steps may read" in objection


def test_a_socket_behind_which_programs_are_started_is_an_objection(
    around: Fence, config: AgentConfig, tmp_path: Path
) -> None:
    door = tmp_path / "docker.sock"
    with socket.socket(socket.AF_UNIX) as daemon:
        daemon.bind(str(door))
        (objection,) = objections(around, replace(config, doors=(door, tmp_path / "none.sock")), 7)
    assert objection == f"the agent's user may write to {door}, and Landlock does not close sockets"


def test_a_ledger_without_a_password_is_an_objection(around: Fence, config: AgentConfig) -> None:
    bare = {key: value for key, value in config.environment.items() if "PASSWORD" not in key}
    (objection,) = objections(around, replace(config, environment=bare), 7)
    assert "the ledger has no password" in objection


def test_the_log_says_what_an_older_kernel_leaves_open() -> None:
    assert gaps(3) == "Landlock ABI 3 does not restrict TCP ports (ABI 4), signals and abstract sockets (ABI 6)"
    assert gaps(5) == "Landlock ABI 5 does not restrict signals and abstract sockets (ABI 6)"
    assert gaps(7) == ""


def test_the_launcher_is_small_and_needs_nothing_but_the_standard_library() -> None:
    folder = str(Path(landlock.__file__).parent)
    code = f"import sys; sys.path.insert(0, {folder!r}); import landlock; print(landlock.version())"
    done = subprocess.run([sys.executable, "-I", "-S", "-c", code], capture_output=True, text=True, check=True)
    assert int(done.stdout) == landlock.version()
