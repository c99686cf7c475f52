"""Installing and updating k3s: the real script against a scratch root."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from components.host import bundle as k3s_bundle
from components.host.bundle import install_bundle
from components.settings import Settings
from components.versions import K3S, Pin
from tests.host.conftest import RESERVATION, TOKEN, Machine, Releases


@pytest.fixture
def send(settings: Settings, releases: Releases) -> Callable[..., str]:
    """A bundle that differs from the usual one."""

    def build(**changes: object) -> str:
        token = str(changes.pop("token", TOKEN))
        changed = settings.model_copy(update=changes)
        node = changed.nodes[0]
        return install_bundle(changed, node, RESERVATION, token=token, address="192.0.2.7", releases=releases.url)

    return build


@pytest.fixture
def older(releases: Releases, monkeypatch: pytest.MonkeyPatch) -> str:
    """A release before the pinned one, and the stack pinned to it until `monkeypatch.undo()`."""
    version = "v1.35.9+k3s1"
    releases.publish(version)
    monkeypatch.setattr(k3s_bundle, "K3S", Pin("k3s-io/k3s", version, ""))
    return version


def test_a_bare_machine_becomes_a_node(machine: Machine, bundle: str) -> None:
    done = machine.run(bundle)
    assert done.returncode == 0, done.stderr
    answer = json.loads(done.stdout)
    assert answer["version"] == K3S.version
    assert answer["restarted"] is True
    files = machine.files()
    assert files["etc/rancher/k3s/token"] == ("0o600", TOKEN.encode())
    assert files["usr/local/bin/k3s"][0] == "0o755"
    assert files["etc/sysctl.d/90-k3s.conf"][0] == "0o644"
    assert not [name for name in files if "raibid-next" in name or "pending" in name]


def test_the_second_run_changes_nothing_and_restarts_nothing(machine: Machine, bundle: str) -> None:
    machine.run(bundle)
    before, calls = machine.files(), len(machine.calls())
    done = machine.run(bundle)
    assert (done.returncode, json.loads(done.stdout)["changed"]) == (0, [])
    assert machine.files() == before
    assert not [call for call in machine.calls()[calls:] if call.startswith("systemctl")]


def test_one_changed_file_restarts_once_and_names_the_file(machine: Machine, send: Callable[..., str]) -> None:
    machine.run(send())
    done = machine.run(send(domain="other.internal"))
    answer = json.loads(done.stdout)
    assert "etc/rancher/k3s/config.yaml" in answer["changed"]
    assert "usr/local/bin/k3s" not in answer["changed"]
    assert machine.calls().count("systemctl restart k3s") == 2


def test_other_lines_of_hosts_stay(machine: Machine, send: Callable[..., str]) -> None:
    machine.run(send())
    machine.run(send(domain="other.internal"))
    hosts = (machine.root / "etc/hosts").read_text()
    assert hosts.startswith("127.0.0.1 localhost\n10.0.0.9 printer\n# raibid-ci begin")
    assert hosts.count("192.0.2.7 gitea.other.internal") == 1
    assert "raibid.internal" not in hosts


def test_a_release_whose_checksum_changed_replaces_nothing(machine: Machine, releases: Releases, bundle: str) -> None:
    releases.publish(K3S.version, stated="f" * 64)
    before = machine.files()
    done = machine.run(bundle)
    assert done.returncode == 1
    assert f"the release states {'f' * 64}; nothing was changed" in done.stderr
    assert machine.files() == before


def test_a_checksum_of_the_stack_that_does_not_hold_replaces_nothing(
    machine: Machine, send: Callable[..., str]
) -> None:
    before = machine.files()
    done = machine.run(send(checksums={"k3s-arm64": "a" * 64}))
    assert done.returncode == 1
    assert f"the stack's checksums say {'a' * 64}" in done.stderr
    assert machine.files() == before


def test_a_checksum_of_the_stack_that_holds_is_accepted(
    machine: Machine, releases: Releases, send: Callable[..., str]
) -> None:
    digest = releases.publish(K3S.version)
    assert machine.run(send(checksums={"k3s-arm64": digest})).returncode == 0


def test_a_release_without_the_binary_is_refused(machine: Machine, releases: Releases, bundle: str) -> None:
    (releases.directory / K3S.version / "sha256sum-arm64.txt").write_text(f"{'0' * 64}  k3s-s390x\n")
    done = machine.run(bundle)
    assert done.returncode == 1
    assert "does not name k3s-arm64; nothing was changed" in done.stderr


def test_a_tampered_installed_binary_is_replaced_when_the_stack_knows_its_checksum(
    machine: Machine, releases: Releases, send: Callable[..., str]
) -> None:
    digest = releases.publish(K3S.version)
    machine.run(send())
    binary = machine.root / "usr/local/bin/k3s"
    good = binary.read_bytes()
    binary.write_bytes(good + b"# tampered\n")
    done = machine.run(send(checksums={"k3s-arm64": digest}))
    assert done.returncode == 0, done.stderr
    assert binary.read_bytes() == good


def test_an_upgrade_takes_a_snapshot_first_and_keeps_the_old_binary(
    machine: Machine, send: Callable[..., str], older: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    machine.run(send())
    monkeypatch.undo()
    done = machine.run(send())
    assert done.returncode == 0, done.stderr
    calls = machine.calls()
    snapshot = calls.index(f"k3s etcd-snapshot save --name before-{K3S.version.replace('+', '-')}")
    assert snapshot < len(calls) - 1 - calls[::-1].index("systemctl restart k3s")
    assert older.encode() in (machine.root / "usr/local/bin/k3s.previous").read_bytes()


def test_without_a_snapshot_there_is_no_upgrade(
    machine: Machine, send: Callable[..., str], older: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    machine.run(send())
    before = machine.files()
    monkeypatch.undo()
    (machine.root / "break-snapshot").touch()
    done = machine.run(send())
    assert done.returncode == 1
    assert "so it was not upgraded" in done.stderr
    assert machine.files() == {**before, "break-snapshot": ("0o644", b"")}


def test_a_newer_k3s_is_not_replaced_by_an_older_one(
    machine: Machine, send: Callable[..., str], older: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = send()
    monkeypatch.undo()
    machine.run(send())
    done = machine.run(old)
    assert done.returncode == 1
    assert f"k3s {K3S.version} is newer than the wanted {older}" in done.stderr


def test_a_server_set_up_with_another_token_is_left_alone(machine: Machine, send: Callable[..., str]) -> None:
    machine.run(send())
    before = machine.files()
    done = machine.run(send(token="another"))
    assert done.returncode == 1
    assert "k3s token rotate" in done.stderr
    assert machine.files() == before


def test_a_run_that_was_cut_short_is_finished_by_the_next(machine: Machine, bundle: str) -> None:
    (machine.root / "break-start").touch()
    failed = machine.run(bundle)
    assert failed.returncode == 1
    assert "k3s did not start" in failed.stderr
    (machine.root / "break-start").unlink()
    done = machine.run(bundle)
    assert json.loads(done.stdout)["changed"] == []
    assert json.loads(done.stdout)["restarted"] is True


def test_a_new_cpu_policy_drops_the_kubelets_checkpoint_while_it_is_stopped(
    machine: Machine, send: Callable[..., str]
) -> None:
    machine.run(send())
    state = machine.root / "var/lib/kubelet/cpu_manager_state"
    state.parent.mkdir(parents=True)
    state.write_text("{}")
    drop_in = machine.root / "var/lib/rancher/k3s/agent/etc/kubelet.conf.d/50-dgx.conf"
    drop_in.write_text("another")
    machine.run(send())
    assert not state.exists()
    assert machine.calls()[-6:-3] == ["systemctl enable --quiet k3s", "systemctl stop k3s", "systemctl restart k3s"]


def test_the_checkpoint_goes_too_when_an_interrupted_run_had_changed_the_policy(
    machine: Machine, send: Callable[..., str]
) -> None:
    machine.run(send())
    drop_in = machine.root / "var/lib/rancher/k3s/agent/etc/kubelet.conf.d/50-dgx.conf"
    drop_in.write_text("another")
    (machine.root / "break-start").touch()
    assert machine.run(send()).returncode == 1
    assert drop_in.read_text() != "another"
    state = machine.root / "var/lib/kubelet/cpu_manager_state"
    state.parent.mkdir(parents=True)
    state.write_text("{}")
    (machine.root / "break-start").unlink()
    done = machine.run(send(domain="other.internal"))  # changes other files only
    assert done.returncode == 0, done.stderr
    assert "kubelet" not in done.stdout
    assert not state.exists()


def test_a_hosts_file_with_half_a_block_is_left_alone(machine: Machine, bundle: str) -> None:
    hosts = machine.root / "etc/hosts"
    hosts.write_text("# raibid-ci begin\n10.0.0.9 printer\n")
    done = machine.run(bundle)
    assert done.returncode == 1
    assert "mend it by hand" in done.stderr
    assert "printer" in hosts.read_text()


def test_no_secret_is_in_an_argument_or_an_answer(machine: Machine, bundle: str) -> None:
    done = machine.run(bundle)
    assert TOKEN not in done.stdout + done.stderr + k3s_bundle.RECEIVE
    assert not [call for call in machine.calls() if TOKEN in call]


def test_a_user_who_is_not_root_goes_through_sudo(machine: Machine, bundle: str) -> None:
    done = machine.run(bundle, FAKE_UID="1000")
    assert done.returncode == 0, done.stderr
    assert machine.calls()[0] == "sudo -n true"


def test_a_user_whose_sudo_asks_for_a_password_is_told_what_to_do(machine: Machine, bundle: str) -> None:
    (machine.root / "break-sudo").touch()
    done = machine.run(bundle, FAKE_UID="1000")
    assert done.returncode == 1
    assert "NOPASSWD" in done.stderr


def test_an_agent_joins_without_a_kubeconfig_of_its_own(
    machine: Machine, settings: Settings, releases: Releases
) -> None:
    second = settings.nodes[0].model_copy(update={"name": "second"})
    both = settings.model_copy(update={"nodes": (settings.nodes[0], second)})
    bundle = install_bundle(both, second, RESERVATION, token=TOKEN, address="192.0.2.7", releases=releases.url)
    done = machine.run(bundle)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["kubeconfig"] == ""
    assert "systemctl restart k3s-agent" in machine.calls()
    assert not [call for call in machine.calls() if call.startswith("k3s ")]
    assert b"server: https://dgx-spark.raibid.internal:6443" in machine.files()["etc/rancher/k3s/config.yaml"][1]


def test_an_agent_takes_a_rotated_token(machine: Machine, settings: Settings, releases: Releases) -> None:
    second = settings.nodes[0].model_copy(update={"name": "second"})
    both = settings.model_copy(update={"nodes": (settings.nodes[0], second)})
    for token in ("first", "another"):
        done = machine.run(install_bundle(both, second, RESERVATION, token=token, releases=releases.url))
        assert done.returncode == 0, done.stderr
    assert machine.files()["etc/rancher/k3s/token"][1] == b"another"
