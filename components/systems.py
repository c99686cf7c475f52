"""The systems of the pool, in one table; what they say together.

Owns: which systems there are, which of them a stack has, the one call that turns settings into the whole tree.
Leaves to others: each system's own answers (its file), the order in which Flux applies them (`flux`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Protocol

from components import redis
from components.budget import Budget, Footprint, budget
from components.manifest_tree import Emission, Tree, emit
from components.settings import Settings


class System(Protocol):
    """What a system's module says of itself; all of it pure."""

    @property
    def NAME(self) -> str:  # noqa: N802  (a module's constant)
        """Its name: label, directory, prefix of its variables."""

    def footprint(self, settings: Settings) -> Footprint:
        """What it asks of the machine."""

    def manifests(self, settings: Settings) -> Tree:
        """Its files in the Flux repository; the same bytes for every environment."""

    def variables(self, settings: Settings, budget: Budget) -> dict[str, str]:
        """Values of this environment for `${…}` in those files."""


@dataclass(frozen=True)
class Entry:
    """A row of the table: a system, and when a stack has it."""

    system: System
    wanted: Callable[[Settings], bool] = lambda settings: True


TABLE: Final[tuple[Entry, ...]] = (Entry(redis),)
SYSTEMS: Final[tuple[System, ...]] = tuple(entry.system for entry in TABLE)


def enabled(settings: Settings) -> tuple[System, ...]:
    """The systems that this stack has, in the table's order."""
    return tuple(entry.system for entry in TABLE if entry.wanted(settings))


def budget_of(settings: Settings) -> Budget:
    """The proved budget of a stack.

    Raises:
        BudgetError: the systems and one agent do not fit the nodes.
    """
    return budget(settings, [system.footprint(settings) for system in enabled(settings)])


def variables(settings: Settings) -> dict[str, str]:
    """All values of this environment, for `clusters/<env>/cluster-vars.yaml`."""
    proved = budget_of(settings)
    return {name: value for system in enabled(settings) for name, value in system.variables(settings, proved).items()}


def emission(settings: Settings) -> Emission:
    """The whole Flux repository of a stack.

    Raises:
        PathConflictError: two systems claim one path.
    """
    return emit([system.manifests(settings) for system in SYSTEMS])
