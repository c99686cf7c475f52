"""The systems of the pool, in one table; what they say together.

Owns: which systems there are, which of them a stack has, the one call that turns settings into the whole tree.
Leaves to others: each system's own answers (its file), the order in which Flux applies them (`flux`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, Protocol

from pulumi import ComponentResource

from components import (
    admission,
    agents,
    api,
    apps,
    cert_manager,
    controller,
    dns,
    flux,
    gitea,
    job_template,
    k3s,
    keda,
    mirrors,
    monitoring,
    namespaces,
    notifications,
    nvidia,
    priority,
    redis,
    registry_cache,
    rollback,
    scaled_job,
    sops,
    storage,
)
from components.budget import Budget, Footprint, budget
from components.fleet import docs as fleet_docs
from components.host.config import host_files
from components.manifest_tree import Emission, Tree, emit
from components.settings import Settings

Component = Callable[[str, Any], ComponentResource]


class System(Protocol):
    """What a system's module says of itself; all of it pure."""

    @property
    def NAME(self) -> str:  # noqa: N802  (a module's constant)
        """Its name: label, directory, prefix of its variables."""

    @property
    def FLOWS(self) -> tuple[tuple[str, str], ...]:  # noqa: N802  (a module's constant)
        """Systems that it talks to, and about what; an arrow points from whoever starts."""

    def footprint(self, settings: Settings) -> Footprint:
        """What it asks of the machine."""

    def manifests(self, settings: Settings) -> Tree:
        """Its files in the Flux repository; the same bytes for every environment."""

    def variables(self, settings: Settings, budget: Budget) -> dict[str, str]:
        """Values of this environment for `${…}` in those files."""


@dataclass(frozen=True)
class Entry:
    """A row of the table: a system, its component, and when a stack has it."""

    system: System
    component: Component | None = None
    """None: Pulumi itself keeps it in the cluster, so `__main__.py` makes it behind the cluster's provider."""
    args: Callable[..., Any] | None = None
    wanted: Callable[[Settings], bool] = lambda _: True


TABLE: Final[tuple[Entry, ...]] = (
    Entry(k3s, wanted=lambda s: s.cluster.kind == "k3s"),
    Entry(namespaces, namespaces.Namespaces, namespaces.NamespacesArgs),
    Entry(storage, storage.Storage, storage.StorageArgs),
    Entry(priority, priority.Priority, priority.PriorityArgs),
    Entry(dns, dns.Dns, dns.DnsArgs),
    Entry(gitea, wanted=lambda s: s.cluster.kind != "embedded"),
    Entry(flux),
    Entry(cert_manager, cert_manager.CertManager, cert_manager.CertManagerArgs, lambda s: s.systems.cert_manager),
    Entry(keda, keda.Keda, keda.KedaArgs, lambda s: s.scaler == "keda"),
    Entry(monitoring, monitoring.Monitoring, monitoring.MonitoringArgs, lambda s: s.systems.monitoring),
    Entry(nvidia, nvidia.Nvidia, nvidia.NvidiaArgs, nvidia.wanted),
    Entry(admission, admission.Admission, admission.AdmissionArgs),
    Entry(apps, apps.Apps, apps.AppsArgs),
    Entry(redis, redis.Redis, redis.RedisArgs),
    Entry(
        registry_cache,
        registry_cache.RegistryCache,
        registry_cache.RegistryCacheArgs,
        lambda s: s.systems.registry_cache,
    ),
    Entry(
        notifications, notifications.Notifications, notifications.NotificationsArgs, lambda s: s.systems.notifications
    ),
    Entry(agents, agents.Agents, agents.AgentsArgs),
    Entry(scaled_job, scaled_job.ScaledJob, scaled_job.ScaledJobArgs, lambda s: s.scaler == "keda"),
    Entry(job_template, job_template.JobTemplate, job_template.JobTemplateArgs, lambda s: s.scaler == "direct"),
    Entry(api, api.Api, api.ApiArgs),
    Entry(controller, controller.Controller, controller.ControllerArgs),
    Entry(mirrors, mirrors.Mirrors, mirrors.MirrorsArgs, lambda s: s.systems.mirrors),
    Entry(rollback, rollback.Rollback, rollback.RollbackArgs, rollback.wanted),
)
"""One row each, in the order in which the cluster gets them."""

SYSTEMS: Final[tuple[System, ...]] = tuple(entry.system for entry in TABLE)


def entries(settings: Settings) -> tuple[Entry, ...]:
    """The rows that this stack has."""
    return tuple(entry for entry in TABLE if entry.wanted(settings))


def flux_owned(settings: Settings) -> list[tuple[System, Component, Callable[..., Any]]]:
    """The systems that Flux applies, each with its component and that one's arguments."""
    return [(row.system, row.component, row.args) for row in entries(settings) if row.component and row.args]


def enabled(settings: Settings) -> tuple[System, ...]:
    """The systems that this stack has, in the table's order."""
    return tuple(entry.system for entry in entries(settings))


def budget_of(settings: Settings) -> Budget:
    """The proved budget of a stack.

    Raises:
        BudgetError: the systems and one agent do not fit the nodes.
    """
    return budget(settings, [system.footprint(settings) for system in enabled(settings)])


def variables(settings: Settings, proved: Budget) -> dict[str, str]:
    """All values of this environment, for `clusters/<env>/cluster-vars.yaml`."""
    return {name: value for system in enabled(settings) for name, value in system.variables(settings, proved).items()}


def emission(settings: Settings, proved: Budget | None = None) -> Emission:
    """The whole Flux repository of a stack; `proved`: its budget, where the caller has it already.

    The base holds all systems, so that it is the same bytes for every environment; `clusters/<env>` names those that
    this one has.

    Raises:
        PathConflictError: two systems claim one path.
        BudgetError: the systems and one agent do not fit the nodes.
    """
    proved = proved or budget_of(settings)
    present = [path for system in enabled(settings) for path in system.manifests(settings).directories]
    return emit(
        [
            *(system.manifests(settings) for system in SYSTEMS),
            flux.cluster_tree(settings, variables(settings, proved), present),
            fleet_docs.tree(settings),
            sops.tree(settings),
            host_files(settings, proved.kubelet),
        ]
    )
