"""k3s on the machines of the stack, over SSH: checked first, then installed or updated, never without a host key.

Owns: the commands that are run on the hosts, the kubeconfig.
Leaves to others: files (`host.config`), what is sent (`host.bundle`), what is done there (`scripts/k3s_*.sh`), whether
the machine fits (`host.preflight`).

No command has `triggers`: they replace, and a replacement runs the old one's delete last, which would remove the
cluster that was just installed. A changed bundle on stdin is an update: the same script again, which is idempotent.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import pulumi
from pulumi import ComponentResource, CustomTimeouts, Input, Output, ResourceOptions
from pulumi_command import remote

from components.budget import Budget, Footprint, KubeletReservation, Workload
from components.host.bundle import RECEIVE, install_bundle, kubeconfig_bundle, preflight_bundle, uninstall_bundle
from components.host.config import API_PORT, NAME, host_files, node_files
from components.host.preflight import Facts, warnings
from components.manifest_tree import Tree, emit
from components.settings import Node, Settings
from components.units import MI

__all__ = [
    "FLOWS",
    "NAME",
    "TOKEN_LABEL",
    "K3s",
    "K3sArgs",
    "K3sError",
    "footprint",
    "host_files",
    "manifests",
    "node_files",
    "obstacles",
    "variables",
]

FLOWS: Final = ()
TOKEN_LABEL: Final = "k3s/token"  # noqa: S105  (a label)
NO_HOST_KEY: Final = "unset: nothing connects"
"""Stands in for a host key in a preview. It is no key, so the provider refuses it before it dials; None would make it
accept any host."""
_PODS: Final = "kube-system"
_PATIENCE: Final = CustomTimeouts(create="30m", update="30m")


class K3sError(Exception):
    """Nothing may be run on the machines yet. `hint` says what to do."""

    hint = "docs/host.md, Before the first `pulumi up`"


@dataclass(frozen=True, kw_only=True)
class K3sArgs:
    """What the component needs."""

    settings: Settings
    kubelet: Mapping[str, KubeletReservation]
    """Each node's reservation, from the budget."""
    ssh_private_key: Input[str] | None = None
    """None: the keys of the SSH agent of whoever runs Pulumi."""
    token: Input[str] | None = None
    """What nodes join with, derived from the label `k3s/token`; secret."""


def footprint(settings: Settings) -> Footprint:
    """The pods that k3s brings; k3s itself and the system live in what the kubelet keeps back.

    The requests are those of k3s' own manifests (manifests/coredns.yaml, manifests/metrics-server). Its other pods,
    local-path-provisioner and those of the service load balancer, request nothing.
    """
    dns = Workload(name="coredns", namespace=_PODS, cpu=100, memory=70 * MI, memory_limit=170 * MI)
    metrics = Workload(name="metrics-server", namespace=_PODS, cpu=100, memory=70 * MI)
    return Footprint(NAME, (dns, metrics))


def manifests(settings: Settings) -> Tree:
    """None in the base: the hosts' files are this environment's, and no stage applies them (`host_files`)."""
    return Tree(NAME, {})


def variables(settings: Settings, budget: Budget) -> dict[str, str]:
    """None."""
    return {}


def obstacles(settings: Settings) -> list[str]:
    """What a preview may lack and a deployment may not, as `path: what is missing: what to do`."""
    nodes = list(enumerate(settings.nodes))
    return [
        *(f"nodes[{i}].host: unset: the name or address for SSH" for i, node in nodes if not node.host),
        *(
            f"nodes[{i}].hostKey: unset: nothing is run on a host whose key is not known: "
            f"ssh-keyscan -t ed25519 {node.host or '<host>'}, compare it on the machine, write it down"
            for i, node in nodes
            if not node.host_key
        ),
    ]


class K3s(ComponentResource):
    """The cluster, from bare machines."""

    kubeconfig: Output[str]
    """The admin's; secret."""
    server: Output[str]
    """URL of the API server."""

    def __init__(self, name: str, args: K3sArgs, opts: ResourceOptions | None = None) -> None:
        # A preview shows the whole graph without keys (`readiness` warns); a deployment ends before it registers any.
        missing = [*obstacles(args.settings), *(["seed: unset: nodes join by it"] if args.token is None else [])]
        if missing and not pulumi.runtime.is_dry_run():
            raise K3sError("\n".join(missing))
        files = emit([host_files(args.settings, args.kubelet)]).digests()
        super().__init__("raibid:components:K3s", name, {"files": files}, opts)

        first, *others = args.settings.nodes
        facts = self._preflight(name, first, args)
        address = facts.apply(lambda known: known.address)
        server = self._install(name, first, args, facts, address)
        for node in others:
            self._install(name, node, args, self._preflight(name, node, args), address, after=server)
        self.kubeconfig = Output.secret(self._read_kubeconfig(name, first, args, server).stdout)
        self.server = Output.from_input(f"https://{first.host}:{API_PORT}")
        self.register_outputs({"kubeconfig": self.kubeconfig, "server": self.server})

    def _preflight(self, name: str, node: Node, args: K3sArgs) -> Output[Facts]:
        command = self._command(f"{name}-{node.name}-preflight", node, args, preflight_bundle(node))

        def judged(answer: str) -> Facts:
            facts = Facts.read(answer)
            for warning in warnings(facts, node):
                pulumi.log.warn(warning, self)
            return facts

        return command.stdout.apply(judged)

    def _install(
        self,
        name: str,
        node: Node,
        args: K3sArgs,
        facts: Output[Facts],
        address: Output[str],
        after: remote.Command | None = None,
    ) -> remote.Command:
        # The facts are an input although only the address is used: where there are none, nothing is installed.
        stdin = Output.all(facts, address, Output.secret(args.token)).apply(
            lambda known: install_bundle(
                args.settings, node, args.kubelet[node.name], token=known[2] or "", address=known[1]
            )
        )
        removal = self._removal(name, node, args)
        before = [removal, *([after] if after else [])]
        return self._command(f"{name}-{node.name}", node, args, stdin, ResourceOptions(depends_on=before))

    def _removal(self, name: str, node: Node, args: K3sArgs) -> remote.Command:
        # Always there, with something to do on delete only where the stack says so: were it there only then, taking
        # the setting back would delete it, and so uninstall. Installing depends on it, so it is deleted last.
        return remote.Command(
            f"{name}-{node.name}-removal",
            connection=_connection(node, args),
            delete=RECEIVE if args.settings.cluster.uninstall else None,
            stdin=uninstall_bundle(),
            add_previous_output_in_env=False,
            opts=ResourceOptions(parent=self),
        )

    def _read_kubeconfig(self, name: str, node: Node, args: K3sArgs, installed: remote.Command) -> remote.Command:
        digest = installed.stdout.apply(lambda answer: str(json.loads(answer)["kubeconfig"]))
        stdin = digest.apply(lambda known: kubeconfig_bundle(node, known))
        options = ResourceOptions(depends_on=[installed], additional_secret_outputs=["stdout", "stderr"])
        return self._command(f"{name}-kubeconfig", node, args, stdin, options)

    def _command(
        self, name: str, node: Node, args: K3sArgs, stdin: Input[str], options: ResourceOptions | None = None
    ) -> remote.Command:
        return remote.Command(
            name,
            connection=_connection(node, args),
            create=RECEIVE,
            stdin=stdin,
            # What a command prints is its answer, not news; stock sshd takes no variables either.
            logging=remote.Logging.NONE,
            add_previous_output_in_env=False,
            opts=ResourceOptions.merge(options, ResourceOptions(parent=self, custom_timeouts=_PATIENCE)),
        )


def _connection(node: Node, args: K3sArgs) -> remote.ConnectionArgs:
    return remote.ConnectionArgs(
        host=node.host,
        user=node.user,
        port=node.port,
        host_key=node.host_key or NO_HOST_KEY,
        private_key=None if args.ssh_private_key is None else Output.secret(args.ssh_private_key),
        # Three tries of ten seconds: an unreachable host is said within a minute, not after ten tries of fifteen.
        dial_error_limit=3,
        per_dial_timeout=10,
    )
