"""The graph as SVG, written by hand: no program to install, the same bytes every time.

Owns: sizes, colours, text, curves.
Leaves to others: nodes and arrows (`graph.model`), where they go (`graph.layout`).
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from html import escape
from typing import Final

from components.graph.layout import Layout, layout
from components.graph.model import OWNERS, Graph, Layer, Node

_BOX: Final = (150, 44)
_COLUMN, _ROW = 262, 64
_MARGIN, _TITLE, _LEGEND = 24, 56, 34
_CHARACTER: Final = 5.6  # mean width of a character at 11 px
_FILL: Final[Mapping[Layer, tuple[str, str]]] = {
    "outside": ("#ffffff", "#57606a"),
    "L0": ("#fff1e5", "#bc4c00"),
    "L1": ("#ddf4ff", "#0969da"),
    "L2": ("#dafbe1", "#1a7f37"),
}
_STYLE: Final = (
    "text{font:11px ui-sans-serif,system-ui,sans-serif;fill:#1f2328}"
    ".n{font-size:13px;font-weight:600}.t{font-size:16px;font-weight:600}.s{fill:#57606a}"
    ".a{fill:none;stroke:#6e7781;stroke-width:1.3;marker-end:url(#h)}"
)

Point = tuple[float, float]


def svg(drawn: Graph) -> str:
    """The picture: flows from left to right; below, the systems that nothing flows through."""
    plan = layout([node.name for node in drawn.nodes], [(a.source, a.target) for a in drawn.arrows])
    rows = max((len(column) for column in plan.columns), default=0)
    places = _places(plan, rows)
    alone = [node for node in drawn.nodes if node.name not in places]
    width = 2 * _MARGIN + max(len(plan.columns) * _COLUMN - (_COLUMN - _BOX[0]), 4 * _COLUMN)
    below = _TITLE + _LEGEND + rows * _ROW + 12
    per_row = (width - 2 * _MARGIN + 16) // (_BOX[0] + 16)
    for number, node in enumerate(alone):
        column, row = number % per_row, number // per_row
        places[node.name] = (_MARGIN + column * (_BOX[0] + 16) + _BOX[0] / 2, below + 30 + row * _ROW + _BOX[1] / 2)
    height = below + (30 + -(-len(alone) // per_row) * _ROW if alone else 0) + 8
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}" '
            f'role="img" aria-label="Systems and data flow of stack {escape(drawn.stack)}">',
            f"<style>{_STYLE}</style>",
            '<defs><marker id="h" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="8" markerHeight="8" orient="auto">'
            '<path d="M0 0L8 4L0 8z" fill="#6e7781"/></marker></defs>',
            f'<rect width="{width}" height="{height}" rx="8" fill="#ffffff"/>',
            f'<text class="t" x="{_MARGIN}" y="34">Stack {escape(drawn.stack)}</text>',
            *_legend(drawn),
            *_arrows(drawn, plan, places),
            *([f'<text class="s" x="{_MARGIN}" y="{below + 16}">without flows of their own</text>'] if alone else ()),
            *(_box(node, places[node.name]) for node in drawn.nodes),
            *_labels(drawn, plan, places),
            "</svg>",
            "",
        ]
    )


def _places(plan: Layout, rows: int) -> dict[str, Point]:
    """Centres; shorter columns are centred beside the longest."""
    places: dict[str, Point] = {}
    for number, column in enumerate(plan.columns):
        top = _TITLE + _LEGEND + (rows - len(column)) * _ROW / 2
        for row, name in enumerate(column):
            places[name] = (_MARGIN + number * _COLUMN + _BOX[0] / 2, top + row * _ROW + _ROW / 2)
    return places


def _legend(drawn: Graph) -> Iterator[str]:
    x = float(_MARGIN)
    for layer, title in OWNERS.items():
        if drawn.of(layer):
            fill, stroke = _FILL[layer]
            yield f'<rect x="{x:g}" y="52" width="12" height="12" rx="3" fill="{fill}" stroke="{stroke}"/>'
            yield f'<text x="{x + 18:g}" y="62">{escape(title)}</text>'
            x = round(x + 40 + len(title) * _CHARACTER, 1)


def _box(node: Node, centre: Point) -> str:
    fill, stroke = _FILL[node.layer]
    x, y = centre[0] - _BOX[0] / 2, centre[1] - _BOX[1] / 2
    lines = [f'<text class="n" x="{centre[0]:g}" y="{centre[1] + (-2 if node.asks else 5):g}" text-anchor="middle">']
    lines[0] += f"{escape(node.name)}</text>"
    if node.asks:
        lines.append(
            f'<text class="s" x="{centre[0]:g}" y="{centre[1] + 14:g}" text-anchor="middle">{node.asks}</text>'
        )
    shape = f'<rect x="{x:g}" y="{y:g}" width="{_BOX[0]}" height="{_BOX[1]}" rx="7" fill="{fill}" stroke="{stroke}"/>'
    return "\n".join([shape, *lines])


def _arrows(drawn: Graph, plan: Layout, places: Mapping[str, Point]) -> Iterator[str]:
    for arrow in drawn.arrows:
        points = _ends(plan.routes[arrow.source, arrow.target], places)
        path = f"M{points[0][0]:g} {points[0][1]:g}"
        for (x1, y1), (x2, y2) in itertools.pairwise(points):
            bend = (x2 - x1) / 2
            path += f"C{x1 + bend:g} {y1:g} {x2 - bend:g} {y2:g} {x2:g} {y2:g}"
        yield f'<path class="a" d="{path}"/>'


def _ends(route: tuple[str, ...], places: Mapping[str, Point]) -> list[Point]:
    """The route's points: from side to side of the two boxes, straight across the columns between them."""
    first, *between, last = (places[name] for name in route)
    half = _BOX[0] / 2 if first[0] < last[0] else -_BOX[0] / 2
    across = [point for x, y in between for point in ((x - half, y), (x + half, y))]
    return [(first[0] + half, first[1]), *across, (last[0] - half, last[1])]


def _labels(drawn: Graph, plan: Layout, places: Mapping[str, Point]) -> Iterator[str]:
    """Beside the middle of each arrow's last stretch: there arrows that start together have parted."""
    for arrow in drawn.arrows:
        points = _ends(plan.routes[arrow.source, arrow.target], places)
        (x1, y1), (x2, y2) = points[-2], points[-1]
        x, y = (x1 + x2) / 2, (y1 + y2) / 2 - 3
        wide = len(arrow.label) * _CHARACTER + 6
        yield (
            f'<rect x="{x - wide / 2:.1f}" y="{y - 8:.1f}" width="{wide:.1f}" height="14" rx="3" fill="#ffffff" '
            'fill-opacity="0.85"/>'
            f'<text class="s" x="{x:.1f}" y="{y + 3:.1f}" text-anchor="middle">{escape(arrow.label)}</text>'
        )
