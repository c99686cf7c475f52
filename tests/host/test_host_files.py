"""The files of a node, as values."""

from __future__ import annotations

import base64
import io
import shutil
import subprocess
import tarfile
from pathlib import Path
from typing import Any

import pytest
import yaml

from components.host.bundle import install_bundle, install_settings
from components.host.config import ADDRESS, hosts_fragment, k3s_config, kubelet_configuration, registries
from components.k3s import host_files
from components.manifest_tree import emit
from components.settings import Settings, load_stack
from tests.host.conftest import RESERVATION, TOKEN

SCRIPTS = sorted((Path(__file__).parents[2] / "components/scripts").glob("*.sh"))


def two_nodes(settings: Settings) -> Settings:
    return settings.model_copy(
        update={"nodes": (settings.nodes[0], settings.nodes[0].model_copy(update={"name": "second", "arch": "amd64"}))}
    )


def test_each_node_has_its_files_below_host(settings: Settings) -> None:
    tree = host_files(two_nodes(settings), {"dgx-spark": RESERVATION, "second": RESERVATION})
    names = {path.removeprefix("host/") for path in tree.files}
    common = {"config.yaml", "registries.yaml", "50-dgx.conf", "90-k3s.conf", "hosts.fragment"}
    assert names == {
        *(f"dgx-spark/{name}" for name in common | {"audit-policy.yaml", "k3s.service"}),
        *(f"second/{name}" for name in common | {"k3s-agent.service"}),
    }


def test_the_same_settings_give_the_same_bytes(settings: Settings) -> None:
    trees = [emit([host_files(settings, {"dgx-spark": RESERVATION})]).digest() for _ in range(2)]
    assert trees[0] == trees[1]


@pytest.mark.parametrize("stack", ["local", "dev"])
def test_a_stack_that_installs_no_k3s_has_no_host_files(stack: str) -> None:
    assert not host_files(load_stack(stack), {}).files


def test_no_file_in_the_repository_holds_the_token(settings: Settings) -> None:
    assert not [path for path in host_files(settings, {"dgx-spark": RESERVATION}).files if "token" in path]


def test_only_the_first_node_is_a_server_and_the_others_join_it(settings: Settings) -> None:
    both = two_nodes(settings)
    server, agent = (k3s_config(both, node) for node in both.nodes)
    assert server["cluster-init"] is True
    assert "server" not in server
    assert agent["server"] == "https://dgx-spark.raibid.internal:6443"
    assert not {"cluster-init", "disable", "kube-apiserver-arg"} & set(agent)


def test_no_flag_replaces_the_kubelets_drop_in(settings: Settings) -> None:
    node = settings.nodes[0]
    assert "kubelet-arg" not in k3s_config(settings, node)
    unit = host_files(settings, {node.name: RESERVATION}).files["host/dgx-spark/k3s.service"]
    assert "ExecStart=/usr/local/bin/k3s server\n" in unit


def test_sysctl_sets_what_protect_kernel_defaults_checks(settings: Settings) -> None:
    # pkg/kubelet/cm/container_manager_linux.go, setupKernelTunables
    files = host_files(settings, {"dgx-spark": RESERVATION}).files
    assert yaml.safe_load(files["host/dgx-spark/config.yaml"])["protect-kernel-defaults"] is True
    lines = dict(line.split(" = ") for line in files["host/dgx-spark/90-k3s.conf"].splitlines() if "=" in line)
    assert lines == {
        "vm.overcommit_memory": "1",
        "vm.panic_on_oom": "0",
        "kernel.panic": "10",
        "kernel.panic_on_oops": "1",
        "kernel.keys.root_maxkeys": "1000000",
        "kernel.keys.root_maxbytes": "25000000",
    }


def test_the_kubelet_keeps_back_what_the_budget_says() -> None:
    kubelet = kubelet_configuration(RESERVATION)
    assert kubelet["systemReserved"] == {"cpu": "6", "memory": "12Gi", "ephemeral-storage": "100Gi"}
    assert kubelet["kubeReserved"] == {"cpu": "2", "memory": "4Gi"}
    assert kubelet["evictionHard"]["memory.available"] == "2Gi"
    assert "cpuManagerPolicy" not in kubelet


def test_reserved_cores_take_the_place_of_figures() -> None:
    reservation = RESERVATION.__class__(**{**vars(RESERVATION), "reserved_cpus": "0-4,10-14", "static_cpus": True})
    kubelet: Any = kubelet_configuration(reservation)
    assert kubelet["reservedSystemCPUs"] == "0-4,10-14"
    assert kubelet["cpuManagerPolicy"] == "static"
    assert "cpu" not in {**kubelet["systemReserved"], **kubelet["kubeReserved"]}


def test_giteas_registry_is_asked_under_the_name_of_its_token_realm(settings: Settings) -> None:
    gitea = "gitea.raibid.internal:3000"
    assert registries(settings)["mirrors"][gitea] == {"endpoint": [f"http://{gitea}"]}


def test_the_pools_images_are_pulled_from_a_registry_that_the_host_knows(settings: Settings) -> None:
    known = registries(settings)["mirrors"]
    assert {image.repository.split("/")[0] for image in (settings.images.agent, settings.images.api)} <= set(known)


def test_images_do_not_evict_before_the_budgets_share_of_the_disk_is_gone() -> None:
    eviction = kubelet_configuration(RESERVATION)["evictionHard"]
    assert eviction["imagefs.available"] == eviction["nodefs.available"]


def test_a_node_with_a_gpu_carries_the_label_that_the_device_plugin_looks_for(settings: Settings) -> None:
    node = settings.nodes[0]
    assert k3s_config(settings, node)["node-label"] == ["nvidia.com/gpu.present=true"]
    assert "node-label" not in k3s_config(settings, node.model_copy(update={"gpu": None}))


def test_without_the_cache_docker_hub_is_asked_directly(settings: Settings) -> None:
    without = settings.model_copy(update={"systems": settings.systems.model_copy(update={"registry_cache": False})})
    assert "docker.io" in registries(settings)["mirrors"]
    assert "docker.io" not in registries(without)["mirrors"]


def test_a_server_known_by_name_gets_its_address_from_preflight(settings: Settings) -> None:
    assert f"{ADDRESS} gitea.raibid.internal redis.raibid.internal" in hosts_fragment(settings)
    assert "192.0.2.7 gitea.raibid.internal" in hosts_fragment(settings, "192.0.2.7")


def test_a_server_known_by_address_needs_no_preflight_for_it(settings: Settings) -> None:
    node = settings.nodes[0].model_copy(update={"host": "192.0.2.9"})
    assert "192.0.2.9 gitea" in hosts_fragment(settings.model_copy(update={"nodes": (node,)}))


@pytest.mark.parametrize(
    ("arch", "asset", "sums"),
    [("arm64", "k3s-arm64", "sha256sum-arm64.txt"), ("amd64", "k3s", "sha256sum-amd64.txt")],
)
def test_the_binary_is_the_one_of_the_nodes_architecture(settings: Settings, arch: str, asset: str, sums: str) -> None:
    node = settings.nodes[0].model_copy(update={"arch": arch})
    told = install_settings(settings, node, "https://releases")
    assert (told["RAIBID_ASSET"], told["RAIBID_SUMS"]) == (asset, sums)
    assert "%2B" in told["RAIBID_DOWNLOAD"]


def test_a_bundle_is_the_same_bytes_each_time_and_holds_the_token_as_a_private_file(settings: Settings) -> None:
    node = settings.nodes[0]
    first, second = (install_bundle(settings, node, RESERVATION, token=TOKEN) for _ in range(2))
    assert first == second
    with tarfile.open(fileobj=io.BytesIO(base64.b64decode(first)), mode="r:") as archive:
        assert archive.extractfile("files/etc/rancher/k3s/token").read() == TOKEN.encode()  # type: ignore[union-attr]
        assert b"0600 etc/rancher/k3s/token\n" in archive.extractfile("modes").read()  # type: ignore[union-attr]


@pytest.mark.skipif(shutil.which("shellcheck") is None, reason="needs shellcheck on PATH")
@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.name)
def test_scripts_are_clean_for_shellcheck(path: Path) -> None:
    done = subprocess.run(["shellcheck", str(path)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
