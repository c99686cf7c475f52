"""The cluster tests' fixtures: parts that a test process shares, and their logs in every failure's report."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.cluster.figures import Figure, figure_of, figures
from tests.cluster.parts.control_plane import ControlPlane

if TYPE_CHECKING:
    from tests.cluster.gitops.site import Site
    from tests.cluster.pools.world import World
    from tests.cluster.tree.emitted import EmittedCluster

STACKS = ("local", "dev", "dgx-spark")
LONG = ("test_flux", "test_keda", "test_chaos_cluster", "test_endings", "test_line", "test_direct", "test_node")
"""Files that take minutes, in the order in which they begin: one that begins last would be waited for alone."""

PATIENCE = 900.0
"""Seconds for a test with what it stands on: the agent's image alone takes six minutes where nothing is cached."""


@pytest.fixture(scope="session")
def control_plane(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:
    """An API server with its controllers and without nodes; tests keep apart by namespaces of their own."""
    with ControlPlane(tmp_path_factory.mktemp("control-plane")) as cluster:
        yield cluster


@pytest.fixture(scope="session", params=STACKS)
def emitted_cluster(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[EmittedCluster]:
    """Each stack in turn: a control plane of its own that was given the whole tree."""
    from tests.cluster.tree.emitted import EmittedCluster, seal  # the whole program: nothing that the other tests need

    with EmittedCluster(tmp_path_factory.mktemp(request.param), seal(request.param)) as cluster:
        yield cluster


@pytest.fixture(scope="session")
def shared_world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """A pool on a real node whose agents the direct scaler starts, with little scratch; its tests need one worker."""
    from tests.cluster.pools.world import real_world  # builds the agent's image, where the cache has none

    with real_world(tmp_path_factory.mktemp("pool"), cluster_vars={"ci_agent_scratch": "128Mi"}) as world:
        yield world


@pytest.fixture
def world(shared_world: World) -> Iterator[World]:
    """The same; every test begins and ends without agents."""
    yield shared_world
    shared_world.clear()


@pytest.fixture(scope="session")
def shared_site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A small fleet under GitOps: real Gitea, real API server, real kustomize-controller."""
    from tests.cluster.gitops.site import Site  # the program's SOPS: nothing that the other tests need

    with Site(tmp_path_factory.mktemp("site")) as site:
        yield site


@pytest.fixture
def site(shared_site: Site) -> Iterator[Site]:
    """The same; every test begins and ends with all of it well."""
    yield shared_site
    shared_site.heal()


@pytest.fixture
def figure(request: pytest.FixtureRequest) -> Figure:
    """What a test shows at the end of the run, also of a good one."""
    return figure_of(request.node)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """The figures of tests that passed."""
    if lines := figures(terminalreporter.getreports("passed")):
        terminalreporter.section("figures")
        for line in lines:
            terminalreporter.write_line(line)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Everything below this directory needs the cluster's programs; those that take minutes begin."""
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents:
            item.add_marker(pytest.mark.cluster)
            if not item.get_closest_marker("timeout"):
                item.add_marker(pytest.mark.timeout(PATIENCE))
    items.sort(key=_turn)


def _turn(item: pytest.Item) -> int:
    stem = item.path.stem
    return LONG.index(stem) if stem in LONG else len(LONG)
