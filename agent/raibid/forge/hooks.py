"""A webhook as we want it, and what is to be done about the one that is there. Pure.

Owns: the comparison, the mark of a secret.
Leaves to others: each forge's calls (`gitea/hooks.py`, `github/hooks.py`).
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import StrEnum
from urllib.parse import urlsplit

from raibid.forge.errors import ForgeError


class Ensured(StrEnum):
    """What `ensure_hook` had to do."""

    UNCHANGED = "unchanged"
    CREATED = "created"
    CORRECTED = "corrected"
    REPLACED = "replaced"  #: it had another secret


@dataclass(frozen=True, kw_only=True)
class Hook:
    """A webhook of a repository or an organisation, as the forge tells it; its secret is never told."""

    id: int
    url: str
    events: frozenset[str]
    active: bool
    content_type: str = "json"
    signs: bool = True
    """Whether it has a secret; Gitea does not tell."""
    checks_tls: bool = True
    name: str = ""
    """Gitea's alone."""


@dataclass(frozen=True, kw_only=True)
class WantedHook:
    """Who is to be told of what."""

    url: str
    events: frozenset[str]
    secret: str = field(repr=False)

    def __post_init__(self) -> None:
        """Refuse what would be told unsigned, or nobody.

        Raises:
            ForgeError: no secret, no event, or no URL.
        """
        if not (self.secret and self.events and urlsplit(self.url).hostname):
            raise ForgeError("a webhook needs a URL, a secret and an event")

    @property
    def mark(self) -> str:
        """A name that changes with the secret and does not tell it: of 256 random bits, 48 of their digest."""
        return f"raibid {hashlib.sha256(f'hook {self.secret}'.encode()).hexdigest()[:12]}"

    def like(self, hook: Hook) -> bool:
        """Whether a hook tells the same, and safely; which secret it has is in no answer."""
        safely = hook.signs and hook.checks_tls
        return safely and hook.active and hook.events == self.events and hook.content_type == "json"


def at_url(hooks: Iterable[Hook], url: str) -> list[Hook]:
    """Those that tell this address, the oldest first."""
    return sorted((hook for hook in hooks if hook.url == url), key=lambda hook: hook.id)
