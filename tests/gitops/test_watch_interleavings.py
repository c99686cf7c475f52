"""Any order of what controllers do while somebody watches ends in an outcome that fits; junk ends in one, too."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import Any, Final

from hypothesis import example, given, settings
from hypothesis import strategies as st
from raibid.git.errors import GitError
from raibid.gitops.objects import Manifest, Ref
from raibid.gitops.settings import GitopsSettings, Timeouts
from raibid.gitops.watch.follow import claim_of, follow
from raibid.gitops.watch.outcome import Outcome, Progress, Result
from raibid.gitops.watch.revisions import Contains, Line
from raibid.gitops.watch.route import Look, route_of
from raibid.gitops.watch.walk import Walk

from tests.gitops.flux_fake import APPS, FLEET, WEB, FakeFlux
from tests.gitops.history import BESIDE, LATER, NEW, OLD, contains
from tests.gitops.junk import JUNK
from tests.gitops.memory_cluster import MemoryCluster
from tests.gitops.sight import Snapshot

Do = Callable[[FakeFlux], Any]

TIMEOUTS = Timeouts(fetch=60, apply=300, health=300)
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


@dataclass
class Scripted(Snapshot):
    """A view in which something happens, or time passes, exactly when somebody waits for it."""

    actions: Iterator[Callable[[], object]]
    now: float = 0.0
    count: int = 0
    notes: tuple[str, ...] = ()

    def clock(self) -> float:
        return self.now

    def wait(self, count: int, seconds: float) -> None:
        assert count == self.count
        act = next(self.actions, None)
        if act is None:
            assert seconds > 0, "it would ask again and again"
            self.now += seconds
        else:
            act()
            self.count += 1
            self.now += 0.1

    def refresh(self, ref: Ref) -> Manifest | None:
        return self.get(ref)


def walked(names: list[str], contains: Contains = contains) -> tuple[Result, Scripted]:
    """A watch from its beginning to its end, while all of that happens."""
    flux = FakeFlux()
    view = Scripted(flux.cluster, iter([partial(ACTIONS[name], flux) for name in names]))
    walk = Walk(
        cluster=flux.cluster, view=view, line=Line(NEW, contains), timeouts=TIMEOUTS, pushed_at=datetime.now(UTC),
        clock=view.clock, tell=lambda _: None,
    )  # fmt: skip
    walk.begin([claim_of(APPS, edit=WEB)], again=False, ask=True)
    while not walk.look() and walk.wait(None):
        pass
    return walk.result(waited=True), view


def is_proved(result: Result, happened: list[str]) -> bool:
    proofs = PROOFS.get(result.outcome)
    return proofs is None or bool(proofs & {*happened})


@settings(max_examples=300)
@given(names=st.lists(st.sampled_from(sorted(ACTIONS)), max_size=8))
def test_any_order_of_updates_ends_in_an_outcome_that_fits(names: list[str]) -> None:
    result, view = walked(names)
    assert is_proved(result, names[: view.count])
    # It is what the last states say, whatever was before; and it took no longer than it had to.
    (end,), last = result.ends, look(view.cluster)
    assert (end.outcome, end.message, end.object) == (last.outcome, last.message, last.object)
    assert result.timed_out or view.now < 1
    assert view.now <= TIMEOUTS.fetch + TIMEOUTS.apply + TIMEOUTS.health + 1


@settings(max_examples=300)
@given(names=st.lists(st.sampled_from(sorted(ACTIONS)), max_size=8), outages=st.lists(st.booleans(), max_size=6))
@example(names=[f"fetch {NEW[0]}", "roll out", f"apply {NEW[0]}"], outages=[True])  # nothing is left to be asked
def test_a_repository_that_does_not_always_answer_makes_no_outcome_a_lie(names: list[str], outages: list[bool]) -> None:
    coming = iter(outages)

    def sometimes(ancestor: str, descendant: str) -> bool:
        if next(coming, False):
            raise GitError("connection reset")
        return contains(ancestor, descendant)

    result, view = walked(names, sometimes)
    assert is_proved(result, names[: view.count])
    assert view.now <= TIMEOUTS.fetch + TIMEOUTS.apply + TIMEOUTS.health + 1


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
        result = follow(
            cluster, [claim_of(APPS, edit=edit)], NEW, settings=GitopsSettings(), contains=contains, wait=False
        )
        assert result.outcome in Outcome
