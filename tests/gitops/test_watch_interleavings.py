"""Any order of what controllers do while somebody watches ends in an outcome that fits; junk ends in one, too."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from typing import Any, Final

from hypothesis import given, settings
from hypothesis import strategies as st
from raibid.gitops.objects import Ref
from raibid.gitops.settings import GitopsSettings, Timeouts
from raibid.gitops.watch.follow import claim_of, follow
from raibid.gitops.watch.outcome import Outcome, Progress
from raibid.gitops.watch.revisions import Line
from raibid.gitops.watch.route import Look, route_of

from tests.gitops.flux_fake import APPS, FLEET, WEB, FakeFlux
from tests.gitops.history import BESIDE, LATER, NEW, OLD, contains
from tests.gitops.junk import JUNK
from tests.gitops.memory_cluster import MemoryCluster
from tests.gitops.sight import Snapshot

Do = Callable[[FakeFlux], Any]

HASTY = GitopsSettings(timeouts=Timeouts(fetch=0.05, apply=0.05, health=0.05))
ACTIONS: Final[dict[str, Do]] = {
    **{f"fetch {sha[0]}": partial(FakeFlux.fetch, sha=sha) for sha in (OLD, NEW, LATER, BESIDE)},
    **{f"begin {sha[0]}": partial(FakeFlux.begin, name="apps", sha=sha) for sha in (OLD, NEW, LATER)},
    **{f"apply {sha[0]}": partial(FakeFlux.apply, name="apps", sha=sha) for sha in (OLD, NEW, LATER, BESIDE)},
    **{f"fail {sha[0]}": partial(FakeFlux.fail, name="apps", sha=sha) for sha in (OLD, NEW, LATER)},
    "unhealthy": lambda flux: flux.fail("apps", NEW, "HealthCheckFailed", "timeout waiting for: [Deployment/demo/web]"),
    "hold": lambda flux: flux.hold("apps", "dependency 'flux-system/infra' is not ready"),
    "cannot fetch": lambda flux: flux.cannot_fetch("authentication required"),
    "roll out": lambda flux: flux.deploy(available=0, generation=2),
    "available": lambda flux: flux.deploy(generation=2),
}
PROOFS: Final = {
    Outcome.HEALTHY: {f"apply {NEW[0]}", f"apply {LATER[0]}"},
    Outcome.FAILING: {f"fail {NEW[0]}", f"fail {LATER[0]}"},
    Outcome.SUPERSEDED: {f"fetch {BESIDE[0]}"},
}
"""Without one of these in the past, the outcome is a lie."""


def look(cluster: MemoryCluster, edit: Ref | None = WEB) -> Progress:
    route = route_of(claim_of(APPS, edit=edit))
    assert route is not None
    return Look(sight=Snapshot(cluster), line=Line(NEW, contains), pushed_at=datetime.now(UTC)).walked(route)


@settings(max_examples=25)
@given(names=st.lists(st.sampled_from(sorted(ACTIONS)), max_size=8))
def test_any_order_of_updates_ends_in_an_outcome_that_fits(names: list[str]) -> None:
    flux = FakeFlux()
    actor = threading.Thread(target=lambda: [ACTIONS[name](flux) for name in names])
    actor.start()
    claims = [claim_of(APPS, edit=WEB)]
    result = follow(flux.cluster, claims, NEW, settings=HASTY, contains=contains, timeout=5)
    actor.join()
    proofs = PROOFS.get(result.outcome)
    assert proofs is None or proofs & {*names}
    # Once nothing changes any more, a look is what the last states say.
    last = follow(flux.cluster, claims, NEW, settings=HASTY, contains=contains, wait=False)
    assert last.ends == (look(flux.cluster),)


@given(names=st.lists(st.sampled_from(sorted(ACTIONS)), max_size=12))
def test_healthy_means_that_the_commit_is_what_was_applied(names: list[str]) -> None:
    flux = FakeFlux()
    for name in names:
        ACTIONS[name](flux)
    found = look(flux.cluster)
    applied = [name for name in names if name.split()[0] in ("apply", "fail", "begin", "hold", "unhealthy")]
    if found.passed:
        assert applied[-1] in PROOFS[Outcome.HEALTHY]
        assert look(flux.cluster, edit=None).passed


@given(source=JUNK, applier=JUNK, spec=JUNK, other=JUNK)
def test_whatever_strangers_wrote_ends_in_an_outcome(source: Any, applier: Any, spec: Any, other: Any) -> None:
    cluster = MemoryCluster()
    reads = {"sourceRef": {"kind": "GitRepository", "name": FLEET.name}}
    for ref, written in (
        (FLEET, {"status": source}),
        (APPS, {"status": applier, "spec": {**reads, "dependsOn": spec}}),
        (Ref(APPS.group, APPS.kind, "flux-system", "other"), {"status": other, "spec": spec}),
        (Ref("helm.toolkit.fluxcd.io", "HelmRelease", "demo", "web"), {"status": other, "spec": spec}),
    ):
        metadata = {"name": ref.name, "namespace": ref.namespace, "generation": 1}
        cluster.put({"apiVersion": f"{ref.group}/v1", "kind": ref.kind, "metadata": metadata, **written})
    for edit in (None, Ref("helm.toolkit.fluxcd.io", "HelmRelease", "demo", "web")):
        result = follow(cluster, [claim_of(APPS, edit=edit)], NEW, settings=HASTY, contains=contains, wait=False)
        assert result.outcome in Outcome
