"""What a node is sent over SSH: a script and its files as one text for stdin, so that no command holds a secret.

Owns: the bundle's layout (`main.sh`, `settings.env`, `modes`, `files/`, `hosts`), its bytes, which are always the same.
Leaves to others: what the files say (`host.config`), unpacking (`scripts/k3s_receive.sh`), when it is sent (`k3s`).
"""

from __future__ import annotations

import base64
import io
import shlex
import tarfile
from collections.abc import Iterable, Mapping
from typing import Final
from urllib.parse import quote

from components.budget import KubeletReservation
from components.host.config import TOKEN_FILE, HostFile, hosts_fragment, node_files, role, service
from components.host.preflight import demands
from components.scripts import script
from components.settings import Node, Settings
from components.versions import K3S, K3S_RELEASES

RECEIVE: Final = script("k3s_receive")
"""The command that every bundle is sent to; it holds nothing but itself."""

PATIENCE_SECONDS: Final = 600
"""How long k3s may take to become ready: a first start pulls its images."""


def bundle(entry: str, files: Mapping[str, str]) -> str:
    """A script of `components.scripts` and the files it wants, as base64 of a tar.

    Without times and owners, and not compressed, as compressors differ from machine to machine: other bytes of the
    same content would be an update.
    """
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        for path, text in sorted({"main.sh": script(entry), **files}.items()):
            data = text.encode()
            member = tarfile.TarInfo(path)
            member.size, member.mode = len(data), 0o600
            archive.addfile(member, io.BytesIO(data))
    return base64.encodebytes(packed.getvalue()).decode()


def preflight_bundle(node: Node) -> str:
    """Asks a machine whether it is what the stack says."""
    return bundle("k3s_preflight", {"settings.env": _env(demands(node))})


def kubeconfig_bundle(server: Node, digest: str) -> str:
    """Reads the kubeconfig; `digest` is what it had when k3s was installed, so that another one is read again."""
    return bundle("k3s_kubeconfig", {"settings.env": _env({"RAIBID_SERVER": server.host, "RAIBID_DIGEST": digest})})


def uninstall_bundle() -> str:
    """Removes k3s."""
    return bundle("k3s_uninstall", {})


def install_bundle(
    settings: Settings,
    node: Node,
    reservation: KubeletReservation,
    *,
    token: str,
    address: str = "",
    releases: str = K3S_RELEASES.where,
) -> str:
    """Installs or updates a node; `address` is the server's own, `releases` where binaries are (tests bring theirs)."""
    files = (*node_files(settings, node, reservation), HostFile(TOKEN_FILE, token, "0600"))
    return bundle(
        "k3s_install",
        {
            "settings.env": _env(install_settings(settings, node, releases)),
            "modes": "".join(f"{file.mode} {file.path[1:]}\n" for file in files),
            "hosts": hosts_fragment(settings, address),
            **_below("files", files),
        },
    )


def install_settings(settings: Settings, node: Node, releases: str) -> dict[str, str]:
    """What `k3s_install.sh` is told; none of it is secret."""
    return {
        "RAIBID_VERSION": K3S.version,
        "RAIBID_DOWNLOAD": f"{releases}/{quote(K3S.version, safe='')}",  # the + of +k3s1
        # The release calls the amd64 binary plainly k3s.
        "RAIBID_ASSET": "k3s" if node.arch == "amd64" else f"k3s-{node.arch}",
        "RAIBID_SUMS": f"sha256sum-{node.arch}.txt",
        "RAIBID_SHA256": settings.checksums.get(f"k3s-{node.arch}", ""),
        "RAIBID_ROLE": role(settings, node),
        "RAIBID_SERVICE": service(settings, node),
        "RAIBID_NODE": node.name,
        "RAIBID_PATIENCE": str(PATIENCE_SECONDS),
    }


def _env(values: Mapping[str, str]) -> str:
    return "".join(f"{name}={shlex.quote(value)}\n" for name, value in values.items())


def _below(directory: str, files: Iterable[HostFile]) -> dict[str, str]:
    return {f"{directory}{file.path}": file.text for file in files}
