"""Every stack's Flux repository as Flux would apply it."""

from __future__ import annotations

import pytest

from tests.contract.cluster import DIRECT, STACKS, Cluster, settings_of


@pytest.fixture(scope="session", params=(*STACKS, DIRECT))
def cluster(request: pytest.FixtureRequest) -> Cluster:
    """One stack, rendered, built and substituted."""
    return Cluster.of(settings_of(request.param))
