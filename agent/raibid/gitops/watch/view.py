"""Objects of the cluster as they are now: asked for once, watched from then on.

Owns: one thread per watched kind, what they saw last, waking who waits.
Leaves to others: what is looked at, and for how long.

A thread ends with the watch it is in, so at most `_WATCH` seconds after the view is closed; nobody waits for it.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from typing import Final, Protocol, Self

from raibid.gitops.cluster import Cluster
from raibid.gitops.objects import Manifest, Ref, metadata_of, ref_of
from raibid.gitops.watch.route import Sight
from raibid.kube.errors import KubeError, KubeNotFoundError, KubeRefusedError

_WATCH: Final = 30.0
_BLIND: Final = 2.0
"""Seconds between two questions about what may be read but not watched; Flux's own command line asks as often."""
_SHORT: Final = 1.0
_PAUSES: Final = (0.5, 1.0, 2.0, 5.0, 10.0)
"""Seconds before a watch that lasted less than `_SHORT` is begun again, the more the more of them there were."""


class Live(Sight, Protocol):
    """Where objects are seen as they change. `View` says what each of these is."""

    @property
    def notes(self) -> tuple[str, ...]:
        """See `View`."""

    @property
    def count(self) -> int:
        """See `View`."""

    def wait(self, count: int, seconds: float) -> None:
        """See `View`."""

    def refresh(self, ref: Ref) -> Manifest | None:
        """See `View`."""


class View:
    """A context manager; used by one thread, fed by others."""

    def __init__(self, cluster: Cluster, *, live: bool = True) -> None:
        """`live`: what was asked for is watched; without, each object is as it was when it was asked for."""
        self._cluster = cluster
        self._live = live
        self._seen: dict[Ref, Manifest | None] = {}
        self._listed: set[tuple[str, str]] = set()
        self._watched: set[tuple[str, str, str]] = set()
        self._blind: set[tuple[str, str]] = set()
        self._notes: dict[str, None] = {}
        self._changed = threading.Condition()
        self._count = 0
        self._closed = threading.Event()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._closed.set()

    @property
    def notes(self) -> tuple[str, ...]:
        """What could not be seen, in the API server's words; each once."""
        with self._changed:
            return tuple(self._notes)

    @property
    def count(self) -> int:
        """How often something has changed; for `wait`."""
        with self._changed:
            return self._count

    def wait(self, count: int, seconds: float) -> None:
        """Until something has changed since that count, or the time is over."""
        with self._changed:
            most = min(seconds, _BLIND) if self._blind else seconds
            self._changed.wait_for(lambda: self._count != count, timeout=max(0.0, most))

    def get(self, ref: Ref) -> Manifest | None:
        """An object as it is now; None: it is not there, or may not be seen (a note says so)."""
        with self._changed:
            if ref in self._seen and (ref.group, ref.kind) not in self._blind:
                return self._seen[ref]
        self._watch(ref.group, ref.kind, ref.namespace)
        return self.refresh(ref)

    def refresh(self, ref: Ref) -> Manifest | None:
        """An object as the API server has it at this moment: a watch of another kind may be behind."""
        try:
            self._keep(ref, self._cluster.get(ref))
        except KubeNotFoundError:
            self._keep(ref, None)
        except KubeError as error:
            self._note(str(error))
            with self._changed:
                self._seen.setdefault(ref, None)
        with self._changed:
            return self._seen[ref]

    def all(self, group: str, kind: str) -> Sequence[Manifest]:
        """Every object of a kind, as they are now."""
        if (group, kind) not in self._listed:
            try:
                found = self._cluster.objects(group, kind)
            except KubeNotFoundError:  # not installed
                found = []
            except KubeError as error:
                self._note(str(error))
                found = []
            for item in found:
                self._keep(ref_of(item), item)
            self._listed.add((group, kind))
            if found:
                self._watch(group, kind, "")
        with self._changed:
            return [item for ref, item in self._seen.items() if item and (ref.group, ref.kind) == (group, kind)]

    def _watch(self, group: str, kind: str, namespace: str) -> None:
        which = (group, kind, namespace)
        if not self._live or which in self._watched or (group, kind, "") in self._watched:
            return
        self._watched.add(which)
        threading.Thread(target=self._feed, args=which, name=f"watch {kind}", daemon=True).start()

    def _feed(self, group: str, kind: str, namespace: str) -> None:
        short = 0
        while not self._closed.is_set():
            began = time.monotonic()
            try:
                for item in self._cluster.watch(group, kind, namespace, seconds=_WATCH):
                    if self._closed.is_set():
                        return
                    self._keep(ref_of(item), item)
            except (KubeNotFoundError, KubeRefusedError) as error:
                # Rights and kinds do not come while somebody waits for a commit. Its objects are asked for instead.
                with self._changed:
                    self._blind.add((group, kind))
                self._note(str(error))
                return
            except Exception as error:  # noqa: BLE001 a thread's edge: whatever it was, the watch begins again
                if not self._closed.is_set():
                    self._note(str(error) if isinstance(error, KubeError) else f"watch of {kind}: {error!r}")
            # One that ends at once, or fails, is not begun again at once: the API server has others to serve.
            short = short + 1 if time.monotonic() - began < _SHORT else 0
            if short:
                self._closed.wait(_PAUSES[min(short, len(_PAUSES)) - 1])
            self._again(group, kind, namespace)

    def _again(self, group: str, kind: str, namespace: str) -> None:
        """Objects that were deleted between two watches are in neither of them."""
        with self._changed:
            known = [ref for ref, item in self._seen.items() if item is not None]
        for ref in known:
            if self._closed.is_set():
                return
            if (ref.group, ref.kind) == (group, kind) and namespace in ("", ref.namespace):
                self.refresh(ref)

    def _keep(self, ref: Ref, item: Manifest | None) -> None:
        with self._changed:
            before = self._seen.get(ref)
            if _older(item, before) or (ref in self._seen and item == before):
                return
            self._seen[ref] = item
            self._count += 1
            self._changed.notify_all()

    def _note(self, message: str) -> None:
        with self._changed:
            self._notes.setdefault(message)


def _older(item: Manifest | None, before: Manifest | None) -> bool:
    """Whether a watch tells what `refresh` already knew: versions of one kind grow (KEP-5504 says so since 1.35)."""
    versions = [metadata_of(found).get("resourceVersion") for found in (item, before) if found is not None]
    if len(versions) < 2 or not all(isinstance(version, str) and version.isdecimal() for version in versions):
        return False
    return int(str(versions[0])) < int(str(versions[1]))
