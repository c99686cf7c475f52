"""The whole emitted tree of every stack, taken by a real API server with not a word against it."""

from __future__ import annotations

from tests.cluster.emitted import EmittedCluster


def test_nothing_that_a_stack_emits_is_refused(emitted_cluster: EmittedCluster) -> None:
    assert len(emitted_cluster.takes) > 80
    assert [(take.name, take.answer.said) for take in emitted_cluster.takes if not take.answer.accepted] == []


def test_nothing_that_a_stack_emits_is_warned_about(emitted_cluster: EmittedCluster) -> None:
    assert [(take.name, take.answer.warnings) for take in emitted_cluster.takes if take.answer.warnings] == []
