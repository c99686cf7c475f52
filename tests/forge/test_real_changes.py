"""What a forge is asked about an event that does not tell its changes, and what the answer adds."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from raibid.forge import Event
from raibid.forge.changed_files import bounded
from raibid.forge.forge import Changes, Forge
from raibid.forge.real_changes import ask, informed
from raibid.model.pull_request_event import PullRequestEvent
from raibid.model.push_event import ZERO_SHA, PushEvent

Push = Callable[..., PushEvent]
BEFORE, AFTER = "1" * 40, "2" * 40


@dataclass
class Answers:
    """A forge that knows some changes, and counts the questions."""

    known: Mapping[tuple[str, str], Changes] = field(default_factory=dict)
    pull: Changes = field(default_factory=Changes)
    asked: list[tuple[object, ...]] = field(default_factory=list)

    def changes(self, repository: str, before: str, after: str) -> Changes:
        self.asked.append((repository, before, after))
        return self.known.get((before, after), Changes(files=()))

    def pull_changes(self, repository: str, number: int, sha: str) -> Changes:
        self.asked.append((repository, number, sha))
        return self.pull


def told(forge: Answers, event: Event) -> Event:
    return informed(event, ask(forge, event))  # type: ignore[arg-type]  # the two calls that it is asked


@pytest.fixture
def push(event: Callable[[str], PushEvent]) -> Push:
    """A push to a side branch that does not tell what it changed."""
    quiet = {"changed": None, "ref": "refs/heads/dev", "before": BEFORE, "after": AFTER, "message": ""}
    return lambda **changes: msgspec.structs.replace(event("gitea-push"), **{**quiet, **changes})


def test_a_push_is_asked_about_from_where_the_ref_stood(push: Push) -> None:
    forge = Answers({(BEFORE, AFTER): Changes(files=("new", "a"), message="m")})
    found = told(forge, push())
    assert (found.changed, found.message) == (("a", "new"), "m")
    assert forge.asked == [("acme/anvil", BEFORE, AFTER)]


def test_more_than_the_forge_lists_is_not_known(push: Push) -> None:
    assert told(Answers({(BEFORE, AFTER): Changes(files=None)}), push()).changed is None


def test_a_new_branch_is_compared_with_the_default_one(push: Push) -> None:
    forge = Answers({("main", AFTER): Changes(files=("src/lib.rs",))})
    assert told(forge, push(before=ZERO_SHA)).changed == ("src/lib.rs",)
    assert forge.asked == [("acme/anvil", "main", AFTER)]


def test_a_new_branch_without_a_commit_of_its_own_is_not_taken_for_an_empty_change(push: Push) -> None:
    assert told(Answers({("main", AFTER): Changes(files=())}), push(before=ZERO_SHA)).changed is None


@pytest.mark.parametrize("change", [{"ref": "refs/heads/main"}, {"default_branch": ""}])
def test_nobody_is_asked_about_a_new_branch_that_nothing_can_be_compared_with(
    push: Push, change: dict[str, str]
) -> None:
    forge = Answers()
    assert told(forge, push(before=ZERO_SHA, **change)).changed is None
    assert forge.asked == []


def test_a_pull_request_is_asked_about_at_its_head(pull_request: Callable[[str], PullRequestEvent]) -> None:
    opened = pull_request("gitea-pull-request-opened")
    forge = Answers(pull=Changes(files=("b", "a"), message="the head's\n\nmessage"))
    found = told(forge, opened)
    assert (found.changed, found.message) == (("a", "b"), "the head's\n\nmessage")
    assert forge.asked == [("acme/anvil", 1, opened.sha)]


def test_what_the_payload_tells_is_not_replaced(push: Push) -> None:
    found = told(Answers({(BEFORE, AFTER): Changes(files=("x",), message="other")}), push(message="its own"))
    assert found.message == "its own"


@given(st.lists(st.text(max_size=200), max_size=1_500))
def test_kept_files_are_sorted_each_once_and_never_more_than_redis_should_hold(files: list[str]) -> None:
    kept = bounded(files)
    if len(set(files)) > 1_000 or sum(map(len, set(files))) > 100_000:
        assert kept is None
    else:
        assert kept == tuple(sorted(set(files)))


def test_no_further_page_is_read_than_is_kept() -> None:
    files = (f"src/{number}.rs" for number in range(100_000))
    assert bounded(files) is None
    assert next(files) == "src/1001.rs"


def test_a_client_is_a_forge_that_can_be_asked() -> None:
    """`Answers` has the names the protocol has."""
    assert {"changes", "pull_changes"} <= set(dir(Forge))
