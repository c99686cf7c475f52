"""The job's identity and its one state machine."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from raibid.model.job import TERMINAL, IllegalTransitionError, JobEvent, JobSpec, JobStatus, next_status
from raibid.model.job_id import created_at, is_job_id, new_job_id

LEGAL = {
    ("approve", "held", "waiting"),
    ("admit", "waiting", "queued"),
    ("withdraw", "queued", "waiting"),
    ("withdraw", "running", "waiting"),
    ("claim", "queued", "running"),
    ("claim", "running", "running"),
    ("release", "running", "queued"),
    ("succeed", "running", "success"),
    ("fail", "running", "failed"),
    ("fail", "queued", "failed"),
    ("fail", "waiting", "failed"),
    ("cancel", "held", "cancelled"),
    ("cancel", "waiting", "cancelled"),
    ("cancel", "queued", "cancelled"),
    ("cancel", "running", "cancelled"),
    ("bury", "queued", "dead"),
    ("bury", "running", "dead"),
}


@pytest.mark.parametrize("event", JobEvent)
@pytest.mark.parametrize("status", JobStatus)
def test_exactly_the_legal_transitions_are_allowed(status: JobStatus, event: JobEvent) -> None:
    legal = [to for e, of, to in LEGAL if (e, of) == (event, status)]
    if legal:
        assert [next_status(status, event)] == legal
    else:
        with pytest.raises(IllegalTransitionError, match=f"a job that is {status} cannot {event}"):
            next_status(status, event)


def test_nothing_leaves_a_terminal_status() -> None:
    assert not [1 for _, of, _ in LEGAL if of in TERMINAL]


@given(st.lists(st.floats(1e9, 1e11), min_size=2, max_size=2, unique_by=lambda t: int(t * 1000)))
def test_ids_sort_by_time(times: list[float]) -> None:
    assert sorted(times) == sorted(times, key=new_job_id)


@given(st.text("0123456789abcdefghjkmnpqrstvwxyz", min_size=16, max_size=16) | st.just("0" + "z" * 15))
def test_every_id_has_a_date(text: str) -> None:
    assert is_job_id(text) == text.startswith("0")
    if is_job_id(text):
        assert 1970 <= created_at(text).year <= 3084


def test_ids_of_a_process_rise_even_within_a_millisecond_and_when_the_clock_is_set_back(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    ids = [new_job_id() for _ in range(1000)]
    monkeypatch.setattr("time.time", lambda: 1.0)
    ids.append(new_job_id())
    assert ids == sorted(set(ids))


def test_ids_of_the_same_millisecond_differ() -> None:
    assert len({new_job_id(1.0) for _ in range(1000)}) == 1000


def test_a_spec_survives_the_wire_with_unknown_fields_of_a_newer_version() -> None:
    spec = JobSpec(repo="a/b", clone_url="https://forge.test/a/b.git", ref="refs/heads/feature/x")
    newer = msgspec.json.encode({**msgspec.to_builtins(spec), "v": 2, "colour": "blue"})
    assert msgspec.json.decode(newer, type=JobSpec).branch == "feature/x"
