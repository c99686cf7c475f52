"""Figures that tests measure on the way: shown under a heading of their own at the end of the run, also of a good one.

Owns: how a figure travels from a test (in whichever worker) to the end of the report.
Leaves to others: benchmarks (`measure/`), what is measured (tests).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Final

import pytest

Figure = Callable[[str], None]
"""Says a figure, as one line."""
_PROPERTY: Final = "figure"


def figure_of(item: pytest.Item) -> Figure:
    """What a test says figures with."""
    return lambda line: item.user_properties.append((_PROPERTY, line))


def figures(reports: Iterable[pytest.TestReport]) -> list[str]:
    """The lines that tests said, each once, in their order."""
    said = (str(line) for report in reports for name, line in report.user_properties if name == _PROPERTY)
    return list(dict.fromkeys(said))
