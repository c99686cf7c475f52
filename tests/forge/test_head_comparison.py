"""What a look means, as values: whose heads were asked for, and which of them have moved."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from raibid.forge import Enrolment, Skip, decide, dedupe_key
from raibid.forge.enrolment import RepositoryRule
from raibid.forge.forge import Head, RepositoryInfo
from raibid.forge.reconcile import Standing, compare, in_turn, is_watched, key_of, sha_of, standing_of
from raibid.model.pull_request_event import PullRequestEvent
from raibid.model.push_event import ZERO_SHA, PushEvent

A, B, C = (digit * 40 for digit in "abc")
INFO = RepositoryInfo(
    full_name="acme/anvil", clone_url="https://git.example.test/acme/anvil.git", default_branch="main"
)
PULL = PullRequestEvent(
    forge="gitea", repo="acme/anvil", clone_url=INFO.clone_url, number=7, sha=C, base="main", head_repo="acme/anvil"
)
NOBODY = Enrolment()


@pytest.mark.parametrize(
    ("before", "others_are_known", "now"),
    [
        (None, False, Standing.FIRST),
        (None, True, Standing.IN),
        (Standing.ABSENT, False, Standing.IN),
        (Standing.OUT, True, Standing.FIRST),
        (Standing.FIRST, True, Standing.FIRST),
        (Standing.IN, False, Standing.IN),
    ],
)
def test_heads_were_asked_for_if_they_were_made_after_the_asking(
    before: Standing | None, others_are_known: bool, now: Standing
) -> None:
    assert standing_of(INFO, before, Enrolment.everything(), others_are_known=others_are_known) is now
    assert standing_of(INFO, before, NOBODY, others_are_known=others_are_known) is Standing.OUT


def test_what_is_watched_is_what_decide_would_build() -> None:
    named = Enrolment(repositories={"acme/anvil": RepositoryRule()})
    for enrolment in (NOBODY, named, Enrolment.everything()):
        for mirror in (False, True):
            info = RepositoryInfo(full_name="acme/anvil", clone_url=INFO.clone_url, mirror=mirror)
            [event] = compare("gitea", info, [Head("main", A)], (), {}).events
            assert is_watched(info, enrolment) is not isinstance(decide(event, enrolment), Skip)
    assert not is_watched(RepositoryInfo(full_name="a/b", clone_url="", archived=True), Enrolment.everything())


def test_a_head_has_the_key_and_the_link_that_its_webhook_would_have() -> None:
    found = compare("gitea", INFO, [Head("side", B)], [PULL], {"refs/heads/side": A})
    push, pull = found.events
    assert isinstance(push, PushEvent)
    assert (push.before, push.after, push.default_branch) == (A, B, "main")
    assert push.link == f"https://git.example.test/acme/anvil/commit/{B}"
    assert key_of(push) == dedupe_key("acme/anvil", "refs/heads/side", B, forge="gitea")
    assert key_of(pull) == dedupe_key("acme/anvil", "refs/pull/7/head", C, forge="gitea")


def test_a_branch_that_no_job_can_be_made_of_is_said_and_is_not_gone() -> None:
    found = compare("gitea", INFO, [Head("bad~name", A), Head("good", "no sha")], (), {"refs/heads/bad~name": A})
    assert (found.events, found.gone, len(found.unusable)) == ((), (), 2)


REFS = st.sampled_from(["main", "side", "new"])
SHAS = st.sampled_from([A, B, C])


@given(heads=st.dictionaries(REFS, SHAS), remembered=st.dictionaries(REFS.map(lambda b: f"refs/heads/{b}"), SHAS))
def test_every_ref_is_as_it_was_or_moved_or_gone(heads: dict[str, str], remembered: dict[str, str]) -> None:
    found = compare("gitea", INFO, [Head(*pair) for pair in heads.items()], (), remembered)
    now = {f"refs/heads/{branch}": sha for branch, sha in heads.items()}
    assert set(found.gone) == (set(remembered) - set(now) if now else set()), "without any branch it is in trouble"
    assert found.moved == {ref for ref, sha in now.items() if remembered.get(ref) != sha}
    for event in found.events:
        assert isinstance(event, PushEvent)
        assert sha_of(event) == now[event.ref]
        assert event.before == remembered.get(event.ref, ZERO_SHA)


def test_the_one_that_waits_longest_comes_first() -> None:
    assert in_turn({"a": 3.0, "b": 1.0}, ["a", "b", "new"]) == ["new", "b", "a"]
