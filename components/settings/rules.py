"""Rules between the values of a stack's config: each a function over the sections that it names.

Owns: what must agree (names, hosts, cores, reservations, architectures, pins).
Leaves to others: a single value's own rule (`types`), what is only worth a word (`notices`), whether the systems fit
(`components.budget`).

A rule asks for sections by its parameters' names; it runs whenever those are valid by themselves, so that a mistake
in one section does not hide one in another.
"""

from __future__ import annotations

import inspect
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Final

from raibid.contract import AclUser

from components.settings.model import (
    Cluster,
    Gitea,
    Images,
    Node,
    Profile,
    Recipients,
    Reserved,
)
from components.settings.problems import Problem, near
from components.units import cores_text, size_text
from components.versions import IMAGES

DOWNLOADS: Final = ("k3s-amd64", "k3s-arm64")
"""What `checksums` may name."""

LABELS: Final = (
    *(f"redis/{user}" for user in (AclUser.API, AclUser.AGENT, AclUser.KEDA, AclUser.CONTROLLER)),
    *(
        "gitea/admin",
        "gitea/database",
        "gitea/flux",
        "gitea/agent",
        "gitea/mirror",
        "gitea/rollback",
        "rollback/alerts",
        "gitea/status",
        "gitea/internal-token",
        "gitea/jwt",
    ),
    *("flux/receiver", "grafana/admin", "notifications/gitea"),
    *("api/webhook", "api/read-token", "api/write-token"),
)
"""What `rotation` may name."""

FIXED: Final[Mapping[str, tuple[str, str]]] = {
    # Another token in the file would keep k3s from starting.
    "k3s/token": ("k3s' datastore is encrypted with it", "let `k3s token rotate` change both"),
    "gitea/secret-key": ("what Gitea's database holds is encrypted with it", "keep it"),
}
"""Derived like the others, and yet no rotation: why, and what to do."""

_RESERVED_USERS: Final = frozenset({"admin", "api", "assets", "explore", "ghost", "gitea-actions", "login", "user"})
"""Names that Gitea keeps for itself (models/user/user.go), as far as somebody might choose them."""

OWN_USERS: Final = frozenset({"flux", "flux-status", "ci-agent", "ci-mirror", "ci-rollback", "ci-status"})
"""Users that the stack itself makes in Gitea; a test holds them to those who make them."""

Rule = Callable[..., Iterable[Problem]]


def problems(sections: Mapping[str, Any]) -> Iterator[Problem]:
    """What the rules find in the sections that are there."""
    for rule in RULES:
        wanted = list(inspect.signature(rule).parameters)
        if all(name in sections for name in wanted):
            yield from rule(**{name: sections[name] for name in wanted})


def _twice(nodes: tuple[Node, ...], key: str) -> Iterator[Problem]:
    values = [getattr(node, key) for node in nodes]
    for index, value in enumerate(values):
        first = values.index(value)
        if value and first != index:
            yield Problem(f"nodes[{index}].{key}", value, f"nodes[{first}] has it too", f"give each node its own {key}")


def names_are_unique(nodes: tuple[Node, ...]) -> Iterator[Problem]:
    """Kubernetes knows nodes by name."""
    yield from _twice(nodes, "name")


def hosts_are_unique(nodes: tuple[Node, ...]) -> Iterator[Problem]:
    """Two nodes on one host would install k3s over each other."""
    yield from _twice(nodes, "host")


def cores_belong_to_the_node(nodes: tuple[Node, ...]) -> Iterator[Problem]:
    """Each listed cpu is one of the node's, in one class only."""
    for index, node in enumerate(nodes):
        counts = Counter(number for cores in node.cores for number in cores.numbers)
        for place, cores in enumerate(node.cores):
            path = f"nodes[{index}].cores[{place}].cpus"
            if beyond := [number for number in cores.numbers if number * 1000 >= node.cpu]:
                yield Problem(
                    path,
                    cores.cpus,
                    f"cpu {beyond[0]} is beyond the node's {cores_text(node.cpu)}",
                    f"number them 0 to {node.cpu // 1000 - 1}",
                )
            if shared := [number for number in cores.numbers if counts[number] > 1]:
                yield Problem(path, cores.cpus, f"cpu {shared[0]} is in two classes", "name each cpu once")


def reservations_leave_something(nodes: tuple[Node, ...], reserved: Reserved) -> Iterator[Problem]:
    """The sum of what is reserved stays below what each node has."""
    sums = {
        "cpu": (reserved.system_cpu + reserved.kube_cpu, cores_text),
        "memory": (
            reserved.system_memory + reserved.kube_memory + reserved.eviction_memory + reserved.inference_memory,
            size_text,
        ),
        "disk": (reserved.system_disk, size_text),
    }
    for index, node in enumerate(nodes):
        capacities = {
            "cpu": node.cpu,
            "memory": node.memory,
            "disk": node.disk * (100 - reserved.eviction_disk_percent) // 100,
        }
        for key, (total, text) in sums.items():
            if total >= capacities[key]:
                yield Problem(
                    f"nodes[{index}].{key}",
                    text(getattr(node, key)),
                    f"`reserved` takes {text(total)} of it, so nothing is left for pods",
                    f"reserve less than {text(capacities[key])}",
                )


def k3s_needs_hosts(cluster: Cluster, nodes: tuple[Node, ...]) -> Iterator[Problem]:
    """What is installed over SSH has a host."""
    if cluster.kind == "k3s":
        for index, node in enumerate(nodes):
            if not node.host:
                yield Problem(f"nodes[{index}].host", "unset", "cluster kind k3s installs it over SSH", "name its host")


def embedded_is_one_machine(cluster: Cluster, nodes: tuple[Node, ...]) -> Iterator[Problem]:
    """Plain processes run on this machine only."""
    if cluster.kind == "embedded" and len(nodes) > 1:
        yield Problem("nodes", f"{len(nodes)} nodes", "cluster kind embedded is this machine alone", "keep one node")


def keys_fit_the_kind(cluster: Cluster) -> Iterator[Problem]:
    """A key that its kind of cluster does not read is a mistake, not a wish."""
    if cluster.context and cluster.kind != "existing":
        yield Problem(
            "cluster.context", cluster.context, f"cluster kind {cluster.kind} has no kubeconfig of yours", "remove it"
        )
    if cluster.uninstall and cluster.kind != "k3s":
        yield Problem("cluster.uninstall", "true", f"cluster kind {cluster.kind} was not installed here", "remove it")


def pinned_needs_cores(cluster: Cluster, nodes: tuple[Node, ...], profile: Profile) -> Iterator[Problem]:
    """Whole performance cores are given only where they are known and where the kubelet is ours."""
    if profile != "pinned":
        return
    if cluster.kind != "k3s":
        yield Problem(
            "profile",
            profile,
            f"needs the kubelet's static CPU policy, which cluster kind {cluster.kind} does not let us set",
            "choose conservative, balanced or aggressive",
        )
    for index, node in enumerate(nodes):
        for kind in ("performance", "efficiency"):
            if not node.cpus(kind):
                yield Problem(
                    f"nodes[{index}].cores",
                    "unset" if not node.cores else f"no {kind} cores",
                    f"profile pinned needs to know its {kind} cores",
                    "list both classes as preflight prints them",
                )


def pinned_reserves_whole_class(nodes: tuple[Node, ...], profile: Profile, reserved: Reserved) -> Iterator[Problem]:
    """With pinned the efficiency cores are the reservation; a larger one could not be kept."""
    total = reserved.system_cpu + reserved.kube_cpu
    for index, node in enumerate(nodes):
        efficiency = node.cpus("efficiency")
        if profile == "pinned" and efficiency and total > len(efficiency) * 1000:
            yield Problem(
                f"nodes[{index}].cores",
                f"{len(efficiency)} efficiency cores",
                f"profile pinned reserves just these, `reserved` asks for {cores_text(total)}",
                "reserve less CPU or choose another profile",
            )


def images_run_on_the_nodes(images: Images, nodes: tuple[Node, ...]) -> Iterator[Problem]:
    """An agent's image has every architecture of the pool."""
    for index, node in enumerate(nodes):
        if f"linux/{node.arch}" not in images.platforms:
            yield Problem(
                "images.platforms",
                ", ".join(images.platforms) or "none",
                f"nodes[{index}] is {node.arch}",
                f"add linux/{node.arch}",
            )


def gpus_are_alike(nodes: tuple[Node, ...]) -> Iterator[Problem]:
    """The device plugin has one config for all nodes, so it slices every GPU alike."""
    sliced = [(index, node.gpu.replicas) for index, node in enumerate(nodes) if node.gpu]
    for index, replicas in sliced:
        first, wanted = sliced[0]
        if replicas != wanted:
            path, rule = f"nodes[{index}].gpu.replicas", f"nodes[{first}] has {wanted}, and all GPUs are sliced alike"
            yield Problem(path, str(replicas), rule, f"write {wanted} on each node")


def admin_is_no_reserved_name(gitea: Gitea) -> Iterator[Problem]:
    """Gitea refuses such users when it is already running."""
    mirrors = [(f"mirrors[{index}]", name) for index, name in enumerate(gitea.mirrors)]
    for key, name in (("admin", gitea.admin), ("organisation", gitea.organisation), *mirrors):
        if name in _RESERVED_USERS:
            yield Problem(f"gitea.{key}", name, "a name that Gitea keeps for itself", f"write raibid-{name}")
        if name in OWN_USERS:
            rule = "the stack makes a user of that name, with another password and fewer rights"
            yield Problem(f"gitea.{key}", name, rule, f"write raibid-{name}")
    if gitea.admin == gitea.organisation:
        yield Problem("gitea.organisation", gitea.organisation, "gitea.admin has that name", "choose another")


def mirrors_have_their_own_organisations(gitea: Gitea) -> Iterator[Problem]:
    """Who makes mirrors owns those organisations, and whatever else is in them."""
    for index, name in enumerate(gitea.mirrors):
        path = f"gitea.mirrors[{index}]"
        if name == gitea.admin:
            yield Problem(path, name, "gitea.admin has that name", "choose another")
        if name == gitea.organisation:
            rule = "the fleet is there, and ci-mirror would own it"
            yield Problem(path, name, rule, "give mirrors an organisation of their own")


def recipients_differ(recipients: Recipients | None) -> Iterator[Problem]:
    """The recovery key is of use only if it is another one."""
    if recipients and recipients.cluster == recipients.recovery:
        yield Problem(
            "recipients.recovery",
            recipients.recovery,
            "is the cluster's own key",
            "make a second pair and keep its private key off the machine",
        )


def digests_name_images(digests: dict[str, str]) -> Iterator[Problem]:
    """A pin of an image that nobody uses would pin nothing."""
    for key in digests:
        if key not in IMAGES:
            yield Problem(f"digests.{key}", "sha256:…", "no image of versions.py has that name", near(key, IMAGES))


def checksums_name_downloads(checksums: dict[str, str]) -> Iterator[Problem]:
    """A checksum of a download that nobody makes would check nothing."""
    for key in checksums:
        if key not in DOWNLOADS:
            yield Problem(f"checksums.{key}", "a SHA-256", "nothing of that name is downloaded", near(key, DOWNLOADS))


def rotation_names_secrets(rotation: dict[str, int]) -> Iterator[Problem]:
    """A generation of a label that is not derived would rotate nothing."""
    for key, generation in rotation.items():
        if key in FIXED:
            yield Problem(f"rotation.{key}", str(generation), *FIXED[key])
        elif key not in LABELS:
            yield Problem(f"rotation.{key}", str(generation), "not a label of a secret", near(key, LABELS))


RULES: Final[tuple[Rule, ...]] = (
    names_are_unique,
    hosts_are_unique,
    cores_belong_to_the_node,
    reservations_leave_something,
    k3s_needs_hosts,
    embedded_is_one_machine,
    keys_fit_the_kind,
    pinned_needs_cores,
    pinned_reserves_whole_class,
    images_run_on_the_nodes,
    gpus_are_alike,
    admin_is_no_reserved_name,
    mirrors_have_their_own_organisations,
    recipients_differ,
    digests_name_images,
    checksums_name_downloads,
    rotation_names_secrets,
)
