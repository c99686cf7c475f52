"""What a stranger's step can do behind the kernel's fence, and what it cannot."""

from __future__ import annotations

import os
import socket
from dataclasses import replace
from pathlib import Path

import pytest
from raibid.contract import Env
from raibid.worker import landlock
from raibid.worker.config import AgentConfig
from raibid.worker.fence import OLDEST_ABI, Fence, fence
from raibid.worker.workspace import Workspace, workspace

from tests.worker.fence.conftest import PUBLIC, Inside

pytestmark = pytest.mark.skipif(landlock.version() < OLDEST_ABI, reason="no Landlock here, or an old one")


# --- what a build needs ----------------------------------------------------------------------------------------------


def test_a_step_works_in_its_checkout_home_and_tmp(inside: Inside) -> None:
    script = """
        mkdir -p a/b; echo text > a/b/file; ln a/b/file hard; mv a/b/file moved; ln -s moved soft; cat soft hard
        mkfifo pipe; rm -r a pipe; chmod +x moved; touch ~/.profile "$(mktemp)"; : > /dev/null
        printf '#!/bin/sh\\necho ran' > tool; chmod +x tool; ./tool; echo to-stderr > /dev/stderr
        diff <(echo x) <(echo x); git init -q . && git status --short | wc -l >/dev/null
    """
    assert inside.says(script).splitlines() == ["text", "text", "ran", "to-stderr"]


def test_git_does_without_the_machines_settings_which_may_hold_a_token(inside: Inside) -> None:
    assert not any(Path("/etc/gitconfig").is_relative_to(path) for path, _ in inside.around.paths)
    assert inside.says("git init -q . && git config --get-regexp '^(http|url)' || echo none") == "none"


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


def test_a_step_reads_the_certificate_authorities_it_is_told_of(
    inside: Inside, config: AgentConfig, room: Workspace, tmp_path: Path
) -> None:
    (tmp_path / "ca.pem").write_text("authorities")
    inside.env["SSL_CERT_FILE"] = str(tmp_path / "ca.pem")
    inside.around = fence(config, room, inside.env)
    assert inside.says('cat "$SSL_CERT_FILE"') == "authorities"


def test_operators_may_open_more_to_read(inside: Inside, config: AgentConfig, room: Workspace, tmp_path: Path) -> None:
    (tmp_path / "sdk").mkdir()
    (tmp_path / "sdk" / "header").write_text("text")
    assert inside.denied(f"cat {tmp_path}/sdk/header")
    inside.around = fence(replace(config, fork_read=(tmp_path / "sdk",)), room, inside.env)
    assert inside.says(f"cat {tmp_path}/sdk/header") == "text"
    assert inside.denied(f"echo evil > {tmp_path}/sdk/header")


# --- what is not a stranger's ----------------------------------------------------------------------------------------

READS = {
    "a secret of a pipeline": "cat {secrets}/secrets/TOKEN",
    "the names of the secrets": "ls {secrets}/secrets",
    "the forge's credentials": "cat {secrets}/git/credentials",
    "the ledger's password": "cat {secrets}/redis/password",
    "cargo's credentials": "cat {secrets}/cargo/credentials.toml",
    "the sources of a registry that is not public": "cat {secrets}/cargo/registry/src/own.test-0123456789abcdef/lib.rs",
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
    "the shared cargo cache": "echo evil > {secrets}/cargo/registry/cache/{public}/crate.crate",
    "a file beside it": "echo evil > {secrets}/cargo/registry/cache/{public}/new.crate",
    "the shared source by truncating it": "truncate -s 0 {secrets}/cargo/registry/src/{public}/crate/lib.rs",
    "a program of the toolchain": "echo evil > {secrets}/cargo/bin/tool",
    "the agent's own code": "echo evil >> {code}",
    "its log on the way to the ledger": "echo evil > {root}/log",
    "another job's checkout": "echo evil > {other}/checkout/evil",
    "files of the agent's user": "echo evil > {secrets}/home/.bashrc",
    "files of the system": "echo evil > /usr/local/evil",
    "what others keep in /tmp": "echo evil > /tmp/evil-$$",
    "its own cgroup": "echo 0 > /sys/fs/cgroup/cgroup.procs",
    "settings of the kernel": "echo evil > /proc/sys/kernel/core_pattern",
    "the shared cache by a hard link": "ln {secrets}/cargo/registry/cache/{public}/crate.crate mine",
    "a device of its own": "mknod disk b 8 0",
    "mounts": "mount -t tmpfs none {root}/tmp",
}


@pytest.mark.parametrize("script", WRITES.values(), ids=WRITES.keys())
def test_no_step_changes(
    script: str, around: Fence, inside: Inside, secrets: Path, room: Workspace, config: AgentConfig
) -> None:
    names = (f"registry/cache/{PUBLIC}/crate.crate", f"registry/src/{PUBLIC}/crate/lib.rs", "bin/tool")
    good = [secrets / "cargo" / name for name in names]
    for path in good:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("good")
    inside.env["PATH"] += f":{secrets}/cargo/bin"
    inside.around = fence(config, room, inside.env)
    with workspace(config.workspace, "other") as other:
        places = {"secrets": secrets, "public": PUBLIC, "other": other.root, "root": room.root}
        assert inside.denied(script.format(code=landlock.__file__, **places)), inside.output
        assert not list(other.checkout.iterdir())
    assert [path.read_text() for path in good] == ["good"] * 3
    assert not (secrets / f"cargo/registry/cache/{PUBLIC}/new.crate").exists()


def test_what_the_shared_cache_holds_of_public_registries_can_be_read(
    inside: Inside, config: AgentConfig, room: Workspace, secrets: Path
) -> None:
    public, listed, own = (
        secrets / "cargo/registry/cache" / folder / "crate.crate"
        for folder in (PUBLIC, "mirror.test-0123456789abcdef", "own.test-0123456789abcdef")
    )
    for crate in (public, listed, own):
        crate.parent.mkdir(parents=True)
        crate.write_text("a crate")
    inside.around = fence(replace(config, fork_registries=("mirror.test",)), room, inside.env)
    assert inside.says(f"cat {public} {listed}") == "a cratea crate"
    assert inside.denied(f"cat {own}")


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
    assert inside.around.closed_ports == (4226, 6379)
    with socket.create_server(("127.0.0.1", 0)) as ledger, socket.create_server(("127.0.0.1", 0)) as other:
        url = f"redis://127.0.0.1:{ledger.getsockname()[1]}/0"
        closed = replace(config, environment={**config.environment, Env.REDIS_URL: url})
        inside.around = fence(closed, room, inside.env)
        assert inside.denied(f"echo PING > /dev/tcp/127.0.0.1/{ledger.getsockname()[1]}")
        assert inside.says(f"echo hello > /dev/tcp/127.0.0.1/{other.getsockname()[1]}") == ""
