"""Following a commit until it is healthy, or until it is clear that it will not be.

    result = follow(cluster, ownership.claims, sha, settings=settings, tell=print_step, contains=checkout.contains)
    result.outcome   # one of `Outcome`; `result.message`, `result.object`, `result.happenings` say why

`claims` are values: who has only a Kustomization (a rollback, a new manifest) makes one with `claim_of(ref)`. Who edits
a `${var}` of another applier follows that one, too, and says what the object shall be in the end:

    claims = [*claims_of(cluster, cluster_vars), *ownership.claims]
    wished = [Wished(web, {"spec.replicas": 3})]  # as the API server has answered the dry run
    follow(cluster, claims, sha, ..., reverts=reverts_in(checkout), wished=wished)

Wished values are looked at once all claims have passed. If one is not there, the object's applier is asked to apply
once more, since it may have been quicker than the variable's; what is wrong then is final: somebody else sets it.

With `wait=False` it is one look that asks nobody to reconcile. Ctrl-C is an ordinary KeyboardInterrupt; nothing is
left.

Owns: the one question of the package.
Leaves to others: the stages (`route.py`), what is seen (`view.py`), time and what is final (`walk.py`).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime

from raibid.gitops.cluster import Cluster
from raibid.gitops.groups import ARGOCD
from raibid.gitops.objects import Ref
from raibid.gitops.owner.ownership import Claim, Owner, Place, Tool
from raibid.gitops.settings import GitopsSettings
from raibid.gitops.watch.outcome import Result, Step
from raibid.gitops.watch.probe import Probe
from raibid.gitops.watch.reverts import Reverts, none_known
from raibid.gitops.watch.revisions import Contains, Line, unknown
from raibid.gitops.watch.view import View
from raibid.gitops.watch.walk import Walk
from raibid.gitops.watch.wished import Wished


def claim_of(applier: Ref, *, edit: Ref | None = None, place: Place | None = None) -> Claim:
    """A claim to follow when only the applier is known."""
    owner = Owner(ref=applier, tool=Tool.ARGOCD if applier.group == ARGOCD else Tool.FLUX, how="named")
    return Claim(chain=(owner,), edit=edit or applier, place=place)


def follow(
    cluster: Cluster,
    claims: Sequence[Claim],
    sha: str,
    *,
    settings: GitopsSettings,
    tell: Callable[[Step], None] = lambda _step: None,
    contains: Contains = unknown,
    reverts: Reverts = none_known,
    wished: Sequence[Wished] = (),
    probes: Sequence[Probe] = (),
    again: bool = False,
    timeout: float | None = None,
    wait: bool = True,
    pushed_at: datetime | None = None,
    clock: Callable[[], float] = time.monotonic,
) -> Result:
    """Follow a commit through everything that the claims name, until each has passed, failed or used up its time.

    `again`: the appliers are asked, too, and so a failed attempt is repeated. `timeout`: for all of it, on top of each
    object's own budget. `wait`: without, what is so now is the result. `pushed_at`: now, if nobody says.

    Raises:
        UnmanagedError: no claim has an applier. What the cluster or the repository does not tell is a note.
    """
    with View(cluster, live=wait) as view:
        walk = Walk(
            cluster=cluster,
            view=view,
            line=Line(sha, contains, reverts),
            timeouts=settings.timeouts,
            pushed_at=pushed_at or datetime.now(UTC),
            clock=clock,
            tell=tell,
            wished=tuple(wished),
            probes=tuple(probes),
        )
        walk.begin(claims, again=again, ask=wait)
        while not walk.look() and wait and walk.wait(timeout):
            pass
        return walk.result(waited=wait)
