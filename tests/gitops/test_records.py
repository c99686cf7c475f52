"""What is told about a failing commit: the words, and that each record is found again."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from raibid.gitops.cluster import Happening
from raibid.gitops.objects import Ref
from raibid.gitops.rollback.records import Affair, Stage, body, event, marker, statuses, title

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
BAD, GOOD, REVERT = ("b" * 40, "a" * 40, "c" * 40)
AFFAIR = Affair(
    about=Ref("kustomize.toolkit.fluxcd.io", "Kustomization", "flux-system", "apps"),
    api_version="kustomize.toolkit.fluxcd.io/v1",
    uid="1234",
    stage=Stage.REVERTED,
    bad=BAD,
    good=GOOD,
    reason="HealthCheckFailed: timeout waiting for: [Deployment/apps/web status: 'InProgress']",
    reverted=(BAD,),
    revert=REVERT,
)
STAGES = [replace(AFFAIR, stage=stage, word="twice within the hour", pull="https://x/1") for stage in Stage]
HAPPENED = Happening("Warning", "Unhealthy", "probe failed", "2026-11-21T11:59:00Z")


def test_the_issue_of_a_commit_is_the_same_at_every_stage() -> None:
    assert len({marker(affair) for affair in STAGES}) == 1


def test_another_commit_or_object_has_another_issue() -> None:
    other = replace(AFFAIR, about=replace(AFFAIR.about, name="web"))
    assert len({marker(AFFAIR), marker(other), marker(replace(AFFAIR, bad=GOOD))}) == 3


def test_the_event_of_a_stage_has_one_name_so_that_there_is_one() -> None:
    names = [event(affair, NOW)["metadata"]["name"] for affair in (*STAGES, *STAGES)]
    assert len(set(names)) == len(STAGES)


@pytest.mark.parametrize("affair", STAGES, ids=lambda affair: affair.stage)
def test_events_stay_in_the_issue_when_the_cluster_has_forgotten_them(affair: Affair) -> None:
    before = body(replace(AFFAIR, happenings=[HAPPENED]))
    assert "probe failed" in body(affair, before)
    assert body(affair, body(affair, before)) == body(affair, before)


def test_the_failing_commit_is_red_and_the_revert_becomes_green() -> None:
    assert [(sha, str(status.state)) for sha, status in statuses(AFFAIR)] == [(BAD, "failure"), (REVERT, "pending")]
    healthy = statuses(replace(AFFAIR, stage=Stage.HEALTHY))
    assert [(sha, str(status.state)) for sha, status in healthy] == [(BAD, "failure"), (REVERT, "success")]


def test_what_is_given_up_is_a_warning_and_what_went_well_is_none() -> None:
    kinds = {affair.stage: event(affair, NOW)["type"] for affair in STAGES}
    assert kinds[Stage.STOPPED] == kinds[Stage.PROPOSED] == "Warning"
    assert kinds[Stage.REVERTED] == kinds[Stage.HEALTHY] == "Normal"


def test_a_strangers_words_cannot_pose_as_ours() -> None:
    reason = "x ``` <!-- /events --> | a | b"
    text = body(replace(AFFAIR, reason=reason, happenings=[replace(HAPPENED, message=reason)]))
    assert text.count("<!-- /events -->") == 1
    assert "````" in text


@given(st.text(max_size=5000), st.sampled_from(list(Stage)), st.text(max_size=300))
def test_whatever_was_said_the_records_are_as_long_as_they_may_be(word: str, stage: Stage, name: str) -> None:
    affair = replace(AFFAIR, reason=word, word=word, stage=stage, about=replace(AFFAIR.about, name=name))
    assert len(event(affair, NOW)["message"]) <= 1024
    assert len(event(affair, NOW)["metadata"]["name"]) <= 253
    assert all(len(status.description) <= 140 for _, status in statuses(affair))
    assert title(affair)
    assert body(affair, body(affair))
