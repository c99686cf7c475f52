"""The whole emitted tree of every stack, taken by a real API server with not a word against it."""

from __future__ import annotations

from tests.cluster.tree.emitted import FLUX, EmittedCluster, seal


def test_nothing_that_a_stack_emits_is_refused(emitted_cluster: EmittedCluster) -> None:
    assert len(emitted_cluster.takes) > 80
    assert [(take.name, take.answer.said) for take in emitted_cluster.takes if not take.answer.accepted] == []


def test_nothing_that_a_stack_emits_is_warned_about(emitted_cluster: EmittedCluster) -> None:
    assert [(take.name, take.answer.warnings) for take in emitted_cluster.takes if take.answer.warnings] == []


def test_the_tree_without_keda_is_taken_as_well(emitted_cluster: EmittedCluster) -> None:
    direct = seal(emitted_cluster.tree.environment, scaler="direct")
    answers = {
        item.path: emitted_cluster.api.apply(item.manifest, manager=FLUX, force=True, dry_run=True)
        for item in direct.applied
    }
    assert {path: (a.said, a.warnings) for path, a in answers.items() if a.said or a.warnings} == {}
    assert any("cronjob" in path for path in answers)
