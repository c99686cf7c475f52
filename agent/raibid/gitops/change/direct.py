"""A change of an object that nobody applies from Git: of single fields, or by a whole manifest.

Single fields are a read, a change and a write of the whole object, guarded by its resourceVersion. A server-side apply
of these fields alone would take away all that an earlier one of the same manager has set and this one leaves out.

Owns: what is sent, as whom, what would be different, who has set these fields until now.
Leaves to others: that nobody owns it (`target.py`), asking the person (`raibid.cli`), the text (`difference.py`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from raibid.gitops.change.difference import difference
from raibid.gitops.change.manifests import described, over, with_values
from raibid.gitops.change.trial import Trial, answered, tried
from raibid.gitops.cluster import Applied, Cluster
from raibid.gitops.objects import Manifest, Ref, mappings, metadata_of, ref_of
from raibid.kube.errors import KubeConflictError, KubeError

MANAGER: Final = "raibid"
_TRIES: Final = 8
"""Others' writes between our reading and our writing: a status that somebody keeps is one, too."""


@dataclass(frozen=True, kw_only=True)
class Direct:
    """One object's change, tried, and not made yet."""

    about: Ref
    diff: str
    """The difference as the API server would make it, or as it is wished; empty: none."""
    trial: Trial
    refused: KubeError | None
    """Why the API server would not take it."""
    send: Callable[[], Manifest]
    """Make it; what the object is then. Raises KubeError."""


def direct_values(cluster: Cluster, live: Manifest, values: Mapping[str, object]) -> Direct:
    """Other values in some fields of a live object. Raises NotEditableError."""
    wished = with_values(live, values)

    def send(current: Manifest, *, dry_run: bool) -> Applied:
        for _ in range(_TRIES - 1):
            try:
                return cluster.replace(with_values(current, values), manager=MANAGER, dry_run=dry_run)
            except KubeConflictError:
                current = cluster.get(ref_of(live))
        return cluster.replace(with_values(current, values), manager=MANAGER, dry_run=dry_run)

    def trial() -> Trial:
        found = answered(lambda: send(live, dry_run=True))
        return replace(found, warnings=(*_displaced(live, found.manifest or live), *found.warnings))

    return _of(ref_of(live), live, wished, trial, lambda: send(live, dry_run=False).manifest)


def direct_manifest(cluster: Cluster, ref: Ref, live: Manifest | None, manifest: Manifest) -> Direct:
    """A manifest as it is, by server-side apply; `live`: the object that is there."""

    def send() -> Manifest:
        # By force: whoever else set these fields was told of, and the person agreed.
        return cluster.apply(manifest, manager=MANAGER, force=True).manifest

    wished = over(live or {}, manifest)
    return _of(ref, live, wished, lambda: tried(cluster, manifest, manager=MANAGER), send)


def _of(
    ref: Ref, live: Manifest | None, wished: Manifest, ask: Callable[[], Trial], send: Callable[[], Manifest]
) -> Direct:
    trial, refused = Trial(False), None
    try:
        trial = ask()
    except KubeError as error:
        refused = error
    after = trial.manifest if trial.manifest is not None else wished
    diff = difference(ref, described(live) if live is not None else {}, described(after))
    return Direct(about=ref, diff=diff, trial=trial, refused=refused, send=send)


def _displaced(before: Manifest, after: Manifest) -> Iterator[str]:
    """Others that set a field which they would no longer have: an autoscaler sets it again."""
    left = _managed(after)
    for who, fields in _managed(before).items():
        if who[0] != MANAGER and left.get(who) != fields:
            yield f"somebody else sets this as well: {who[0]}"


def _managed(manifest: Manifest) -> dict[tuple[str, str, str], Any]:
    entries = mappings(metadata_of(manifest).get("managedFields"))
    names = ("manager", "operation", "subresource")
    return {
        (str(item.get(names[0], "")), str(item.get(names[1], "")), str(item.get(names[2], ""))): item.get("fieldsV1")
        for item in entries
    }
