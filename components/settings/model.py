"""The shape of a stack's config: what can be decided, and what is assumed when it is not.

Owns: every key that is no secret, its type, its default.
Leaves to others: what a single value may be (`types`), values that must agree with each other (`rules`), the
top-level keys as Pulumi sees them (Pulumi.yaml; a test holds the two together), what fits the machine (`budget`).
"""

from __future__ import annotations

from typing import Annotated, Final, Literal

from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

from components.cores import cpu_numbers
from components.settings.types import (
    Branch,
    CpuList,
    Digest,
    DigestOrNone,
    DnsLabel,
    Domain,
    FleetUrl,
    Host,
    HostKey,
    PublicUrl,
    Recipient,
    Repository,
    Sha256,
    Tag,
    User,
)
from components.units import GI, Bytes, Millicores

Profile = Literal["conservative", "balanced", "aggressive", "pinned"]
Scaler = Literal["keda", "direct"]


_PLAIN: Final = frozenset({"environment", "domain", "publicUrl", "githubUrl", "profile", "scaler"})
"""Top-level keys whose value is a text."""


class Model(BaseModel):
    """Base: camelCase in the stack's file, unknown keys refused, frozen."""

    model_config = ConfigDict(frozen=True, extra="forbid", alias_generator=to_camel, populate_by_name=True)


class Cores(Model):
    """One class of cores of a node with unequal cores."""

    kind: Literal["performance", "efficiency"]
    cpus: CpuList
    """Linux cpu list: "5-9,15-19"."""

    @property
    def numbers(self) -> tuple[int, ...]:
        """The cpus of this class."""
        return cpu_numbers(self.cpus)


class Gpu(Model):
    """A GPU that jobs may lease."""

    replicas: int = Field(default=1, ge=1, le=64)
    """Time slices of the device plugin: how many jobs share the GPU."""


class Node(Model):
    """One machine of the pool; the first of the list is the k3s server."""

    name: DnsLabel
    host: Host = ""
    """Name or address for SSH and for its clients."""
    user: User = "root"
    port: int = Field(default=22, ge=1, le=65535)
    host_key: HostKey = ""
    """The host's public SSH key ("ssh-ed25519 AAAA…"); without it nothing is run on the host."""
    arch: Literal["arm64", "amd64"] = "arm64"
    cpu: Millicores = Field(gt=0)
    memory: Bytes = Field(gt=0)
    disk: Bytes = Field(gt=0)
    cores: tuple[Cores, ...] = ()
    gpu: Gpu | None = None

    def cpus(self, kind: Literal["performance", "efficiency"]) -> tuple[int, ...]:
        """The cpus of one class, ascending."""
        return tuple(sorted(number for cores in self.cores if cores.kind == kind for number in cores.numbers))


class Cluster(Model):
    """Where the pool runs."""

    kind: Literal["embedded", "existing", "k3s"]
    """`embedded`: plain processes on this machine; `existing`: by kubeconfig; `k3s`: installed over SSH."""
    context: str = ""
    """Context of the kubeconfig; empty: its current one."""
    storage_provisioner: str = Field(default="rancher.io/local-path", min_length=1)
    uninstall: bool = False
    """Only with true does `pulumi destroy` remove k3s from the machine."""


class Reserved(Model):
    """What never belongs to pods. Scheduling sees capacity − system − kube − eviction."""

    system_cpu: Millicores = 6000
    system_memory: Bytes = 12 * GI
    kube_cpu: Millicores = 2000
    kube_memory: Bytes = 4 * GI
    eviction_memory: Bytes = 2 * GI
    eviction_disk_percent: int = Field(default=10, ge=1, le=50)
    system_disk: Bytes = 100 * GI
    """Operating system, images, logs."""
    inference_memory: Bytes = 0
    """Unified memory left for models: GPU allocations come out of the same memory and no scheduler counts them."""


class Fleet(Model):
    """The Flux repository."""

    url: FleetUrl = ""
    """Where the tree is pushed; empty: `<fleet.name>` of the stack's own Gitea."""
    branch: Branch = "main"
    name: DnsLabel = "fleet"
    overwrite: bool = False
    """Take back emitted files that somebody edited in the repository; without it they are refused by name."""


class Image(Model):
    """An image that this program builds."""

    repository: Repository
    tag: Tag = "0.1.0"
    digest: DigestOrNone = ""
    """The digest in use: pinned here so that a preview shows the exact tree."""


class Images(Model):
    """What is built of `agent/` and how."""

    agent: Image
    api: Image
    builder: Literal["auto", "none", "buildx", "buildctl", "buildah", "podman"] = "auto"
    platforms: tuple[Literal["linux/arm64", "linux/amd64"], ...] = ("linux/arm64",)
    push: bool = True


class Gitea(Model):
    """The forge of the pool."""

    admin: DnsLabel = "raibid-admin"
    organisation: DnsLabel = "raibid"
    mirrors: tuple[DnsLabel, ...] = ("mirrors",)
    """Organisations that `mirrors.yaml` may put mirrors into."""
    disk: Bytes = Field(default=100 * GI, gt=0)
    database_disk: Bytes = Field(default=20 * GI, gt=0)


class Apps(Model):
    """Room kept for developers' own workloads (namespace `apps`), all of them together; zeros: none may run."""

    cpu: Millicores = 250
    memory: Bytes = GI
    disk: Bytes = 10 * GI


class Recipients(Model):
    """Public age keys that every Secret of the tree is encrypted for."""

    cluster: Recipient
    """Whose private key Flux holds (secret key `ageKey`)."""
    recovery: Recipient
    """Whose private key is kept away from the machine."""


class Systems(Model):
    """Optional systems of the cluster."""

    cert_manager: bool = True
    monitoring: bool = True
    notifications: bool = True
    registry_cache: bool = True
    mirrors: bool = True
    rollback: bool = True


class Settings(Model):
    """Everything a stack decides; no secret is in here."""

    environment: DnsLabel
    """Name of the overlay: clusters/<environment>."""
    domain: Domain = "raibid.internal"
    public_url: PublicUrl = ""
    """Where people's browsers reach raibid-api, by an ingress of theirs; empty: commit statuses have no link."""
    github_url: PublicUrl = ""
    """GitHub's API, `https://api.github.com` or an enterprise's own; empty: GitHub is neither asked nor told."""
    cluster: Cluster
    nodes: tuple[Node, ...] = Field(min_length=1)
    profile: Profile = "balanced"
    scaler: Scaler = "keda"
    """Who starts agents: KEDA, or the pool's own controller, which then needs no KEDA in the cluster."""
    reserved: Reserved = Reserved()
    fleet: Fleet = Fleet()
    images: Images
    gitea: Gitea = Gitea()
    apps: Apps = Apps()
    systems: Systems = Systems()
    recipients: Recipients | None = None
    """None: nothing can be encrypted, so the tree's Secrets are listed as missing."""
    digests: dict[str, Digest] = Field(default_factory=dict)
    """Image → `sha256:…`: pins beside the exact tags of `versions`."""
    checksums: dict[str, Sha256] = Field(default_factory=dict)
    """Download ("k3s-arm64") → SHA-256 that must hold beside the publisher's own."""
    rotation: dict[str, Annotated[int, Field(ge=1)]] = Field(default_factory=dict)
    """Secret's label → generation; raising it gives that secret a new value."""

    @classmethod
    def sections(cls) -> frozenset[str]:
        """Top-level keys whose value is an object or a list: the engine hands them over as JSON."""
        return frozenset(str(field.alias) for field in cls.model_fields.values()) - _PLAIN
