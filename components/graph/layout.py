"""Where the boxes of a graph go: columns along the flow, few crossings, long arrows led around the boxes.

Owns: columns (longest path once cycles are opened), order in a column (barycentres), waypoints of long arrows.
Leaves to others: what is drawn (`graph.model`), shapes and colours (`graph.svg`).

Same input, same layout: nothing here is random, ties keep the order given (Sugiyama's method, its four steps).
"""

from __future__ import annotations

import itertools
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

_SWEEPS = 12


@dataclass(frozen=True)
class Layout:
    """Boxes and waypoints by column and row."""

    columns: tuple[tuple[str, ...], ...]
    """Names from top to bottom; a waypoint's name holds its arrow: `a→b@2`."""
    routes: Mapping[tuple[str, str], tuple[str, ...]]
    """Arrow → the names that it passes, both ends included, in the arrow's direction."""


def layout(nodes: Sequence[str], arrows: Sequence[tuple[str, str]]) -> Layout:
    """Columns for all nodes that have an arrow; the others are left to the caller."""
    joined = [node for node in nodes if any(node in arrow for arrow in arrows)]
    forward = _without_cycles(joined, arrows)
    rank = _ranks(joined, forward)
    columns: list[list[str]] = [[] for _ in range(max(rank.values(), default=-1) + 1)]
    for node in joined:
        columns[rank[node]].append(node)
    routes, neighbours = {}, defaultdict[str, list[str]](list)
    for arrow in arrows:
        start, end = sorted(arrow, key=lambda name: rank[name])
        between = [f"{arrow[0]}→{arrow[1]}@{column}" for column in range(rank[start] + 1, rank[end])]
        for column, name in enumerate(between, rank[start] + 1):
            columns[column].append(name)
        route = (start, *between, end)
        for left, right in itertools.pairwise(route):
            neighbours[left].append(right)
            neighbours[right].append(left)
        routes[arrow] = route if start == arrow[0] else route[::-1]
    return Layout(tuple(tuple(column) for column in _ordered(columns, neighbours)), routes)


def _without_cycles(nodes: Sequence[str], arrows: Sequence[tuple[str, str]]) -> list[tuple[str, str]]:
    """The arrows, those that close a cycle turned round: found by depth-first search in the order given."""
    targets = defaultdict[str, list[str]](list)
    for source, target in arrows:
        targets[source].append(target)
    state: dict[str, str] = {}
    kept: list[tuple[str, str]] = []

    def visit(node: str) -> None:
        state[node] = "open"
        for target in targets[node]:
            kept.append((target, node) if state.get(target) == "open" else (node, target))
            if target not in state:
                visit(target)
        state[node] = "done"

    for node in nodes:
        if node not in state:
            visit(node)
    return kept


def _ranks(nodes: Sequence[str], arrows: Sequence[tuple[str, str]]) -> dict[str, int]:
    rank = dict.fromkeys(nodes, 0)
    for _ in nodes:  # at most one round per node, for there is no cycle left
        for source, target in arrows:
            rank[target] = max(rank[target], rank[source] + 1)
    return rank


def _ordered(columns: list[list[str]], neighbours: Mapping[str, Sequence[str]]) -> list[list[str]]:
    """Each name at the mean row of its neighbours, column by column, there and back, until it settles."""
    row = {name: index for column in columns for index, name in enumerate(column)}

    def barycentre(name: str, side: Sequence[str]) -> float:
        rows = [row[other] for other in neighbours[name] if other in side]
        return sum(rows) / len(rows) if rows else row[name]

    for sweep in range(_SWEEPS):
        there = sweep % 2 == 0
        pairs = list(itertools.pairwise(columns))
        for left, right in pairs if there else reversed(pairs):
            fixed, moved = (left, right) if there else (right, left)
            moved.sort(key=lambda name, side=tuple(fixed): barycentre(name, side))  # type: ignore[misc]
            row.update({name: index for index, name in enumerate(moved)})
    return columns
