"""Each way in which a pod ends has one verdict and Kubernetes' own word for it."""

from __future__ import annotations

from dataclasses import dataclass

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from lightkube.resources.core_v1 import Pod
from raibid.controller.endings import gone, post_mortem
from raibid.model.pod import MESSAGE_CHARS, PodVerdict

from tests.controller.pod_files import NAMES, pod, warning

FAIL, LOST = PodVerdict.FAIL, PodVerdict.LOST


@dataclass(frozen=True)
class Expected:
    verdict: PodVerdict
    reason: str
    exit_code: int | None = 137
    disruption: bool = False


ENDINGS = {
    "oom-killed": Expected(FAIL, "OOMKilled"),
    "deadline-exceeded": Expected(FAIL, "DeadlineExceeded", 0),
    "evicted-own-scratch": Expected(FAIL, "Evicted"),
    "evicted-own-container-limit": Expected(FAIL, "Evicted"),
    "evicted-emptydir": Expected(FAIL, "Evicted"),
    "evicted-memory-pressure": Expected(LOST, "Evicted", disruption=True),
    "evicted-disk-pressure": Expected(LOST, "Evicted", disruption=True),
    "preempted-by-scheduler": Expected(LOST, "PreemptionByScheduler", disruption=True),
    "preempted-by-kubelet": Expected(LOST, "Preempting", disruption=True),
    "drained": Expected(LOST, "EvictionByEvictionAPI", disruption=True),
    "node-shut-down": Expected(LOST, "Terminated", disruption=True),
    "node-lost": Expected(LOST, "NodeLost", None, disruption=True),
    "node-removed": Expected(LOST, "DeletionByPodGC", None, disruption=True),
    "not-admitted-by-the-node": Expected(LOST, "UnexpectedAdmissionError", None, disruption=True),
    "deleted-after-its-grace": Expected(LOST, "Deleted", disruption=True),
    "killed-by-the-node-out-of-memory": Expected(LOST, "Error"),
    "crashed-exit-1": Expected(LOST, "Error", 1),
    "crashed-and-removed-a-day-later": Expected(LOST, "Error", 1),
    "crashed-segmentation-fault": Expected(LOST, "Error", 139),
    "command-missing": Expected(LOST, "StartError", 128),
    "init-container-failed": Expected(LOST, "Error", 2),
    "never-ran": Expected(LOST, "Failed", None),
}
ENDED_WELL = {"ended-well", "oom-killed-a-step-only", "deleted-and-handed-back"}
ALIVE = set(NAMES) - set(ENDINGS) - ENDED_WELL


@pytest.mark.parametrize("name", ENDINGS)
def test_the_verdict_and_the_word_are_those_of_the_table(name: str) -> None:
    found = post_mortem(pod(name))
    assert found
    ending = found.ending
    assert Expected(found.verdict, ending.reason, ending.exit_code, ending.disruption) == ENDINGS[name]


@pytest.mark.parametrize("name", sorted(ENDED_WELL | ALIVE))
def test_a_pod_that_lives_or_ended_well_is_nothing_to_tell(name: str) -> None:
    assert post_mortem(pod(name)) is None


@pytest.mark.parametrize("name", sorted(ALIVE))
def test_a_pod_that_is_gone_before_it_ended_was_deleted(name: str) -> None:
    found = post_mortem(pod(name), deleted=True)
    assert found
    assert (found.verdict, found.ending.reason, found.ending.disruption) == (LOST, "Deleted", True)


@pytest.mark.parametrize("name", sorted(ENDED_WELL))
def test_a_pod_that_ended_well_and_is_gone_ended_well(name: str) -> None:
    assert post_mortem(pod(name), deleted=True) is None


@pytest.mark.parametrize("name", ENDINGS)
def test_removing_a_pod_that_ended_changes_nothing_about_its_end(name: str) -> None:
    assert post_mortem(pod(name), deleted=True) == post_mortem(pod(name))


def test_it_says_where_when_and_by_which_signal() -> None:
    found = post_mortem(pod("crashed-segmentation-fault"))
    assert found
    ending = found.ending
    assert (ending.pod, ending.node, ending.signal) == ("ci-agent-7-segv", "dgx-spark", 11)
    assert ending.finished - ending.started == 248


def test_out_of_memory_names_the_limit() -> None:
    found = post_mortem(pod("oom-killed"))
    assert found
    assert found.ending.cause == "OOMKilled (exit code 137): the build used more memory than the pod's limit of 4Gi"


def test_warnings_are_told_oldest_first() -> None:
    late = warning("BackOff", "again", at="2026-11-21T15:03:00Z")
    early = warning("FailedMount", "no such secret", at="2026-11-21T15:02:00Z")
    found = post_mortem(pod("crashed-exit-1"), warnings=[late, early])
    assert found
    assert found.ending.events == ("FailedMount: no such secret (3 times)", "BackOff: again (3 times)")


def test_a_pod_that_left_no_trace_is_lost_and_its_attempt_given_back() -> None:
    found = gone("ci-agent-7-x")
    assert (found.verdict, found.ending.pod, found.ending.disruption) == (LOST, "ci-agent-7-x", True)


words = st.text(max_size=3 * MESSAGE_CHARS)
terminated = st.fixed_dictionaries(
    {"exitCode": st.integers(0, 255)}, optional={"reason": words, "message": words, "signal": st.integers(0, 64)}
)
states = st.one_of(
    st.just({}),
    st.builds(lambda t: {"terminated": t}, terminated),
    st.builds(lambda r: {"waiting": {"reason": r}}, words),
)
statuses = st.fixed_dictionaries(
    {},
    optional={
        "phase": st.sampled_from(["Pending", "Running", "Failed", "Succeeded", "Unknown", ""]),
        "reason": st.sampled_from(["Evicted", "DeadlineExceeded", "NodeLost", "Terminated", ""]) | words,
        "message": words,
        "containerStatuses": st.lists(
            st.builds(
                lambda name, state: {
                    "name": name, "state": state, "image": "i", "imageID": "", "ready": False, "restartCount": 0
                },
                st.sampled_from(["agent", "sidecar"]),
                states,
            ),
            max_size=3,
        ),
    },
)  # fmt: skip


@given(statuses, st.booleans())
def test_any_status_is_judged_and_what_is_told_is_bounded(status: dict[str, object], deleted: bool) -> None:
    found = post_mortem(msgspec.convert({"metadata": {"name": "ci-agent-1-x"}, "status": status}, Pod), deleted=deleted)
    if found:
        assert found.ending.reason or status.get("reason")
        assert len(found.ending.message) <= MESSAGE_CHARS
        assert found.verdict is not PodVerdict.NONE
