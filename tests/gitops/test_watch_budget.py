"""How long each object may take; the graph of `dependsOn` that counts for it."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from raibid.gitops.objects import Ref
from raibid.gitops.settings import Timeouts
from raibid.gitops.watch.budget import LONGEST, budget, seconds_of
from raibid.gitops.watch.route import depth_of, waiting_for

from tests.gitops.flux_fake import FLEET, WEB, FakeFlux, followed, kustomization
from tests.gitops.history import NEW
from tests.gitops.memory_cluster import MemoryCluster
from tests.gitops.sight import Snapshot

TIMEOUTS = Timeouts(fetch=60, apply=300, health=120)


def applier(name: str, *above: str, **spec: Any) -> dict[str, Any]:
    depends = [{"name": other} for other in above]
    return {
        "apiVersion": "kustomize.toolkit.fluxcd.io/v1",
        "kind": "Kustomization",
        "metadata": {"name": name, "namespace": "flux-system"},
        "spec": {"dependsOn": depends, **spec},
    }


def sight(*manifests: dict[str, Any]) -> Snapshot:
    return Snapshot(MemoryCluster.of(*manifests))


@pytest.mark.parametrize(
    ("spec", "seconds"),
    [
        ({"timeout": "1m", "retryInterval": "30s"}, 300),
        ({"timeout": "10m", "retryInterval": "2m"}, 720),
        ({"interval": "10m"}, 1200),
        ({"timeout": "a while"}, 300),
    ],
    ids=["the settings are more", "its own is more", "its interval stands for both", "no time"],
)
def test_an_applier_has_its_own_timeout_and_a_retry_if_that_is_more(spec: dict[str, str], seconds: float) -> None:
    assert budget(kustomization("apps"), sight(applier("apps", **spec)), TIMEOUTS) == seconds


def test_an_applier_has_a_budget_for_each_that_has_its_turn_before_it() -> None:
    fleet = sight(applier("crds"), applier("infra", "crds"), applier("other"), applier("apps", "infra", "other"))
    assert depth_of(kustomization("apps"), fleet) == 3
    assert budget(kustomization("apps"), fleet, TIMEOUTS) == 900


def test_sources_objects_and_probes_have_theirs() -> None:
    assert [budget(about, sight(), TIMEOUTS) for about in (FLEET, WEB, None)] == [60, 120, 120]


@pytest.mark.parametrize("timeout", ["2562047h", "100000h", f"{'9' * 400}h"])
def test_nobody_watches_for_longer_than_a_day(timeout: str) -> None:
    assert budget(kustomization("apps"), sight(applier("apps", timeout=timeout)), TIMEOUTS) == LONGEST


def test_a_watch_of_something_that_may_take_years_waits_and_says_that_it_will_not() -> None:
    flux = FakeFlux()
    flux.fetch(NEW)
    flux.cluster.put(applier("apps", timeout="2562047h", sourceRef={"kind": "GitRepository", "name": FLEET.name}))
    result = followed(flux, timeout=0.2)
    assert result.timed_out
    assert any(note.startswith("Kustomization/flux-system/apps is waited for no longer") for note in result.notes)


def test_a_circle_of_dependencies_ends() -> None:
    circle = sight(applier("a", "b"), applier("b", "a"))
    assert depth_of(kustomization("a"), circle) == 2
    assert waiting_for(kustomization("a"), circle.all("kustomize.toolkit.fluxcd.io", "Kustomization")) == [
        kustomization("b")
    ]


@given(edges=st.sets(st.tuples(st.integers(0, 6), st.integers(0, 6)), max_size=15))
def test_what_waits_is_everything_that_leads_there_and_never_the_thing_itself(edges: set[tuple[int, int]]) -> None:
    fleet = [applier(str(one), *(str(above) for below, above in edges if below == one)) for one in range(7)]
    found = waiting_for(kustomization("0"), fleet)
    reach: set[Ref] = set()
    for _ in range(7):
        reach |= {
            kustomization(str(below)) for below, above in edges if kustomization(str(above)) in reach or not above
        }
    assert {*found} == reach - {kustomization("0")}
    assert len(found) == len({*found})


@pytest.mark.parametrize(
    ("duration", "seconds"), [("1h2m3s", 3723.0), ("1.5s", 1.5), ("250ms", 0.25), ("10m0s", 600.0), ("", 0.0)]
)
def test_durations_are_gos(duration: str, seconds: float) -> None:
    assert seconds_of(duration) == seconds
