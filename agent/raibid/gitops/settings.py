"""What an operator sets for GitOps operations: hosts, how a change gets in, where new manifests go, how long to wait.

Owns: the file's shape (`RAIBID_GITOPS_FILE`, YAML), its defaults, every mistake at once.
Leaves to others: credentials (`RAIBID_FORGE_CREDENTIALS_FILE`), what the values are used for.
"""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Final, Self
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from raibid.gitops.errors import GitopsSettingsError, NotAllowedError

AUTO_HOSTS: Final = ("gitea-http.infrastructure.svc.cluster.local", "gitea.raibid.internal")


class Provider(StrEnum):
    """Who applies new manifests."""

    AUTO = "auto"
    FLUX = "flux"
    ARGOCD = "argocd"
    NONE = "none"
    """Nobody: they are applied directly."""


class Policy(StrEnum):
    """How a change gets into the branch."""

    PUSH = "push"
    PULL_REQUEST = "pr"
    AUTO = "auto"
    """Pushed, unless the branch takes no push from us: then a pull request."""


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Default(_Strict):
    """Where new manifests go when nobody says where."""

    repository: str = ""
    branch: str = "main"
    path: str = ""


class Timeouts(_Strict):
    """Seconds for each object on the way; what an object sets itself (`spec.timeout`) counts if it is more."""

    fetch: float = Field(default=60, gt=0)
    apply: float = Field(default=300, gt=0)
    health: float = Field(default=300, gt=0)


class GitopsSettings(_Strict):
    """The whole file."""

    provider: Provider = Provider.AUTO
    policy: Policy = Policy.AUTO
    hosts: tuple[str, ...] = AUTO_HOSTS
    """Forges that may be written to: a host, or host:port. Nothing is ever cloned from or pushed to another."""
    addresses: dict[str, str] = Field(default_factory=dict)
    """Beginning of a URL as the cluster has it → how this machine reaches it."""
    default: Default = Default()
    timeouts: Timeouts = Timeouts()
    author: str = "raibid"
    email: str = "raibid@raibid.internal"

    @classmethod
    def load(cls, file: Path | None) -> Self:
        """The settings in a file, or all defaults.

        Raises:
            GitopsSettingsError: it cannot be read, or has mistakes; all of them.
        """
        if file is None:
            return cls()
        try:
            found = YAML(typ="safe").load(file.read_bytes())
        except OSError as error:
            raise GitopsSettingsError(f"{file}: {error.strerror}") from error
        except YAMLError as error:
            raise GitopsSettingsError(f"{file}: {str(error).splitlines()[0]}") from error
        try:
            return cls.model_validate(found or {})
        except ValidationError as error:
            lines = [f"{file}: {'.'.join(map(str, item['loc']))}: {item['msg']}" for item in error.errors()]
            raise GitopsSettingsError("\n".join(lines), "docs/gitops.md describes the file") from None

    def reachable(self, url: str) -> str:
        """A repository's URL from the cluster, as this machine reaches it.

        Raises:
            NotAllowedError: its host is not on the list, it carries credentials, or is no HTTP(S) URL.
        """
        for beginning, instead in self.addresses.items():
            if url.startswith(beginning):
                url = instead + url.removeprefix(beginning)
                break
        try:
            parts = urlsplit(url)
            port = parts.port
        except ValueError:
            # Nothing of it is told: where a password would end in what is no URL nobody can say.
            raise NotAllowedError("a repository's URL cannot be read: its host or its port is none") from None
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise NotAllowedError(f"{parts.scheme or url}: only http and https repositories are changed")
        if parts.username or parts.password:
            raise NotAllowedError(f"{parts.hostname}: a repository's URL carries credentials", "put them in the file")
        place = f"{parts.hostname}:{port}" if port else parts.hostname
        if not {place, parts.hostname} & set(self.hosts):
            raise NotAllowedError(f"{place} is not an allowed host", "add it to `hosts` (docs/gitops.md)")
        return url
