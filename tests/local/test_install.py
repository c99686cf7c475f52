"""redis-server: found, installed by the system's package manager, or one sentence."""

from __future__ import annotations

from pathlib import Path

import pytest
from raibid.local import install
from raibid.local.errors import InstallError


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine whose only programs are the ones a test puts here."""
    monkeypatch.setenv("PATH", str(tmp_path))
    return tmp_path


def program(at: Path, text: str) -> None:
    at.write_text(f"#!/bin/sh\n{text}\n")
    at.chmod(0o755)


def test_what_is_there_is_taken(machine: Path) -> None:
    program(machine / "redis-server", "true")
    said: list[str] = []
    assert install.ensure_redis_server(said.append) == str(machine / "redis-server")
    assert said == []


def test_a_fresh_debian_gets_its_package_lists_first_and_is_told_every_command(machine: Path) -> None:
    target = machine / "redis-server"
    program(machine / "apt-get", f'[ "$1" = update ] || {{ echo > {target}; /bin/chmod +x {target}; }}')
    program(machine / "sudo", 'shift; exec "$@"')
    program(machine / "true", "")
    said: list[str] = []
    assert install.ensure_redis_server(said.append) == str(target)
    assert [line.rpartition("apt-get ")[2] for line in said] == ["update -qq", "install -qq -y redis-server"]


def test_without_the_right_to_install_it_is_one_sentence(machine: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program(machine / "dnf", "exit 1")
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    with pytest.raises(InstallError, match="installing it needs root: install it"):
        install.ensure_redis_server(print)


def test_without_a_known_package_manager_it_is_one_sentence(machine: Path) -> None:
    with pytest.raises(InstallError, match="neither apt-get nor dnf"):
        install.ensure_redis_server(print)


def test_another_system_than_linux_is_one_sentence() -> None:
    install.require_linux("linux")
    with pytest.raises(InstallError, match="runs on Linux only, and this is darwin"):
        install.require_linux("darwin")


def test_variables_the_user_lets_through_join_the_toolchains(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAIBID_PASS_ENV", "HTTPS_PROXY,NPM_TOKEN_FILE")
    passed = install.toolchain()["RAIBID_PASS_ENV"].split(",")
    assert passed[-2:] == ["HTTPS_PROXY", "NPM_TOKEN_FILE"]
    assert passed[0] == "CARGO_HOME"


def test_a_failing_package_manager_is_quoted(machine: Path) -> None:
    program(machine / "dnf", "echo 'no network' >&2; exit 1")
    program(machine / "sudo", 'shift; exec "$@"')
    program(machine / "true", "")
    with pytest.raises(InstallError, match="no network"):
        install.ensure_redis_server(lambda _: None)
