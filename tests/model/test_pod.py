"""Words about pods: bounded, in single lines, whatever Kubernetes or a container wrote."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from raibid.model.pod import EVENT_CHARS, MESSAGE_CHARS, MOST_EVENTS, PodEnding, one_line, stuck_note

ANYTHING = st.text(st.characters(), max_size=700)  # lone surrogates too: JSON can spell them


@given(ANYTHING, st.integers(1, 600))
def test_one_line_is_one_printable_line_of_bounded_length(text: str, most: int) -> None:
    line = one_line(text, most)
    assert len(line) <= most
    assert line.isprintable()
    assert one_line(line, most) == line


@given(ANYTHING, st.lists(ANYTHING, max_size=20))
def test_a_bounded_ending_is_json_and_stays_as_it_is(message: str, events: list[str]) -> None:
    ending = PodEnding(pod="p", reason="Error", message=message, events=tuple(events)).bounded()
    assert msgspec.json.decode(msgspec.json.encode(ending), type=PodEnding) == ending == ending.bounded()
    assert len(ending.message) <= MESSAGE_CHARS
    assert len(ending.events) <= MOST_EVENTS
    assert all(len(event) <= EVENT_CHARS for event in ending.events)


def test_the_latest_events_are_the_ones_kept() -> None:
    ending = PodEnding(pod="p", reason="Error", events=tuple(str(n) for n in range(MOST_EVENTS + 2))).bounded()
    assert ending.events == tuple(str(n) for n in range(2, MOST_EVENTS + 2))


@pytest.mark.parametrize(
    ("ending", "sentence"),
    [
        (PodEnding(pod="a", reason="Evicted"), "agent a ended: Evicted"),
        (PodEnding(pod="a", node="n", reason="Error", exit_code=0), "agent a on n ended: Error (exit code 0)"),
        (
            PodEnding(pod="a", reason="OOMKilled", exit_code=137, message="over 4Gi"),
            "agent a ended: OOMKilled (exit code 137): over 4Gi",
        ),
    ],
)
def test_an_ending_says_which_pod_where_and_why(ending: PodEnding, sentence: str) -> None:
    assert ending.sentence == sentence


@given(st.dictionaries(st.sampled_from("abcdefgh"), st.just("Unschedulable")))
def test_a_note_names_three_agents_and_counts_the_others(reasons: dict[str, str]) -> None:
    note = stuck_note(reasons)
    assert note.count("cannot start") == min(3, len(reasons))
    assert note.endswith(f"and {len(reasons) - 3} more") == (len(reasons) > 3)
    assert bool(note) == bool(reasons)
