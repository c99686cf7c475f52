"""Every stack's tree, rendered once per test process."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import pytest

from components.settings import load_stack
from tests.flux.rendered import STACKS, Rendered, render


@cache
def _rendered(stack: str) -> Rendered:
    return render(load_stack(stack))


@pytest.fixture(params=STACKS)
def rendered(request: pytest.FixtureRequest) -> Rendered:
    """The tree of each stack in turn."""
    return _rendered(request.param)


@pytest.fixture
def rendered_as() -> Callable[[str], Rendered]:
    """The tree of a stack by name."""
    return _rendered
