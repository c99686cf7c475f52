"""Which clone URLs an agent follows, and how URLs are shown.

Owns: whether an agent follows URLs into its own file system, scrubbing.
Leaves to others: what a clone URL is (`raibid.forge.names`: a job need not have come through the API, so it is asked
again), which hosts a repository may be on (`raibid.forge.enrolment`, network policies).
"""

from __future__ import annotations

import re
from typing import Final

from raibid.forge import PayloadError, names
from raibid.worker.errors import JobFaultError

_CREDENTIALS: Final = re.compile(r"(?<=://)[^/\s@]+@")
_EXPECTED: Final = "give https://host/path without credentials, ssh://user@host/path or user@host:path"
_REF: Final = re.compile(r"refs/(?!.*(\.\.|//|@\{))[^\s~^:?*\[\\\x00-\x1f\x7f]+")
_SHA: Final = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")


def scrub(text: str) -> str:
    """Text without the credentials of URLs: `https://***@host/`."""
    return _CREDENTIALS.sub("***@", text)


def checked_url(url: str, *, allow_files: bool) -> str:
    """The URL itself.

    Raises:
        JobFaultError: no scheme git may follow here, credentials, or something that could be read as an option.
    """
    is_path = url.startswith("/")
    if is_path or url.startswith("file:"):
        if not allow_files:
            raise JobFaultError("clone URL is refused: this agent does not clone from its own file system")
        if is_path:
            return url
    try:
        return names.clone_url(url)
    except PayloadError:  # its own words may quote a part of the URL that is a secret
        raise JobFaultError(f"clone URL {scrub(url)[:200]!r} is refused: {_EXPECTED}") from None


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
