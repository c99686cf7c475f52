"""What the rollback controller is told at its start.

Owns: the values and their defaults.
Leaves to others: where they come from (`raibid.cli`), hosts and policy (`raibid.gitops.settings`).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from raibid.gitops.settings import GitopsSettings

NAMESPACE: Final = "flux-system"
EVERY: Final = 45.0


@dataclass(frozen=True, kw_only=True)
class ControllerSettings:
    """One controller for one cluster."""

    gitops: GitopsSettings = field(default_factory=GitopsSettings)
    credentials: Path | None = None
    """A line per forge, as git-credential-store has them."""
    namespace: str = NAMESPACE
    """Whose Kustomizations and HelmReleases are looked after."""
    releases: tuple[str, ...] = ()
    """Further namespaces whose HelmReleases are. By name: who may list them everywhere may see everything."""
    every: float = EVERY
    """Seconds between two looks when nothing fails and no alert comes."""
    busy: float = 3.0
    """The same while something fails, or is on its way back: notification-controller tells of the same failure only
    once in five minutes, and a second failure is what is waited for."""
    scratch: Path | None = None
    """Where checkouts are made; None: the system's own place."""
    by: str = "raibid-rollback"
    """Who the commits say asked for it."""
