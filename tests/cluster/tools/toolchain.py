"""The programs of the cluster tests: which there are, at which version, where they are found.

Owns: the table of programs, their wrapper modules in `tools/`, the per-user cache that is keyed by a wrapper's digest.
Leaves to others: building them (`build.py`), running them (a file per part).

A program on PATH is used when it says that it is the pinned version; else the one in the cache, which
`make cluster-tools` fills.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final

from tests.cluster.errors import ClusterError

WRAPPERS: Final = Path(__file__).parent
_STAMP: Final = "k8s.io/component-base/version"


class ToolMissingError(ClusterError):
    """A program of the cluster is neither on PATH nor in the cache."""


@dataclass(frozen=True)
class Tool:
    """One program that is built from a wrapper module."""

    name: str
    wrapper: str
    """Directory in `tools/`: go.mod pins the module, its `replace` lines are those of the module itself."""
    package: str
    """What is compiled."""
    asks: tuple[str, ...] = ("--version",)
    """Arguments that make it print its version; empty: it prints none, so PATH is not asked."""
    tags: str = ""
    cgo: bool = False
    reads: tuple[str, ...] = ()
    """Directories of the module that it reads when it runs."""

    @property
    def version(self) -> str:
        """The pinned version, without `v`."""
        return pinned(self.wrapper)[1]

    @property
    def built_name(self) -> str:
        """The file that `go build` leaves."""
        return self.package.rpartition("/")[2]


_K8S: Final = "k8s.io/kubernetes/cmd"
TOOLS: Final[Mapping[str, Tool]] = {
    tool.name: tool
    for tool in (
        Tool("kube-apiserver", "kubernetes", f"{_K8S}/kube-apiserver"),
        Tool("kube-controller-manager", "kubernetes", f"{_K8S}/kube-controller-manager"),
        Tool("kube-scheduler", "kubernetes", f"{_K8S}/kube-scheduler"),
        Tool("kubelet", "kubernetes", f"{_K8S}/kubelet"),
        Tool("kubectl", "kubernetes", f"{_K8S}/kubectl", asks=("version", "--client")),
        Tool("kustomize-controller", "kustomize-controller", "github.com/fluxcd/kustomize-controller", asks=()),
        Tool("keda", "keda", "github.com/kedacore/keda/v2/cmd/operator", asks=()),
        Tool(
            "gitea",
            "gitea",
            "code.gitea.io/gitea",
            tags="sqlite sqlite_unlock_notify",
            cgo=True,
            # Without `bindata` none of them is in the program.
            reads=("templates", "options"),
        ),
        Tool("sops", "sops", "github.com/getsops/sops/v3/cmd/sops", asks=("--version", "--disable-version-check")),
    )
}


def pinned(wrapper: str) -> tuple[str, str]:
    """The module that a wrapper pins and its version without `v`."""
    text = (WRAPPERS / wrapper / "go.mod").read_text(encoding="utf-8")
    found = re.search(r"^require (\S+) v(\S+)$", text, re.MULTILINE)
    assert found, f"tools/{wrapper}/go.mod requires its module on a line of its own"
    return found[1], found[2]


def stamps(tool: Tool) -> str:
    """Linker flags: stripped, and for Kubernetes the version that a build from modules does not know of itself."""
    if tool.wrapper != "kubernetes":
        return "-s -w"
    major, minor, _ = tool.version.split(".")
    return f"-s -w -X {_STAMP}.gitVersion=v{tool.version} -X {_STAMP}.gitMajor={major} -X {_STAMP}.gitMinor={minor}"


def cached(tool: Tool) -> Path:
    """Where the built program lies: a change of the wrapper, or of how it is built, is another directory."""
    files = [(WRAPPERS / tool.wrapper / name).read_bytes() for name in ("go.mod", "go.sum")]
    recipe = f"{tool.package} {tool.tags} {tool.cgo} {stamps(tool)}".encode()
    digest = hashlib.sha256(b"\0".join([*files, recipe])).hexdigest()[:16]
    return cache_root() / f"{tool.name}-{tool.version}-{digest}" / tool.name


def laid_out(wanted: Tool) -> Path:
    """Where the directories lie that it reads: in the cache, also for a program that is on PATH."""
    return cached(wanted).parent / "static"


def cache_root() -> Path:
    """Where built programs are kept, per user."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "raibid" / "cluster-tools"


@cache
def tool(name: str) -> Path:
    """Path of a program.

    Raises:
        ToolMissingError: it is neither on PATH in the pinned version nor in the cache.
    """
    wanted = TOOLS[name]
    if found := on_path(wanted):
        return found
    if (built := cached(wanted)).exists():
        return built
    raise ToolMissingError(f"{name} {wanted.version} is neither on PATH nor built: run `make cluster-tools`")


def static(name: str) -> Path:
    """The directories that a program reads.

    Raises:
        ToolMissingError: they are not in the cache.
    """
    wanted = TOOLS[name]
    if (place := laid_out(wanted)).exists():
        return place
    raise ToolMissingError(f"what {name} {wanted.version} reads is not in the cache: run `make cluster-tools`")


def on_path(wanted: Tool) -> Path | None:
    """The program on PATH, if it says that it is the pinned version."""
    found = shutil.which(wanted.name)
    if not found or not wanted.asks:
        return None
    done = subprocess.run([found, *wanted.asks], capture_output=True, text=True, check=False, timeout=60)
    said = re.search(r"\bv?(\d+\.\d+\.\d+\S*)", done.stdout + done.stderr)
    return Path(found) if said and said[1] == wanted.version else None


def system_program(name: str, package: str) -> Path:
    """A program of the distribution.

    Raises:
        ToolMissingError: it is not installed.
    """
    path = os.environ.get("PATH", "") + ":/usr/sbin:/sbin"
    if found := shutil.which(name, path=path):
        return Path(found)
    raise ToolMissingError(f"{name} is not on PATH: apt-get install {package}")
