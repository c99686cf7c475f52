"""Every stack's Flux repository as Flux would apply it."""

from __future__ import annotations

import pytest

from components.settings import load_stack
from tests.contract.cluster import STACKS, Cluster


@pytest.fixture(scope="session", params=STACKS)
def cluster(request: pytest.FixtureRequest) -> Cluster:
    """One stack, rendered, built and substituted."""
    return Cluster.of(load_stack(request.param))
