"""K3s through a real sshd: plainly with ssh, and by Pulumi's own engine and command provider."""

from __future__ import annotations

import getpass
import os
import shutil
import socket
import subprocess
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import pulumi
import pytest
from pulumi import automation

from components.host import bundle as k3s_bundle
from components.host.bundle import RECEIVE
from components.k3s import K3s, K3sArgs
from components.settings import Settings
from tests.host.conftest import FAKES, RESERVATION, TOKEN, Machine, Releases
from tests.waiting import until

SSHD = shutil.which("sshd", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
pytestmark = pytest.mark.skipif(SSHD is None, reason="needs sshd (openssh-server)")


@dataclass(frozen=True)
class Host:
    """A machine behind an sshd of its own."""

    port: int
    host_key: str
    private_key: Path
    machine: Machine


@pytest.fixture
def host(machine: Machine, tmp_path: Path) -> Iterator[Host]:
    for name in ("host", "client"):
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(tmp_path / name)], check=True)
    if os.geteuid() == 0:
        Path("/run/sshd").mkdir(exist_ok=True)  # privilege separation
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    machine.be_a_spark()
    config = tmp_path / "sshd_config"
    config.write_text(
        f"ListenAddress 127.0.0.1\nPort {port}\nHostKey {tmp_path / 'host'}\n"
        f"AuthorizedKeysFile {tmp_path / 'client.pub'}\n"
        "PermitRootLogin yes\nStrictModes no\nUsePAM no\nPasswordAuthentication no\nPidFile none\n"
        f"SetEnv RAIBID_ROOT={machine.root} PATH={FAKES}:{os.environ['PATH']} NO_PROXY=*\n"
    )
    with subprocess.Popen([str(SSHD), "-D", "-e", "-f", str(config)], stderr=subprocess.DEVNULL) as server:
        try:
            until(lambda: listening(port), "sshd listens")
            yield Host(port, (tmp_path / "host.pub").read_text().strip(), tmp_path / "client", machine)
        finally:
            server.terminate()


def listening(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def test_a_bundle_installs_over_ssh(host: Host, bundle: str, tmp_path: Path) -> None:
    known = tmp_path / "known_hosts"
    known.write_text(f"[127.0.0.1]:{host.port} {host.host_key}\n")
    options = [f"-oUserKnownHostsFile={known}", "-oStrictHostKeyChecking=yes", "-oBatchMode=yes", "-F", "none"]
    done = subprocess.run(
        ["ssh", *options, "-i", str(host.private_key), "-p", str(host.port), "127.0.0.1", RECEIVE],
        input=bundle,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert (host.machine.root / "usr/local/bin/k3s").exists()


Up = Callable[..., automation.Stack]
Refused = Callable[..., str]


@dataclass(frozen=True)
class Site:
    """All that a stack of K3s and nothing else needs to know; another process can be given it."""

    work: Path
    settings: Settings
    port: int
    host_key: str
    private_key: str
    releases: str

    def stack(self, *, domain: str = "", **node: Any) -> automation.Stack:
        """The stack; keywords change its node."""
        k3s_bundle.install_bundle.__kwdefaults__ = {"address": "", "releases": self.releases}
        there = {"host": "127.0.0.1", "port": self.port, "host_key": self.host_key, "user": getpass.getuser()}
        first = self.settings.nodes[0].model_copy(update={**there, "disk": 1, **node})
        changed = self.settings.model_copy(update={"nodes": (first,), "domain": domain or self.settings.domain})

        def program() -> None:
            args = K3sArgs(
                settings=changed,
                kubelet={first.name: RESERVATION},
                ssh_private_key=pulumi.Output.secret(self.private_key),
                token=pulumi.Output.secret(TOKEN),
            )
            pulumi.export("kubeconfig", K3s("k3s", args).kubeconfig)

        backend = automation.ProjectBackend(url=f"file://{self.work / 'state'}")
        options = automation.LocalWorkspaceOptions(
            work_dir=str(self.work),
            env_vars={
                "PULUMI_CONFIG_PASSPHRASE": "x",
                "PULUMI_HOME": str(self.work / "home"),
                "PULUMI_SKIP_UPDATE_CHECK": "true",
                "PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION": "true",
            },
            project_settings=automation.ProjectSettings(name="raibid-ci", runtime="python", backend=backend),
        )
        return automation.create_or_select_stack("test", "raibid-ci", program, opts=options)


def told_by_a_failing_up(site: Site, node: dict[str, Any]) -> str:
    try:
        site.stack(**node).up()
    except automation.CommandError as error:
        return str(error)
    return "it did not fail"


@pytest.fixture
def site(host: Host, settings: Settings, tmp_path: Path, releases: Releases, monkeypatch: pytest.MonkeyPatch) -> Site:
    for program in ("pulumi", "pulumi-resource-command"):
        if shutil.which(program) is None:
            pytest.skip(f"needs {program} on PATH")
    monkeypatch.setattr(
        k3s_bundle.install_bundle, "__kwdefaults__", {**(k3s_bundle.install_bundle.__kwdefaults__ or {})}
    )
    (tmp_path / "state").mkdir()
    return Site(tmp_path, settings, host.port, host.host_key, host.private_key.read_text(), releases.url)


@pytest.fixture
def stack(site: Site) -> Up:
    """The stack of this site; keywords change the node."""
    return site.stack


@pytest.fixture
def refused(site: Site) -> Refused:
    """What an `up` says that fails, in a process of its own: its program never ends (the SDK waits for the engine)."""

    def up(**node: object) -> str:
        with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as other:
            return other.submit(told_by_a_failing_up, site, node).result()

    return up


def state(tmp_path: Path) -> str:
    return "".join(path.read_text() for path in (tmp_path / "state").rglob("*.json"))


@pytest.mark.engine
def test_up_installs_and_a_second_up_changes_nothing(stack: Up, host: Host, tmp_path: Path) -> None:
    said: list[str] = []
    first = stack().up(on_output=said.append)
    assert "https://127.0.0.1:6443" in first.outputs["kubeconfig"].value
    assert first.outputs["kubeconfig"].secret
    before = host.machine.calls()
    stack().up(expect_no_changes=True, on_output=said.append)
    assert host.machine.calls() == before
    assert not [line for line in said if TOKEN in line or "PRIVATE KEY" in line or "6443\n" in line]
    assert TOKEN not in state(tmp_path)
    assert "PRIVATE KEY" not in state(tmp_path)


@pytest.mark.engine
def test_a_changed_setting_updates_in_place_and_destroy_leaves_the_machine_alone(stack: Up, host: Host) -> None:
    stack().up()
    done = stack(domain="other.internal").up()
    assert set(done.summary.resource_changes or ()) <= {"same", "update"}
    assert host.machine.calls().count("systemctl restart k3s") == 2
    before, calls = host.machine.files(), host.machine.calls()
    stack(domain="other.internal").destroy()
    assert (host.machine.files(), host.machine.calls()) == (before, calls)


@pytest.mark.engine
def test_another_host_key_is_refused_and_nothing_is_run(refused: Refused, host: Host, tmp_path: Path) -> None:
    other = (tmp_path / "client.pub").read_text().strip()
    assert "host key mismatch" in refused(host_key=other)
    assert host.machine.calls() == []


@pytest.mark.engine
def test_no_host_key_previews_and_does_not_deploy(stack: Up, host: Host) -> None:
    stack(host_key="").preview()
    with pytest.raises(automation.InlineSourceRuntimeError, match=r"nodes\[0\]\.hostKey: unset"):
        stack(host_key="").up()
    assert host.machine.calls() == []


@pytest.mark.engine
def test_a_machine_that_is_not_as_described_is_not_installed_on(refused: Refused, host: Host) -> None:
    assert "memory: the stack says" in refused(memory=2**50)
    assert not (host.machine.root / "usr/local/bin/k3s").exists()


@pytest.mark.engine
def test_a_machine_that_was_refused_and_then_mended_is_installed_on(refused: Refused, stack: Up, host: Host) -> None:
    host.machine.set_memory(64)
    assert "memory: the stack says 119.0Gi, the machine has 64.0Gi" in refused()
    host.machine.set_memory(120)
    stack().up()
    assert (host.machine.root / "usr/local/bin/k3s").exists()


@pytest.mark.engine
def test_another_demand_asks_the_machine_again(refused: Refused, stack: Up) -> None:
    stack().up()
    assert "memory: the stack says" in refused(memory=2**50)
    stack().up()


@pytest.mark.engine
def test_an_interrupted_run_still_drops_the_kubelets_checkpoint(refused: Refused, stack: Up, host: Host) -> None:
    (host.machine.root / "break-start").touch()
    assert "k3s did not start" in refused()
    checkpoint = host.machine.root / "var/lib/kubelet/cpu_manager_state"
    checkpoint.parent.mkdir(parents=True)
    checkpoint.write_text("{}")
    (host.machine.root / "break-start").unlink()
    stack().up()
    assert not checkpoint.exists()


@pytest.mark.engine
def test_an_unreachable_host_is_named(refused: Refused) -> None:
    assert "127.0.0.1:1" in refused(port=1)
