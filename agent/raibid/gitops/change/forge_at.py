"""The forge behind a repository's URL: Gitea, GitHub, or one whose API we do not speak.

Owns: finding out which, and the repository's name there.
Leaves to others: its API (`raibid.forge`), which hosts may be asked at all (`GitopsSettings.reachable`).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import msgspec

from raibid.forge.errors import ForgeFaultError, ForgeRefusedError
from raibid.forge.gitea.client import GiteaClient
from raibid.forge.gitea.pulls import GiteaPulls
from raibid.forge.github.client import GithubClient
from raibid.forge.github.pulls import GithubPulls
from raibid.forge.pulls import PullRequests
from raibid.forge.session import Session

_GITHUB: Final = {"github.com": "https://api.github.com"}


@dataclass(frozen=True)
class ForgeAt:
    """A forge, and which of its repositories."""

    pulls: PullRequests
    repository: str
    """owner/name."""


class _Gitea(msgspec.Struct, frozen=True):
    """What `GET /api/v1/version` answers; Forgejo does as well."""

    version: str


class _Github(msgspec.Struct, frozen=True):
    """What `GET /api/v3/meta` of GitHub Enterprise Server answers."""

    installed_version: str


@contextmanager
def forge_at(url: str, credentials: Path | None) -> Iterator[ForgeAt | None]:
    """The forge of a clone URL; None: it is none that we know, or there are no credentials at all.

    Raises:
        ForgeLoginError: the file has no line for it. ForgeUnavailableError: it does not answer.
    """
    site, repository = page_of(url), _repository(url)
    if credentials is None or not repository:
        yield None
        return
    root = site.removesuffix(f"/{repository}")
    if api := _GITHUB.get(urlsplit(url).hostname or ""):
        with GithubClient.connect(api, credentials) as client:
            yield ForgeAt(GithubPulls(client.session), repository)
        return
    with GiteaClient.connect(root, credentials) as gitea, GithubClient.connect(f"{root}/api/v3", credentials) as github:
        if _is(gitea.session, "/version", _Gitea):
            yield ForgeAt(GiteaPulls(gitea.session), repository)
        elif _is(github.session, "/meta", _Github):
            yield ForgeAt(GithubPulls(github.session), repository)
        else:
            yield None


def page_of(url: str) -> str:
    """Where people look at the repository."""
    return url.rstrip("/").removesuffix(".git")


def _repository(url: str) -> str:
    """owner/name: the URL's last two parts, for a forge may be below a path of its site."""
    parts = [part for part in urlsplit(page_of(url)).path.split("/") if part]
    return "/".join(parts[-2:]) if len(parts) > 1 else ""


def _is(session: Session, path: str, kind: type[msgspec.Struct]) -> bool:
    try:
        session.get(path, kind)
    except (ForgeRefusedError, ForgeFaultError):  # no such path, or a page of something else
        return False
    return True
