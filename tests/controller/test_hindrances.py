"""Why an agent cannot start: said in Kubernetes' words, and not for what passes by itself."""

from __future__ import annotations

import msgspec
import pytest
from lightkube.resources.batch_v1 import Job
from raibid.controller.hindrances import PATIENCE_SECONDS, hindrance, job_hindrance, podless, slow, steady

from tests.controller.pod_files import CREATED, NAMES, pod, warning

SOON, LATE = CREATED + 1, CREATED + PATIENCE_SECONDS + 1
AT_ONCE = {
    "image-missing": "ErrImagePull: failed to pull and unpack image",
    "image-missing-again": "ImagePullBackOff: Back-off pulling image",
    "image-never-pull": "ErrImageNeverPull: Container image",
    "image-name-invalid": "InvalidImageName: Failed to apply default image tag",
    "config-missing": 'CreateContainerConfigError: secret "ci-agent-secrets" not found',
}


@pytest.mark.parametrize("name", AT_ONCE)
def test_what_kubernetes_calls_an_error_is_a_hindrance_at_once(name: str) -> None:
    assert hindrance(pod(name), now=SOON).startswith(AT_ONCE[name])


def test_a_pod_without_a_place_is_hindered_once_it_has_waited() -> None:
    assert hindrance(pod("unschedulable"), now=SOON) == ""
    assert hindrance(pod("unschedulable"), now=LATE).startswith("Unschedulable: 0/1 nodes are available")


def test_a_pod_whose_volumes_do_not_come_is_hindered_by_what_its_events_say() -> None:
    events = [warning("FailedMount", 'secret "ci-agent-redis" not found'), warning("Unhealthy", "something else")]
    assert hindrance(pod("container-creating"), now=SOON, warnings=events) == ""
    assert hindrance(pod("container-creating"), now=LATE, warnings=events) == (
        'FailedMount: secret "ci-agent-redis" not found'
    )


@pytest.mark.parametrize("name", sorted(set(NAMES) - set(AT_ONCE) - {"unschedulable"}))
def test_nothing_else_is_a_hindrance(name: str) -> None:
    assert hindrance(pod(name), now=LATE) == ""


@pytest.mark.parametrize(
    ("name", "expected"), [("container-creating", True), ("running", False), ("ended-well", False)]
)
def test_only_a_pod_that_still_waits_is_slow(name: str, expected: bool) -> None:
    assert slow(pod(name), now=LATE) is expected


def test_the_words_about_an_image_stay_while_the_kubelet_alternates() -> None:
    before = {"a": "ErrImagePull: not found", "b": "Unschedulable: full"}
    now = {"a": "ImagePullBackOff: Back-off", "b": "ErrImagePull: not found"}
    assert steady(before, now) == {"a": "ErrImagePull: not found", "b": "ErrImagePull: not found"}


def job(**status: object) -> Job:
    return msgspec.convert(
        {"metadata": {"name": "ci-agent-7", "creationTimestamp": "2026-11-21T15:00:00Z"}, "status": status}, Job
    )


def test_a_job_without_a_pod_is_one_that_has_neither_had_one_nor_ended() -> None:
    assert podless(job(), now=LATE)
    assert not podless(job(), now=SOON)
    assert not podless(job(active=1), now=LATE)
    assert not podless(job(failed=1), now=LATE)
    assert not podless(job(conditions=[{"type": "Failed", "status": "True"}]), now=LATE)


def test_over_quota_is_said_of_the_job() -> None:
    quota = 'Error creating: pods "ci-agent-7-x" is forbidden: exceeded quota: ci'
    assert job_hindrance([warning("FailedCreate", quota, kind="Job")]) == f"FailedCreate: {quota}"
    assert job_hindrance([]) == ""
