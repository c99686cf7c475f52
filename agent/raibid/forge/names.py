"""Names from outside, checked once: repository, ref, commit, clone URL.

Owns: which names the pool accepts; each function returns the name or raises PayloadError.
Leaves to others: whether the repository exists, whether an agent may clone from there (`raibid.worker`).
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final
from urllib.parse import urlsplit

from raibid.forge.errors import PayloadError

# A lane is named `<repository>|<resource>`, a key is `job:<id>`: no bar, no blank, no control characters.
_REPOSITORY: Final = re.compile(r"[A-Za-z0-9_.][A-Za-z0-9_.-]{0,99}/[A-Za-z0-9_.][A-Za-z0-9_.-]{0,99}")
_SHA: Final = re.compile(r"[0-9a-f]{40}(?:[0-9a-f]{24})?")
# git-check-ref-format's forbidden characters and sequences; half a surrogate pair is no text in UTF-8.
_BAD_REF: Final = re.compile(r"[\x00-\x20\x7f~^:?*\[\\\ud800-\udfff]|\.\.|@\{|//|/\.|\.lock(?:/|$)|[./]$")
_BAD_URL: Final = re.compile(r"[\x00-\x20\x7f\\\ud800-\udfff]")
_SCP: Final = re.compile(r"(?:[A-Za-z0-9_.][A-Za-z0-9_.-]*@)?[A-Za-z0-9_.][A-Za-z0-9_.-]*:(?!//)[^-].*")
_SCHEMES: Final = frozenset({"https", "http", "ssh", "file"})
_LONGEST: Final = 1024


@lru_cache(maxsize=1024)
def repository(name: str) -> str:
    """`owner/name`."""
    if not _REPOSITORY.fullmatch(name) or any(part in (".", "..") for part in name.split("/")):
        raise PayloadError(f"repository {name[:80]!r}: expected owner/name of letters, digits, `-`, `_` and `.`")
    return name


def ref(name: str) -> str:
    """A full ref that git itself would accept."""
    if not name.startswith("refs/") or len(name) > _LONGEST or _BAD_REF.search(name):
        raise PayloadError(f"ref {name[:80]!r}: expected a full ref such as refs/heads/main")
    return name


@lru_cache(maxsize=1024)
def branch(name: str) -> str:
    """A branch's short name; empty: none is told."""
    return ref(f"refs/heads/{name}").removeprefix("refs/heads/") if name else ""


def sha(name: str) -> str:
    """A whole commit id, SHA-1 or SHA-256, in lower case."""
    if not _SHA.fullmatch(name):
        raise PayloadError(f"commit {name[:80]!r}: expected 40 or 64 hex digits")
    return name


@lru_cache(maxsize=1024)  # a pool sees few URLs, again and again; refusals raise and are not kept
def clone_url(url: str) -> str:
    """A URL git may clone: https, http, ssh, file or `user@host:path`; never one that carries a password.

    Transports that run commands (`ext::`) and names that git would read as options are refused here; whether
    `file:` is allowed is the agent's business (`RAIBID_ALLOW_FILE_REPOS`).
    """
    if len(url) > _LONGEST or _BAD_URL.search(url) or "::" in url:
        raise PayloadError("clone URL: too long, or with characters that no clone URL has")
    if _SCP.fullmatch(url):
        return url
    try:
        parts = urlsplit(url)
        password = parts.password
        named = parts.scheme == "file" or bool(parts.hostname)
    except ValueError:  # its words would quote the URL, and perhaps a password in it
        raise PayloadError("clone URL: not a URL") from None
    optionlike = (parts.hostname or "").startswith("-") or (parts.username or "").startswith("-")
    if parts.scheme not in _SCHEMES or not named or optionlike:
        raise PayloadError("clone URL: expected https://host/owner/name.git, ssh://… or user@host:path")
    if password is not None or (parts.username and parts.scheme != "ssh"):
        raise PayloadError("clone URL: it carries credentials; give them to the agent's credential helper instead")
    return url
