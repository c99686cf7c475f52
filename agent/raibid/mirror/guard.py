"""Which sources may be asked: https to listed hosts at public addresses, and nothing else (SSRF).

A mirror's source comes from a file that people edit and from what a forge lists; whoever fetches it sits inside of the
network. So: the URL's form, then the host by name, then every address that the name has, and no redirect.

Owns: the rules, and git's settings that keep to them.
Leaves to others: asking (`raibid.git`, `raibid.forge`). What Gitea fetches it asks for itself: it checks a source when
the mirror is made or changed, and every later fetch resolves the name anew (services/mirror/mirror_pull.go of 1.26).
There the fence is the network's: what Gitea's pod may reach (`components/gitea*.py`).
"""

from __future__ import annotations

import ipaddress
import re
import socket
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Final
from urllib.parse import SplitResult, urlsplit

from raibid.forge import PayloadError, names
from raibid.mirror.errors import RefusedSourceError

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Resolve = Callable[[str, int], Iterable[str]]
"""Host and port → all of its addresses. Raises OSError."""

_PORTS: Final = {"https": 443, "http": 80, "ssh": 22}
_LABEL: Final = r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
# A last label that begins with a letter: `0x7f.1`, `2130706433` and `017700000001` are addresses to some resolvers.
_NAME: Final = re.compile(rf"(?:{_LABEL}\.)*(?=[a-z]){_LABEL}")
_NAT64: Final = ipaddress.IPv6Network("64:ff9b::/96")


@dataclass(frozen=True, kw_only=True)
class AllowedHost:
    """A host that may be asked."""

    name: str
    """DNS name or IPv4 address, as URLs spell it."""
    port: int | None = None
    """None: the scheme's own."""
    schemes: frozenset[str] = frozenset({"https"})
    private: bool = False
    """Whether it may have private addresses: a forge of one's own network."""


GITHUB: Final = AllowedHost(name="github.com")


@dataclass(frozen=True)
class Source:
    """A source whose URL is in order, at its checked addresses."""

    url: str
    host: str
    port: int
    addresses: tuple[str, ...]

    @property
    def git_settings(self) -> dict[str, str]:
        """Settings with which git asks these addresses, one after the other, and no other."""
        listed = ",".join(f"[{address}]" if ":" in address else address for address in self.addresses)
        return {
            "protocol.allow": "never",
            **{f"protocol.{scheme}.allow": "always" for scheme in (urlsplit(self.url).scheme,)},
            "http.followRedirects": "false",
            # The name was asked once: another answer now (DNS rebinding) changes nothing.
            "http.curloptResolve": f"{self.host}:{self.port}:{listed}",
            "submodule.recurse": "false",
        }


class Guard:
    """The fence around all sources of one file."""

    def __init__(self, hosts: Sequence[AllowedHost] = (GITHUB,), resolve: Resolve | None = None) -> None:
        self._hosts = tuple(hosts)
        self._resolve = resolve or addresses

    def url(self, url: str) -> AllowedHost:
        """The listed host that the URL is on. Asks nobody: what `lint` can say without a network.

        Raises:
            RefusedSourceError: not a clone URL, with credentials, or not at a listed host, port and scheme.
        """
        parts = _parts(url)
        host, port = parts.hostname or "", parts.port or _PORTS[parts.scheme]
        for allowed in self._hosts:
            if allowed.name.lower() == host and (allowed.port or _PORTS[parts.scheme]) == port:
                if parts.scheme not in allowed.schemes:
                    raise RefusedSourceError(
                        f"{host} may be asked by {' or '.join(sorted(allowed.schemes))}, not by {parts.scheme}"
                    )
                return allowed
        place = host if port == _PORTS[parts.scheme] else f"{host}:{port}"
        raise RefusedSourceError(f"{place} is not in the list of allowed hosts")

    def check(self, url: str) -> Source:
        """The source, once its name was looked up and each of its addresses is allowed.

        Raises:
            RefusedSourceError: as `url`, no such name, or an address that is not public.
        """
        allowed = self.url(url)
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port or _PORTS[parts.scheme]
        try:
            found = list(self._resolve(host, port))
        except OSError as error:
            raise RefusedSourceError(f"{host} has no address ({error.strerror or type(error).__name__})") from error
        if not found:
            raise RefusedSourceError(f"{host} has no address")
        # All of them: whoever fetches may take any.
        for address in found:
            if not allowed.private and (reason := not_public(address)):
                raise RefusedSourceError(f"{host} has the address {address}, which is {reason}")
        return Source(url, host, port, tuple(found))


def addresses(host: str, port: int) -> list[str]:
    """Every address the system's resolver has for a host. Raises OSError."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(where[0]) for *_, where in found))


def not_public(address: str) -> str:
    """Why nobody on the Internet has this address; empty if somebody may."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return "no address"
    if isinstance(parsed, ipaddress.IPv6Address) and parsed.scope_id:
        return "link-local"
    inner = _inner(parsed)
    for found in (parsed, inner) if inner else (parsed,):
        if reason := _reason(found):
            return reason
    return ""


def _reason(address: Address) -> str:
    kinds = {
        "loopback": address.is_loopback,
        "link-local": address.is_link_local,  # 169.254.169.254 tells a cloud's credentials
        "multicast": address.is_multicast,
        "unspecified": address.is_unspecified,
        "private": not address.is_global,  # also CGNAT (100.64/10), documentation, benchmarks
        # NAT64's prefix is within ::/8, which is reserved; it is judged by the address inside.
        "reserved": address.is_reserved and not (address.version == 6 and address in _NAT64),
    }
    return next((kind for kind, holds in kinds.items() if holds), "")


def _inner(address: Address) -> ipaddress.IPv4Address | None:
    """The IPv4 address that an IPv6 one stands for."""
    if not isinstance(address, ipaddress.IPv6Address):
        return None
    if address in _NAT64:
        return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    teredo = address.teredo
    return address.ipv4_mapped or address.sixtofour or (teredo[1] if teredo else None)


def _parts(url: str) -> SplitResult:
    """The URL in its parts.

    Raises:
        RefusedSourceError: another form than `https://host[:port]/path`, or a host that is not spelled plainly.
    """
    try:
        names.clone_url(url)
        parts = urlsplit(url)
        scheme, host, _ = parts.scheme, parts.hostname or "", parts.port
    except (PayloadError, ValueError) as error:
        words = str(error) if isinstance(error, PayloadError) else "clone URL: not a URL"
        raise RefusedSourceError(words) from None
    if scheme not in _PORTS:
        raise RefusedSourceError("write https://host/owner/name.git")
    if not _NAME.fullmatch(host) and not _plain_address(host):
        raise RefusedSourceError(f"{host[:80]!r} is not a host's name in plain spelling")
    if len(parts.path.strip("/")) == 0 or "/../" in f"{parts.path}/" or parts.query or parts.fragment:
        raise RefusedSourceError("write https://host/owner/name.git, without more")
    return parts


def _plain_address(host: str) -> bool:
    """Of IPv4: no clone URL has another (`raibid.forge.names`)."""
    try:
        return str(ipaddress.IPv4Address(host)) == host
    except ValueError:
        return False
