"""What a single value of the stack config may be, and what an operator reads who got it wrong.

Owns: the semantic types (names, hosts, URLs, image repositories, cpu lists); every refusal is "rule; suggestion".
Leaves to others: which key has which type (`model`), values that must agree with each other (`rules`).
"""

from __future__ import annotations

import re
from collections.abc import Callable
from ipaddress import ip_address
from typing import Annotated, Final
from urllib.parse import urlsplit

from pydantic import AfterValidator

from components.cores import cpu_numbers

_LABEL: Final = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
_REPOSITORY: Final = re.compile(r"[a-z0-9.-]+(:\d+)?(/[a-z0-9]+([._-]+[a-z0-9]+)*)+")
_TAG: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}")
_DIGEST: Final = re.compile(r"sha256:[0-9a-f]{64}")
_SHA256: Final = re.compile(r"[0-9a-f]{64}")
_HOST_KEY: Final = re.compile(r"(ssh-ed25519|ssh-rsa|ecdsa-sha2-nistp(256|384|521)) [A-Za-z0-9+/]{40,}={0,3}( \S.*)?")
_RECIPIENT: Final = re.compile(r"age1[02-9ac-hj-np-z]{58}")
_BRANCH: Final = re.compile(r"(?!/|.*(//|\.\.|@\{|\.lock(/|$)|/$|\.$))[A-Za-z0-9._/-]+")
_USER: Final = re.compile(r"[a-z_][a-z0-9_-]{0,31}")
_WEB_ADDRESS: Final = re.compile(r"https?://[A-Za-z0-9.:\[\]-]+(/[A-Za-z0-9._~/-]*)?")
_SCP_ADDRESS: Final = re.compile(r"[\w.-]+@[\w.-]+:\S+")


def _matches(pattern: re.Pattern[str], rule: str, hint: str) -> Callable[[str], str]:
    def check(value: str) -> str:
        if pattern.fullmatch(value):
            return value
        raise ValueError(f"{rule}; {hint}")

    return check


def _or_empty(check: Callable[[str], str]) -> Callable[[str], str]:
    return lambda value: check(value) if value else value


def _label(value: str) -> str:
    if _LABEL.fullmatch(value):
        return value
    near = re.sub(r"[^a-z0-9-]+", "-", value.lower())[:63].strip("-")
    raise ValueError(f"not a DNS-1123 label; write {near or 'lower case letters, digits and inner dashes'}")


def _domain(value: str) -> str:
    labels = value.split(".")
    if len(value) <= 253 and len(labels) > 1 and all(_LABEL.fullmatch(label) for label in labels):
        return value
    raise ValueError("not a domain of DNS; write two labels or more in lower case: raibid.internal")


def _host(value: str) -> str:
    try:
        return str(ip_address(value))
    except ValueError:
        if all(_LABEL.fullmatch(label) for label in value.split(".")) and len(value) <= 253:
            return value
    raise ValueError("not a host; write a name or an address, user and port have keys of their own")


def _cpus(value: str) -> str:
    if not cpu_numbers(value):
        raise ValueError("no cpu in it; write 0-4,10-14")
    return value


def _url(value: str) -> str:
    if _SCP_ADDRESS.fullmatch(value):
        raise ValueError("not a URL; write ssh://git@host/owner/name.git")
    parts = urlsplit(value)
    if parts.password is not None or (parts.username and parts.scheme in ("http", "https")):
        raise ValueError("a credential in a URL; write it without, and set the secret key gitPassword")
    if parts.scheme not in ("https", "http", "ssh", "file", ""):
        raise ValueError("not a URL that Git pushes to; write https://, http://, ssh://, file:// or a path")
    if parts.scheme in ("https", "http", "ssh") and not (parts.hostname and parts.path.strip("/")):
        raise ValueError("no host or no repository in it; write https://host/owner/name.git")
    return value


def _public_url(value: str) -> str:
    parts = urlsplit(value)
    if parts.username is not None or parts.password is not None:
        raise ValueError("a credential in a URL; write it without: people log in with tokens of their own")
    if parts.scheme not in ("https", "http") or not parts.hostname or not _WEB_ADDRESS.fullmatch(value):
        raise ValueError("not the address of a web page; write https://host, with a port or a path if need be")
    return value


def _tag(value: str) -> str:
    if value == "latest":
        raise ValueError("a tag that moves; write the version")
    return _matches(_TAG, "not a tag of an image", "write a version: 0.1.0")(value)


DnsLabel = Annotated[str, AfterValidator(_label)]
"""A name as DNS-1123 wants it: lower case, digits, inner dashes, at most 63 characters."""

Domain = Annotated[str, AfterValidator(_domain)]
Host = Annotated[str, AfterValidator(_or_empty(_host))]
"""Name or address, without user and port; may be empty."""

User = Annotated[str, AfterValidator(_matches(_USER, "not the name of a Linux user", "write lower case: raibid"))]
HostKey = Annotated[
    str,
    AfterValidator(
        _or_empty(_matches(_HOST_KEY, "not a public SSH host key", "write a line of ssh-keyscan without its host"))
    ),
]
CpuList = Annotated[str, AfterValidator(_cpus)]
"""Linux cpu list with a cpu in it: "5-9,15-19"."""

FleetUrl = Annotated[str, AfterValidator(_or_empty(_url))]
"""Where Git pushes to, without any credential; may be empty."""

PublicUrl = Annotated[str, AfterValidator(_or_empty(_public_url))]
"""Where a browser is sent; may be empty."""

Branch = Annotated[str, AfterValidator(_matches(_BRANCH, "not the name of a branch", "write main"))]
Repository = Annotated[
    str,
    AfterValidator(
        _matches(_REPOSITORY, "not an image's repository", "write registry/owner/name; its tag and digest have keys")
    ),
]
Tag = Annotated[str, AfterValidator(_tag)]
Digest = Annotated[str, AfterValidator(_matches(_DIGEST, "not a digest", "write sha256: and 64 hex digits"))]
DigestOrNone = Annotated[
    str, AfterValidator(_or_empty(_matches(_DIGEST, "not a digest", "write sha256: and 64 hex digits")))
]
Sha256 = Annotated[str, AfterValidator(_matches(_SHA256, "not a SHA-256", "write 64 hex digits in lower case"))]
Recipient = Annotated[
    str,
    AfterValidator(_matches(_RECIPIENT, "not a public age key", "write age1…; `python -m components keys` makes one")),
]
