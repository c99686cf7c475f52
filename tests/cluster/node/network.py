"""A bridge of its own per session, with a private subnet that nobody else has.

Owns: the bridge, its address, the CNI configuration that puts pods on it.
Leaves to others: what listens there (API server, Redis, kubelet), what is left of dead sessions (`leftovers.py`).

Pods reach the bridge's address and each other; nothing is forwarded or translated, so there are no firewall rules to
leave behind. NetworkPolicies are not enforced: that takes another CNI plugin.
"""

from __future__ import annotations

import ipaddress
import json
import random
import subprocess
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

from tests.cluster.errors import ClusterError
from tests.cluster.tools.toolchain import system_program

CNI_PLUGINS: Final = Path("/usr/lib/cni")
_TRIES: Final = 20


class NetworkError(ClusterError):
    """The bridge cannot be made; the message is that of `ip`."""


class Network:
    """A bridge; up while it is entered."""

    def __init__(self, name: str) -> None:
        self.name: Final = name
        self.subnet = ipaddress.IPv4Network("10.0.0.0/24")

    @property
    def address(self) -> str:
        """The bridge's own: what host processes listen on, and pods connect to."""
        return str(self.subnet[1])

    def cni(self, state: Path) -> str:
        """The plugins' configuration: pods get addresses from .10 on; leases are kept in `state`."""
        bridge: dict[str, Any] = {
            "type": "bridge",
            "bridge": self.name,
            "isGateway": False,
            "ipMasq": False,
            "hairpinMode": True,
            "ipam": {
                "type": "host-local",
                "dataDir": str(state),
                "ranges": [[{"subnet": str(self.subnet), "rangeStart": str(self.subnet[10])}]],
            },
        }
        return json.dumps({"cniVersion": "0.4.0", "name": self.name, "plugins": [bridge]})

    def __enter__(self) -> Self:
        for _ in range(_TRIES):
            self.subnet = _candidate()
            if self._free():
                break
        else:
            raise NetworkError(f"no free subnet found in {_TRIES} tries")
        # An address of its own: else a bridge takes the lowest of its ports', and when that pod ends, the others, which
        # remember the old one, do not reach Redis for half a minute (seen: lost leases; that this was why is inferred).
        ip("link", "add", self.name, "address", _mac(), "type", "bridge")
        ip("address", "add", f"{self.address}/{self.subnet.prefixlen}", "dev", self.name)
        ip("link", "set", self.name, "up")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        ip("link", "delete", self.name)

    def _free(self) -> bool:
        """Whether no interface and no route of this machine has anything to do with the subnet."""
        taken = [entry["local"] for link in json.loads(ip("-json", "address")) for entry in link["addr_info"]]
        routes = [route["dst"] for route in json.loads(ip("-json", "-4", "route")) if route["dst"] != "default"]
        networks = [ipaddress.ip_network(text, strict=False) for text in (*taken, *routes)]
        return not any(net.version == 4 and net.overlaps(self.subnet) for net in networks)


def ip(*arguments: str) -> str:
    """What `ip` prints. Raises NetworkError."""
    done = subprocess.run(
        [system_program("ip", "iproute2"), *arguments], capture_output=True, text=True, check=False, timeout=30
    )
    if done.returncode:
        raise NetworkError(f"ip {' '.join(arguments)}: {done.stderr.strip()}")
    return done.stdout


def _mac() -> str:
    """A random address that nobody was given: locally administered, for one station."""
    return ":".join(f"{byte:02x}" for byte in (0x02, *random.SystemRandom().randbytes(5)))


def _candidate() -> ipaddress.IPv4Network:
    # 10.0.0.0/24 is the Services' (kube_apiserver.py); two sessions that start at once must not draw the same.
    second, third = random.SystemRandom().randint(1, 254), random.SystemRandom().randint(0, 255)
    return ipaddress.IPv4Network(f"10.{second}.{third}.0/24")
