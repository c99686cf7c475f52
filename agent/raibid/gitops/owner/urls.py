"""Clone URLs as appliers have them: without what nobody else may see.

Owns: leaving credentials out of a URL before it is told.
Leaves to others: whether the host is allowed (`raibid.gitops.settings`), our own credentials.
"""

from __future__ import annotations

from urllib.parse import urlsplit


def without_password(url: str) -> tuple[str, str]:
    """The URL without credentials, and a note if it had any. A user alone is what ssh needs, and no secret."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return url, ""
    login, _, host = parts.netloc.rpartition("@")
    if not login or (":" not in login and parts.scheme == "ssh"):
        return url, ""
    return parts._replace(netloc=host).geturl(), "the source's URL carries credentials, which are left out here"
