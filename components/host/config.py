"""The files that make a machine a node of the pool; pure: the same settings give the same bytes.

Owns: k3s' config.yaml, the kubelet's drop-in, registries, sysctl, audit policy, unit, hosts fragment, where each lies.
Leaves to others: writing them (`scripts/k3s_install.sh`), what is reserved (`budget`), the token (`k3s`).
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from components import nvidia, registry_cache
from components.budget import KubeletReservation
from components.host.audit import AUDIT_POLICY
from components.manifest_tree import Tree, to_yaml
from components.settings import Node, Settings
from components.units import cores_text, size_text

NAME: Final = "k3s"
API_PORT: Final = 6443
TOKEN_FILE: Final = "/etc/rancher/k3s/token"  # noqa: S105  (a path)
AUDIT_POLICY_FILE: Final = "/etc/rancher/k3s/audit-policy.yaml"
ADDRESS: Final = "@address@"
"""In the hosts fragment, until preflight has said which address the server has."""

GITEA_PORT: Final = 3000

SYSCTL: Final = """\
# What the kubelet asks for with protect-kernel-defaults; with other values it does not start.
vm.overcommit_memory = 1
vm.panic_on_oom = 0
kernel.panic = 10
kernel.panic_on_oops = 1
kernel.keys.root_maxkeys = 1000000
kernel.keys.root_maxbytes = 25000000
"""

_UNIT: Final = """\
[Unit]
Description=k3s {role} of the raibid-ci pool
Documentation=https://docs.k3s.io
Wants=network-online.target
After=network-online.target

[Service]
Type=notify
ExecStartPre=-/sbin/modprobe br_netfilter
ExecStartPre=-/sbin/modprobe overlay
ExecStart=/usr/local/bin/k3s {role}
# Pods outlive a restart of k3s.
KillMode=process
Delegate=yes
LimitNOFILE=1048576
LimitNPROC=infinity
LimitCORE=infinity
TasksMax=infinity
TimeoutStartSec=0
Restart=always
RestartSec=5s

[Install]
WantedBy=multi-user.target
"""


@dataclass(frozen=True)
class HostFile:
    """One file of the machine."""

    path: str
    """Absolute, on the host."""
    text: str
    mode: str = "0644"

    @property
    def name(self) -> str:
        """What it is called in the Flux repository: for reading, not for Flux."""
        return self.path.rpartition("/")[2]


def role(settings: Settings, node: Node) -> str:
    """`server` for the first node, `agent` for the others."""
    return "server" if node.name == settings.nodes[0].name else "agent"


def service(settings: Settings, node: Node) -> str:
    """Name of the node's systemd unit."""
    return "k3s" if role(settings, node) == "server" else "k3s-agent"


def host_files(settings: Settings, kubelet: Mapping[str, KubeletReservation]) -> Tree:
    """The hosts' files as `host/<node>/…` of the Flux repository: read by people, written by Pulumi, not synced.

    `kubelet`: each node's reservation, as the budget has it.
    """
    if settings.cluster.kind != "k3s":
        return Tree(NAME)
    return Tree(
        NAME,
        files={
            f"host/{node.name}/{name}": text
            for node in settings.nodes
            for name, text in [
                *((file.name, file.text) for file in node_files(settings, node, kubelet[node.name])),
                ("hosts.fragment", hosts_fragment(settings)),
            ]
        },
    )


def node_files(settings: Settings, node: Node, reservation: KubeletReservation) -> tuple[HostFile, ...]:
    """Every file that a node gets, but for the token, which is secret, and the fragment of /etc/hosts."""
    return tuple(_node_files(settings, node, reservation))


def _node_files(settings: Settings, node: Node, reservation: KubeletReservation) -> Iterator[HostFile]:
    # 0600: a kubeconfig's neighbour; only root has business here.
    yield HostFile("/etc/rancher/k3s/config.yaml", _yaml(k3s_config(settings, node)), "0600")
    yield HostFile("/etc/rancher/k3s/registries.yaml", _yaml(registries(settings)), "0600")
    yield HostFile(
        # A drop-in, not kubelet-arg: a flag in the unit would silently replace the whole list of config.yaml.
        "/var/lib/rancher/k3s/agent/etc/kubelet.conf.d/50-dgx.conf",
        _yaml(kubelet_configuration(reservation)),
    )
    yield HostFile("/etc/sysctl.d/90-k3s.conf", SYSCTL)
    yield HostFile(f"/etc/systemd/system/{service(settings, node)}.service", _UNIT.format(role=role(settings, node)))
    if role(settings, node) == "server":
        yield HostFile(AUDIT_POLICY_FILE, _yaml(AUDIT_POLICY), "0600")


def k3s_config(settings: Settings, node: Node) -> Mapping[str, Any]:
    """config.yaml: the flags of k3s, as YAML."""
    common = {
        "node-name": node.name,
        "token-file": TOKEN_FILE,
        "protect-kernel-defaults": True,
        # The device plugin runs where this label is; k3s sets it when the node registers, and only then.
        **({"node-label": [f"{nvidia.NODE_LABEL}=true"]} if node.gpu else {}),
    }
    if role(settings, node) == "agent":
        return {"server": f"https://{settings.nodes[0].host}:{API_PORT}", **common}
    return {
        **common,
        "write-kubeconfig-mode": "0600",
        "disable": ["traefik"],
        # Embedded etcd: the default (SQLite) has no snapshots and takes no second server later.
        "cluster-init": True,
        "secrets-encryption": True,
        "tls-san": sorted({name for name in (node.name, node.host, f"gitea.{settings.domain}") if name}),
        "default-local-storage-path": "/var/lib/rancher/k3s/storage",
        "etcd-snapshot-schedule-cron": "0 */6 * * *",
        "etcd-snapshot-retention": 20,
        "kube-apiserver-arg": [
            f"audit-policy-file={AUDIT_POLICY_FILE}",
            "audit-log-path=/var/lib/rancher/k3s/server/logs/audit.log",
            "audit-log-maxage=30",
            "audit-log-maxbackup=10",
            "audit-log-maxsize=100",
        ],
    }


def kubelet_configuration(reservation: KubeletReservation) -> Mapping[str, Any]:
    """The kubelet's drop-in: what is reserved, when it evicts, how long images and logs stay."""
    return {
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        **({"cpuManagerPolicy": "static"} if reservation.static_cpus else {}),
        **({"reservedSystemCPUs": reservation.reserved_cpus} if reservation.reserved_cpus else {}),
        "systemReserved": {
            **_cpu(reservation, reservation.system_cpu),
            "memory": size_text(reservation.system_memory),
            "ephemeral-storage": size_text(reservation.system_disk),
        },
        "kubeReserved": {**_cpu(reservation, reservation.kube_cpu), "memory": size_text(reservation.kube_memory)},
        # Given at all, the map replaces the kubelet's own: every signal has to be named.
        "evictionHard": {
            "memory.available": size_text(reservation.eviction_memory),
            "nodefs.available": f"{reservation.eviction_disk_percent}%",
            "nodefs.inodesFree": "5%",
            "imagefs.available": f"{reservation.eviction_disk_percent}%",
        },
        # One step of a build that runs out of memory is killed alone: the agent lives to report it.
        "singleProcessOOMKill": True,
        # CI images are large and change often: collected long before eviction would start.
        "imageGCHighThresholdPercent": 75,
        "imageGCLowThresholdPercent": 60,
        "containerLogMaxSize": "20Mi",
        "containerLogMaxFiles": 3,
    }


def _cpu(reservation: KubeletReservation, amount: int) -> Mapping[str, str]:
    # Where cores are reserved by number, the kubelet takes their count for system and kube together.
    return {} if reservation.reserved_cpus else {"cpu": cores_text(amount)}


def registries(settings: Settings) -> Mapping[str, Any]:
    """registries.yaml: Gitea's own registry over plain HTTP inside the pool, Docker Hub through the cache.

    containerd asks from the host, not from a pod: Gitea's name must resolve there (the hosts fragment), and its 401
    names a token realm below ROOT_URL, which therefore has to be the same name and port.
    """
    gitea = f"gitea.{settings.domain}:{GITEA_PORT}"
    mirrors: dict[str, Any] = {gitea: {"endpoint": [f"http://{gitea}"]}}
    if settings.systems.registry_cache:
        # containerd falls back to Docker Hub itself when the cache does not answer.
        mirrors["docker.io"] = {"endpoint": [f"http://127.0.0.1:{registry_cache.NODE_PORT}"]}
    return {"mirrors": mirrors}


def hosts_fragment(settings: Settings, address: str = "") -> str:
    """The pool's names on the host, between markers; `address` is the server's, where its host is given by name."""
    server = settings.nodes[0].host
    known = address or (server if _is_address(server) else ADDRESS)
    names = " ".join(f"{name}.{settings.domain}" for name in ("gitea", "redis"))
    return f"# raibid-ci begin: written by the stack, edits are lost\n{known} {names}\n# raibid-ci end\n"


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


def _yaml(value: Mapping[str, Any]) -> str:
    return to_yaml(value).decode()
