"""What a forge shows for a job."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from raibid.forge.commit_status import STATES, CommitState, CommitStatus, status_of
from raibid.model.job import TERMINAL, Job, JobSpec, JobStatus


def status(state: JobStatus, spec: dict[str, Any] | None = None, **job: Any) -> CommitStatus:
    asked = JobSpec(
        repo="acme/anvil", clone_url="https://git.example.test/acme/anvil.git", ref="refs/heads/main", **(spec or {})
    )
    return status_of(Job(id="01", spec=asked, status=state, **job), "https://ci.example.test/")


@pytest.mark.parametrize("state", list(JobStatus))
def test_a_forge_shows_pending_exactly_while_something_can_still_happen(state: JobStatus) -> None:
    assert (status(state).state is CommitState.PENDING) == (state not in TERMINAL)


def test_only_the_commits_own_fault_is_a_failure() -> None:
    assert [state for state, shown in STATES.items() if shown is CommitState.FAILURE] == [JobStatus.FAILED]


def test_people_are_led_to_the_job() -> None:
    assert status(JobStatus.QUEUED).target_url == "https://ci.example.test/jobs/01"


def test_without_a_public_address_there_is_no_link() -> None:
    spec = JobSpec(repo="acme/anvil", clone_url="https://git.example.test/a/b.git", ref="refs/heads/main")
    assert status_of(Job(id="01", spec=spec, status=JobStatus.QUEUED), "").target_url == ""


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (status(JobStatus.HELD), "waits for approval"),
        (
            status(JobStatus.HELD, {"fork": "runner/anvil"}),
            "waits for approval: a pull request from runner/anvil",
        ),
        (status(JobStatus.WAITING, reason="paused"), "waits in the queue: paused"),
        (
            status(JobStatus.QUEUED, reason="agent ci-agent-x cannot start: ImagePullBackOff"),
            "waits for an agent: agent ci-agent-x cannot start: ImagePullBackOff",
        ),
        (status(JobStatus.RUNNING, owner="ci-agent-x", attempt=1, max_attempts=3), "running on ci-agent-x"),
        (
            status(JobStatus.RUNNING, owner="ci-agent-x", attempt=2, max_attempts=3),
            "running on ci-agent-x, attempt 2 of 3",
        ),
        (status(JobStatus.SUCCESS, started=100.0, finished=107.4), "built in 7 s"),
        (status(JobStatus.SUCCESS, started=100.0, finished=225.0), "built in 2 min 5 s"),
        (status(JobStatus.FAILED, reason="step test: exit 1"), "failed: step test: exit 1"),
        (status(JobStatus.DEAD, reason="OOMKilled\nthrice"), "dead: OOMKilled thrice"),
        (status(JobStatus.CANCELLED, reason="cancelled"), "cancelled"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_the_words_say_where_it_stands_and_why(given: CommitStatus, words: str) -> None:
    assert given.description == words


@given(reason=st.text(max_size=400), state=st.sampled_from(list(JobStatus)))
def test_a_description_is_one_line_that_github_takes_as_well(reason: str, state: JobStatus) -> None:
    words = status(state, reason=reason).description
    assert 0 < len(words) <= 140
    assert words == " ".join(words.split())


def test_a_commits_branch_and_its_pull_request_do_not_overwrite_each_other() -> None:
    contexts = {status(JobStatus.SUCCESS, {"event": event}).context for event in ("push", "manual", "pull_request")}
    assert contexts == {"raibid", "raibid/pr"}
