"""Deliveries of the fixtures, parsed."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from raibid.forge import gitea, github
from raibid.model.push_event import PushEvent

FIXTURES = Path(__file__).parent / "fixtures"


@pytest.fixture(scope="session")
def event() -> Callable[[str], PushEvent]:
    """The push in `fixtures/<name>.json`; the name begins with its forge."""

    def load(name: str) -> PushEvent:
        forge = name.partition("-")[0]
        headers = {f"x-{forge}-event": "push", f"x-{forge}-delivery": "d-1"}
        parse = {"gitea": gitea.parse, "github": github.parse}[forge]
        parsed = parse(headers, (FIXTURES / f"{name}.json").read_bytes())
        assert parsed is not None
        return parsed

    return load
