"""The pool's end: nothing is left, whatever went wrong before it or in it."""

from __future__ import annotations

from pathlib import Path

import psutil
import pytest
from raibid.local import pool as pools
from raibid.local.errors import PartError
from raibid.local.pool import Pool, PoolOptions
from raibid.local.processes import Part
from raibid.local.state import opened


def children() -> set[int]:
    return {child.pid for child in psutil.Process().children() if child.status() != psutil.STATUS_ZOMBIE}


def test_a_part_that_cannot_be_ended_keeps_no_other_from_ending(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    end = Part.end

    def ends_badly(part: Part, grace: float) -> bool:
        end(part, grace)
        raise OSError("the scaler's log is on a full disk")

    monkeypatch.setattr(Part, "end", ends_badly)
    before, said = children(), list[str]()
    with opened(tmp_path) as state:
        pool = Pool(state, PoolOptions(max_agents=1), said.append)
        with pytest.raises(OSError, match="full disk"), pool:
            pool.start()
    assert children() == before
    assert said[-1] == "ending: agents, scaler, API, Redis"


def test_a_start_that_fails_half_way_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pools, "_START_BUDGET", 0.0)
    before = children()
    with opened(tmp_path) as state:
        pool = Pool(state, PoolOptions(max_agents=1), lambda _: None)
        with pytest.raises(PartError, match="api was not ready"), pool:
            pool.start()
    assert children() == before
