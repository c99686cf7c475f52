"""Reading the kubeconfig, and removing k3s."""

from __future__ import annotations

import json

from components.host.bundle import kubeconfig_bundle, uninstall_bundle
from components.settings import Settings
from tests.host.conftest import Machine


def test_the_kubeconfig_names_the_address_by_which_others_reach_the_server(
    machine: Machine, settings: Settings, bundle: str
) -> None:
    machine.run(bundle)
    done = machine.run(kubeconfig_bundle(settings.nodes[0], "digest"))
    assert "server: https://dgx-spark.raibid.internal:6443" in done.stdout
    assert "127.0.0.1" not in done.stdout


def test_a_kubeconfig_that_is_not_there_is_an_error_and_no_empty_answer(machine: Machine, settings: Settings) -> None:
    done = machine.run(kubeconfig_bundle(settings.nodes[0], ""))
    assert (done.returncode, done.stdout) == (1, "")
    assert "is k3s installed and up?" in done.stderr


def test_removal_takes_k3s_and_leaves_volumes_and_everybody_elses_lines(machine: Machine, bundle: str) -> None:
    hosts = (machine.root / "etc/hosts").read_text()
    machine.run(bundle)
    volume = machine.root / "var/lib/rancher/k3s/storage/pvc-1/data"
    volume.parent.mkdir(parents=True)
    volume.write_text("somebody's")
    (machine.root / "proc/self/mounts").write_text(
        "tmpfs /var/lib/kubelet/pods/x tmpfs rw 0 0\n/dev/a /home ext4 rw 0 0\n"
    )
    done = machine.run(uninstall_bundle())
    assert (done.returncode, json.loads(done.stdout)) == (0, {"uninstalled": True}), done.stderr
    left = machine.files()
    assert not [name for name in left if "etc/rancher" in name or "local/bin" in name or "systemd" in name]
    assert volume.read_text() == "somebody's"
    assert (machine.root / "etc/hosts").read_text() == hosts
    assert [call for call in machine.calls() if call.startswith("umount")] == ["umount /var/lib/kubelet/pods/x"]


def test_removal_stops_before_deleting_below_what_is_still_mounted(machine: Machine, bundle: str) -> None:
    machine.run(bundle)
    (machine.root / "proc/self/mounts").write_text("/dev/a /var/lib/kubelet/pods/x/volumes/data ext4 rw 0 0\n")
    (machine.root / "break-umount").touch()
    done = machine.run(uninstall_bundle())
    assert done.returncode == 1
    assert "/var/lib/kubelet/pods/x/volumes/data" in done.stderr
    assert (machine.root / "usr/local/bin/k3s").exists()


def test_removal_twice_is_no_error(machine: Machine, bundle: str) -> None:
    machine.run(bundle)
    assert machine.run(uninstall_bundle()).returncode == 0
    assert machine.run(uninstall_bundle()).returncode == 0


def test_removal_of_a_machine_that_never_had_k3s_touches_nothing(machine: Machine) -> None:
    before = machine.files()
    assert machine.run(uninstall_bundle()).returncode == 0
    assert machine.files() == before
