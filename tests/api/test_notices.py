"""The words of notifications: bounded, in order, and never a flood."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from raibid.api.notices import MOST_SINGLE, OLD_SECONDS, Mood, Notice, messages
from raibid.forge.notify import Ending
from raibid.model.job import Job, JobStatus

from tests.api.conftest import spec

NOW = 10_000_000.0
URL = "https://ci.example.test/"


def notice(number: int = 0, *, ago: float = 0.0, ending: Ending = Ending.FAILED, **changes: object) -> Notice:
    job = Job(id=f"job{number}", spec=spec(**changes), status=JobStatus.FAILED, reason="step test: exit code 1")
    return Notice(f"{number}-0", NOW - ago, ending, job)


def test_a_message_says_what_where_why_and_by_whom() -> None:
    [message] = messages([notice(message="Sharpen it", author="ada")], now=NOW, public_url=URL)
    assert message.title == "acme/anvil main: failed"
    assert message.body.splitlines() == [
        "Sharpen it", "5555555555 by ada", "step test: exit code 1", "https://ci.example.test/jobs/job0",
    ]  # fmt: skip
    assert message.mood is Mood.BAD


def test_a_pull_request_is_named_by_its_number() -> None:
    asked = notice(event="pull_request", ref="refs/pull/7/head")
    [message] = messages([asked], now=NOW, public_url="")
    assert message.title == "acme/anvil #7: failed"


def test_what_is_old_comes_together_before_what_is_new() -> None:
    old = [notice(i, ago=OLD_SECONDS + 60) for i in range(3)]
    first, second = messages([*old, notice(3, ending=Ending.FIXED)], now=NOW, public_url=URL)
    assert (first.title, first.place) == ("3 builds ended: 3 failed", "2-0")
    assert (second.title, second.place, second.mood) == ("acme/anvil main: fixed", "3-0", Mood.GOOD)


def test_a_summary_has_a_line_per_branch_and_no_more_than_a_screen() -> None:
    many = [notice(i, ref=f"refs/heads/b{i % 30:02}") for i in range(60)]
    [message] = messages(many, now=NOW, public_url=URL)
    lines = message.body.splitlines()
    assert lines[0] == "acme/anvil b00: 2 failed; last failed https://ci.example.test/jobs/job30"
    assert (len(lines), lines[-1]) == (21, "and 10 more branches")


NOTICES = st.lists(
    st.tuples(st.floats(0, 3 * OLD_SECONDS), st.sampled_from(Ending), st.text(), st.sampled_from(["main", "side"])),
    max_size=40,
)


@given(NOTICES)
def test_every_notice_is_covered_once_in_few_messages_of_bounded_size(
    drawn: list[tuple[float, Ending, str, str]],
) -> None:
    oldest_first = sorted(drawn, key=lambda one: -one[0])
    notices = [
        notice(i, ago=ago, ending=ending, message=words, author=words, ref=f"refs/heads/{branch}")
        for i, (ago, ending, words, branch) in enumerate(oldest_first)
    ]
    told = messages(notices, now=NOW, public_url=URL)
    places = [int(message.place.partition("-")[0]) for message in told]
    assert places == sorted(set(places))
    assert (places[-1:] or [-1]) == [len(notices) - 1], "the last one covers all"
    assert len(told) <= MOST_SINGLE + 1
    assert all(len(m.title) < 400 and 0 < len(m.body) < 20_000 for m in told)
    assert not any("\n" in message.title for message in told)
