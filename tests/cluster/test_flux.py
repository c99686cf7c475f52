"""The real applier and the emitted repository: order, decryption, health, pruning, drift, failures and their cure."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.cluster.fleet import Fleet


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    """A cluster that has reconciled its stack; a test that commits leaves all stages Ready."""
    with Fleet(tmp_path_factory.mktemp("fleet")) as fleet:
        fleet.settled(fleet.push(fleet.tree))
        yield fleet


def test_every_stage_gets_ready(fleet: Fleet) -> None:
    assert set(fleet.stages.names()) == {"flux-system", *fleet.tree.stages}
