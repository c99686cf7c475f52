"""What is seen of the cluster while somebody waits: watches that end, fail or are refused, and objects that go."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from raibid.gitops.objects import Manifest, Ref
from raibid.gitops.watch import view as module
from raibid.gitops.watch.view import View
from raibid.kube.errors import KubeRefusedError, KubeUnavailableError

from tests.gitops.memory_cluster import MemoryCluster
from tests.waiting import until

WEB = Ref("", "ConfigMap", "demo", "web")


def settings(value: str) -> dict[str, Any]:
    metadata = {"name": WEB.name, "namespace": WEB.namespace}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": {"is": value}}


def seen(view: View) -> str:
    found = view.get(WEB)
    return found["data"]["is"] if found else ""


def watching(cluster: MemoryCluster, watches: Callable[[int], Iterator[Manifest]]) -> list[int]:
    """The n-th watch is what `watches` makes of n; the last number is how many there were."""
    begun: list[int] = []

    def watch(*_: object, seconds: float) -> Iterator[Manifest]:
        begun.append(len(begun))
        return watches(begun[-1])

    cluster.watch = watch  # type: ignore[method-assign,assignment]
    return begun


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_PAUSES", (0.0,))
    monkeypatch.setattr(module, "_BLIND", 0.01)


def test_a_change_is_seen() -> None:
    cluster = MemoryCluster.of(settings("old"))
    with View(cluster) as view:
        assert seen(view) == "old"
        cluster.put(settings("new"))
        until(lambda: seen(view) == "new")


def test_nothing_is_missed_between_the_look_and_the_wait() -> None:
    cluster = MemoryCluster.of(settings("old"))
    with View(cluster) as view:
        seen(view)
        before = view.count
        cluster.put(settings("new"))
        until(lambda: seen(view) == "new")
        view.wait(before, 3600)  # returns at once


def test_a_watch_that_fails_begins_again_and_says_so_once() -> None:
    cluster = MemoryCluster.of(settings("old"))
    live = cluster.watch

    def watches(number: int) -> Iterator[Manifest]:
        if number < 3:
            raise KubeUnavailableError("the API server is away")
        return live("", "ConfigMap", "demo", seconds=1)

    begun = watching(cluster, watches)
    with View(cluster) as view:
        seen(view)
        until(lambda: len(begun) > 3)
        cluster.put(settings("new"))
        until(lambda: seen(view) == "new")
        assert view.notes == ("the API server is away",)


def test_watches_that_end_at_once_are_not_begun_again_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    pauses: list[float] = []
    monkeypatch.setattr(module, "_PAUSES", (1.0, 2.0, 3.0))
    cluster = MemoryCluster.of(settings("old"))
    begun = watching(cluster, lambda _number: iter(()))
    with View(cluster) as view:
        monkeypatch.setattr(view._closed, "wait", pauses.append)
        seen(view)
        until(lambda: len(begun) > 5)
    assert pauses[:5] == [1.0, 2.0, 3.0, 3.0, 3.0]


def test_what_was_deleted_between_two_watches_is_gone() -> None:
    cluster = MemoryCluster.of(settings("old"))
    begun = watching(cluster, lambda _number: iter(()))
    with View(cluster) as view:
        assert seen(view) == "old"
        cluster.remove(WEB)
        until(lambda: view.get(WEB) is None)
        assert begun


def test_what_may_be_read_and_not_watched_is_asked_for_each_time() -> None:
    cluster = MemoryCluster.of(settings("old"))

    def watches(_number: int) -> Iterator[Manifest]:
        raise KubeRefusedError("configmaps is forbidden: cannot watch")

    begun = watching(cluster, watches)
    with View(cluster) as view:
        seen(view)
        until(lambda: view.notes)
        cluster.put(settings("new"))
        view.wait(view.count, 3600)  # as long as `_BLIND` at most
        assert seen(view) == "new"
        assert begun == [0]


def test_what_may_not_be_seen_is_a_note() -> None:
    cluster = MemoryCluster.of(settings("old"), refuse=frozenset({"ConfigMap"}))
    with View(cluster, live=False) as view:
        assert view.get(WEB) is None
        assert view.all("", "ConfigMap") == []
        assert any("forbidden" in note for note in view.notes)


def test_a_watch_that_is_behind_does_not_undo_what_is_known(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(View, "_again", lambda *_: None)  # which would mend it
    cluster = MemoryCluster.of(settings("old"))
    late = [cluster.get(WEB)]
    cluster.put(settings("new"))
    begun = watching(cluster, lambda _number: iter(late))
    with View(cluster) as view:
        assert seen(view) == "new"
        more = len(begun) + 2
        until(lambda: len(begun) > more)
        assert seen(view) == "new"


def test_a_kind_that_nobody_serves_is_nothing() -> None:
    with View(MemoryCluster()) as view:
        assert view.get(Ref("example.org", "Thing", "", "thing")) is None
        assert view.all("example.org", "Thing") == []
