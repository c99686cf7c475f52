"""Which clone URLs an agent follows, and how URLs are shown.

Owns: the allow-list of schemes, the refusal of anything git or ssh could read as an option, scrubbing.
Leaves to others: which hosts a repository may be on (`raibid.forge.enrolment`, network policies).
"""

from __future__ import annotations

import re
from typing import Final
from urllib.parse import urlsplit

from raibid.worker.errors import JobFaultError

_NETWORK: Final = frozenset({"https", "http", "ssh"})
_SCP_LIKE: Final = re.compile(r"[A-Za-z0-9._-]+@[A-Za-z0-9][A-Za-z0-9.-]*:(?![/-]{2}|-)\S+")
_CREDENTIALS: Final = re.compile(r"(?<=://)[^/\s@]+@")
_REF: Final = re.compile(r"refs/(?!.*(\.\.|//|@\{))[^\s~^:?*\[\\\x00-\x1f\x7f]+")
_SHA: Final = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")


def scrub(text: str) -> str:
    """Text without the credentials of URLs: `https://***@host/`."""
    return _CREDENTIALS.sub("***@", text)


def checked_url(url: str, *, allow_files: bool) -> str:
    """The URL itself.

    Raises:
        JobFaultError: no scheme git may follow here, a password, or something that could be read as an option.
    """
    if not url or url.startswith("-") or not url.isprintable() or " " in url:
        raise JobFaultError(f"clone URL {scrub(url)[:200]!r} is refused: empty, an option, or with unprintable parts")
    if _SCP_LIKE.fullmatch(url):
        return url
    parts = urlsplit(url)
    if url.startswith("/") or parts.scheme == "file":
        if not allow_files:
            raise JobFaultError("clone URL is refused: this agent does not clone from its own file system")
        return url
    if parts.scheme not in _NETWORK or "::" in url.partition("//")[0]:
        raise JobFaultError(f"clone URL {scrub(url)[:200]!r} is refused: use https, http or ssh")
    if not parts.hostname or parts.hostname.startswith("-") or (parts.username or "").startswith("-"):
        raise JobFaultError(f"clone URL {scrub(url)[:200]!r} is refused: no usable host")
    if parts.password is not None:
        raise JobFaultError("clone URL is refused: it carries a password; credentials belong in the agent's file")
    return url


def checked_ref(ref: str) -> str:
    """The full ref itself. Raises JobFaultError when git could read it as anything else."""
    if not _REF.fullmatch(ref):
        raise JobFaultError(f"{ref[:200]!r} is no full ref such as refs/heads/main")
    return ref


def checked_sha(sha: str) -> str:
    """The commit's id itself, or empty for none. Raises JobFaultError when it is no id."""
    if sha and not _SHA.fullmatch(sha):
        raise JobFaultError(f"{sha[:80]!r} is no commit id")
    return sha
