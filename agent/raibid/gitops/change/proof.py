"""What shows in the end that a change has arrived: the appliers on its way, values of the live object.

Owns: whom a variable's change passes as well; which values, as the API server writes them.
Leaves to others: when they are looked at (`raibid.gitops.watch`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from raibid.gitops.cluster import Cluster
from raibid.gitops.files.fields import read_field, value_at
from raibid.gitops.objects import Manifest, Ref
from raibid.gitops.owner.find import find
from raibid.gitops.owner.ownership import Claim
from raibid.gitops.watch.wished import Wished
from raibid.kube.errors import KubeNotFoundError


def carriers(cluster: Cluster, sources: Sequence[Ref]) -> Iterator[Claim]:
    """Who applies the ConfigMaps and Secrets whose variables were set. Raises KubeError."""
    for ref in sources:
        try:
            yield from find(cluster, ref).claims
        except KubeNotFoundError:
            continue  # nobody has applied it yet, and `optional: true`


def wished_of(ref: Ref, values: Mapping[str, object], answer: Manifest | None, *, secret: bool) -> Wished:
    """The values that were asked for, as the API server's answer to the dry run has them.

    Needed where a variable was set: the applier of the object may have the commit, and the old variable.
    """
    found = {name: (value, value_at(answer, read_field(name))) for name, value in values.items()}
    said = {name: live if there else value for name, (value, (there, live)) in found.items()}
    return Wished(ref, said, discreet=secret)
