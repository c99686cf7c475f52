"""git as a stranger's repository may be opened: no other protocol, no redirect, no submodule, no link, no filter.

Owns: these settings; which path of a repository may be written.
Leaves to others: which host is asked (`GitopsSettings.reachable`), the repository (`checkout.py`).
"""

from __future__ import annotations

import threading
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import Final

from raibid.git.cli import Git
from raibid.gitops.errors import NotAllowedError
from raibid.gitops.settings import GitopsSettings

_FENCE: Final = {
    "protocol.allow": "never",
    "protocol.http.allow": "always",
    "protocol.https.allow": "always",
    "http.followRedirects": "false",
    "submodule.recurse": "false",
    # A link becomes a small file that holds its target: nothing that is opened later leads out of the directory.
    "core.symlinks": "false",
    "core.protectHFS": "true",
    "core.protectNTFS": "true",
    "core.fsmonitor": "false",
    "core.attributesFile": "/dev/null",
    "core.autocrlf": "false",
    "core.quotePath": "false",
    "commit.gpgSign": "false",
    "push.gpgSign": "false",
    "user.useConfigOnly": "true",
}
_WHO: Final = {"user.name": "raibid", "user.email": "raibid@raibid.internal"}
ATTRIBUTES: Final = "* -text !eol !ident !filter !diff !merge !working-tree-encoding\n"
"""For `.git/info/attributes`, which goes before the repository's own: Flux reads a blob as it is, and so do we."""


def git_for(settings: GitopsSettings, credentials: Path | None, stop: threading.Event | None = None) -> Git:
    """git as the settings' author, with the credentials' file. `stop`: ends whatever runs."""
    who = {"user.name": settings.author, "user.email": settings.email}
    return Git({**who, **_FENCE}, credentials=credentials, stop=stop or threading.Event())


def fenced(git: Git) -> Git:
    """The same git within the fence, whatever else it was set to."""
    return replace(git, settings={**_WHO, **git.settings, **_FENCE})


def inside(path: str) -> str:
    """A path of the repository, if it may be written.

    Raises:
        NotAllowedError: it leads out, or into git's own directory.
    """
    parts = PurePosixPath(path).parts
    bad = not parts or path.startswith("/") or "\\" in path or any(not char.isprintable() for char in path)
    if bad or any(part == ".." or _gits(part) for part in parts):
        raise NotAllowedError(f"{path[:200]!r} is no path in a repository")
    return str(PurePosixPath(*parts))


def _gits(part: str) -> bool:
    """`.git` in any spelling that some file system takes for it (git's verify_path)."""
    return part.lower().rstrip(" .") in (".git", "git~1")
