"""The budget as a picture: a stacked bar per resource and node, for documents that are read in light and in dark.

Owns: the drawing; the same budget gives the same bytes.
Leaves to others: the numbers (`budget`), where the picture is shown (docs/images).
"""

from __future__ import annotations

import colorsys
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Final
from xml.sax.saxutils import escape, quoteattr

from components.budget import Budget, Ledger, Line
from components.budget.ledger import RESOURCES, Resource, cells
from components.budget.view import headline

_WIDTH: Final = 860
_LEFT: Final = 110
_BAR_WIDTH: Final = _WIDTH - _LEFT - 20
_BAR_HEIGHT: Final = 26
_ROW: Final = 38
_LEGEND_COLUMNS: Final = 4
_UNITS: Final[dict[Resource, str]] = {"cpu": "cores", "memory": "GiB", "disk": "GiB"}
_TITLES: Final[dict[Resource, str]] = {"cpu": "CPU", "memory": "Memory", "disk": "Disk"}

# Greys and browns for what is reserved, one green for agents, so that the eye finds them first; systems share the
# other hues at one lightness. White numbers are readable on all of them, and all of them on white and on #0d1117.
_RESERVED: Final = ("#6e7781", "#9a6700", "#bc4c00", "#57606a")
_AGENTS: Final = ("#1a7f37", "#2da44e")
_UNUSED: Final = "none"
_HUES: Final = (180, 240)
"""First hue and how far round they go: from teal over blue and red to yellow."""

_STYLE: Final = """\
  <style>
    text { font: 13px system-ui, sans-serif; fill: #1f2328; }
    .title { font-size: 15px; font-weight: 600; }
    .faint { fill: #59636e; font-size: 12px; }
    .frame { fill: none; stroke: #818b98; }
    .inside { fill: #ffffff; font-size: 11px; text-anchor: middle; }
    @media (prefers-color-scheme: dark) {
      text { fill: #f0f6fc; }
      .faint { fill: #9198a1; }
    }
  </style>
"""


def draw(stack: str, budget: Budget) -> str:
    """The budget of a stack as an SVG document."""
    colours = _colours(budget.ledgers)
    body: list[str] = []
    y = 62
    for ledger in budget.ledgers:
        if len(budget.ledgers) > 1:
            body.append(_text(20, y + 12, ledger.node, "title"))
            y += 26
        for resource in RESOURCES:
            body += _bar(ledger, resource, y, colours)
            y += _ROW
    body += _legend(colours, y + 6)
    height = y + 6 + 22 * -(-len(colours) // _LEGEND_COLUMNS) + 14
    title = f"Budget of stack {stack}"
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}" role="img"'
        f" aria-label={quoteattr(f'{title}. {headline(budget)}')}>\n{_STYLE}"
        f"{_text(20, 26, title, 'title')}{_text(20, 46, headline(budget), 'faint')}{''.join(body)}</svg>\n"
    )


def _colours(ledgers: Sequence[Ledger]) -> dict[str, str]:
    """Name of a line → its colour, in the order in which the lines appear."""
    chosen: dict[str, str] = {}
    fixed = {"reserved": _RESERVED, "agents": _AGENTS, "unused": (_UNUSED,)}
    used: Counter[str] = Counter()
    for line in sorted((line for ledger in ledgers for line in ledger.lines), key=lambda line: line.kind == "unused"):
        if line.name not in chosen:
            palette, index = fixed.get(line.kind), used[line.kind]
            chosen[line.name] = palette[index % len(palette)] if palette else _hue(index)
            used[line.kind] += 1
    return chosen


def _hue(index: int) -> str:
    """The colour of the n-th system: each far from those before it (golden section); greens are left to the agents."""
    degrees = (_HUES[0] + index * 0.618 * _HUES[1] % _HUES[1]) % 360
    red, green, blue = colorsys.hls_to_rgb(degrees / 360, 0.42, 0.6)
    return f"#{round(red * 255):02x}{round(green * 255):02x}{round(blue * 255):02x}"


def _bar(ledger: Ledger, resource: Resource, y: int, colours: dict[str, str]) -> Iterator[str]:
    capacity = ledger.capacity.of(resource)
    column = RESOURCES.index(resource)
    yield _text(20, y + 12, _TITLES[resource])
    yield _text(20, y + 26, f"{cells(ledger.capacity)[column]} {_UNITS[resource]}", "faint")
    before = 0
    for line in ledger.lines:
        part = line.amount.of(resource)
        # Both ends are rounded, never the width: segments meet exactly and the last one ends with the frame.
        start, end = (_LEFT + at * _BAR_WIDTH // capacity for at in (before, before + part))
        before += part
        if part and end > start:
            yield _segment(line, f"{cells(line.amount)[column]} {_UNITS[resource]}", start, end - start, y, colours)
    yield f'  <rect class="frame" x="{_LEFT}" y="{y}" width="{_BAR_WIDTH}" height="{_BAR_HEIGHT}"/>\n'


def _segment(line: Line, amount: str, x: int, width: int, y: int, colours: dict[str, str]) -> str:
    colour = colours[line.name]
    title = f"<title>{escape(line.name)}: {amount}</title>"
    rectangle = f'  <rect x="{x}" y="{y}" width="{width}" height="{_BAR_HEIGHT}" fill="{colour}">{title}</rect>\n'
    number = amount.partition(" ")[0]
    if width < 9 * len(number) or line.kind == "unused":
        return rectangle
    return rectangle + f'  <text class="inside" x="{x + width // 2}" y="{y + 17}" style="fill:#fff">{number}</text>\n'


def _legend(colours: dict[str, str], y: int) -> Iterator[str]:
    for index, (name, colour) in enumerate(colours.items()):
        row, column = divmod(index, _LEGEND_COLUMNS)
        x, top = _LEFT + column * (_BAR_WIDTH // _LEGEND_COLUMNS), y + 22 * row
        yield f'  <rect class="frame" x="{x}" y="{top}" width="12" height="12" style="fill:{colour}"/>\n'
        yield _text(x + 18, top + 11, name)


def _text(x: int, y: int, text: str, style: str = "") -> str:
    kind = f' class="{style}"' if style else ""
    return f'  <text x="{x}" y="{y}"{kind}>{escape(text)}</text>\n'
