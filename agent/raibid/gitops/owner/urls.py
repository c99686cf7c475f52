"""Clone URLs as appliers have them: without what nobody else may see.

Owns: leaving credentials out of a URL before it is told.
Leaves to others: whether the host is allowed (`raibid.gitops.settings`), our own credentials.
"""

from __future__ import annotations

import re
from typing import Final

_LOGIN: Final = re.compile(r"(?P<scheme>[^/?#@]*://)?(?P<login>[^/?#]*)@")
"""What comes before the host: up to the last @ before its end. No parser of URLs: `https://user:password@[host/x` is
none, and is told all the same."""


def without_password(url: str) -> tuple[str, str]:
    """The URL without credentials, and a note if it had any. A user alone is what ssh needs, and no secret."""
    found = _LOGIN.match(url)
    if not found or not found["login"]:
        return url, ""
    scheme = found["scheme"] or ""
    if ":" not in found["login"] and scheme.lower() in ("", "ssh://"):
        return url, ""
    return scheme + url[found.end() :], "the source's URL carries credentials, which are left out here"
