"""A forge in trouble, or with little patience: nothing is forgotten, nobody is passed over."""

from __future__ import annotations

from contextlib import suppress

import pytest
from raibid.forge.errors import (
    CallError,
    ForgeFaultError,
    ForgeForbiddenError,
    ForgeLimitError,
    ForgeNotFoundError,
    ForgeReachError,
    ForgeSilentError,
)
from raibid.ledger import Ledger

from tests.api.forge_of_heads import MAIN, sha_of
from tests.api.reconciled import ANVIL, ASKED, WRITTEN, DiedError, Pool, enrolled, failing


def fill(pool: Pool, count: int) -> set[str]:
    """So many more repositories with a push each that nobody told of."""
    names = {f"acme/r{number:02}" for number in range(count)}
    for name in names:
        pool.forge.push(name, "main", name)
    return names


@pytest.mark.parametrize("error", [
    ForgeFaultError, ForgeForbiddenError, ForgeNotFoundError, ForgeReachError, ForgeSilentError,
])  # fmt: skip
def test_one_repository_in_trouble_does_not_hold_up_the_others_nor_is_it_forgotten(
    pool: Pool, error: type[CallError]
) -> None:
    names = fill(pool, 4)
    pool.forge.trouble = lambda question: error("no") if question == "heads acme/r01" else None
    pool.round()
    assert {repo for repo, _, _ in pool.built()} == names - {"acme/r01"}
    [last] = pool.reconciler.report().forges
    assert len(last.errors) == 1
    pool.forge.trouble = lambda _: None
    pool.round()
    assert {repo for repo, _, _ in pool.built()} == names


def test_a_list_that_ends_in_an_error_is_used_as_far_as_it_goes_and_nothing_is_gone(pool: Pool) -> None:
    pool.forge.push("acme/zeta", "main", "first")
    pool.round()
    pool.forge.trouble = lambda question: ForgeFaultError("no") if question == "list acme/zeta" else None
    new = {(name, MAIN, pool.forge.push(name, "main", f"next of {name}")) for name in (ANVIL, "acme/zeta")}
    pool.round()
    assert new < set(pool.built())


def test_a_limit_ends_the_round_at_once_and_the_forge_is_left_alone_for_as_long_as_it_wants(pool: Pool) -> None:
    names = fill(pool, 6)

    def limit(question: str) -> Exception | None:
        asked = sum(one.startswith("heads") for one in pool.forge.asked)
        return ForgeLimitError("enough", 900.0) if question.startswith("heads") and asked > 3 else None

    pool.forge.asked.clear()
    pool.forge.trouble = limit
    pool.round()
    assert pool.forge.asked[-1].startswith("heads")
    asked = len(pool.forge.asked)
    pool.forge.trouble = lambda _: None
    pool.round()
    assert len(pool.forge.asked) == asked
    pool.now += 900.0
    pool.round()
    assert {repo for repo, _, _ in pool.built()} == names
    assert pool.count("away") == 1


def branches(pool: Pool, count: int) -> set[str]:
    """So many new branches of one repository that nobody told of."""
    return {pool.forge.push(ANVIL, f"b{number:02}", f"branch {number}") for number in range(count)}


def test_a_limit_in_the_middle_of_a_look_loses_nothing_of_what_was_reached(pool: Pool) -> None:
    new = branches(pool, 20)

    def limit(question: str) -> Exception | None:
        asked = sum(one.startswith("changes") for one in pool.forge.asked)
        return ForgeLimitError("enough", 900.0) if asked > 14 else None

    pool.forge.asked.clear()
    pool.forge.trouble = limit
    pool.round()
    reached = {sha for _, _, sha in pool.built()}
    assert len(reached) == 14
    assert len(pool.reconciler.report().healed) == pool.count("created") == 14
    assert reached < set(pool.ledger.heads.seen("gitea", ANVIL).values())
    pool.forge.trouble = lambda _: None
    pool.forge.asked.clear()
    pool.now += 900.0
    pool.round()
    assert {sha for _, _, sha in pool.built()} == new
    assert pool.forge.asked.count(f"changes {ANVIL}") == 6


def test_a_look_ends_with_the_rounds_questions_and_goes_on_in_its_next_turn(pool: Pool) -> None:
    new = branches(pool, 20)
    before = pool.ledger.heads.watched("gitea")[ANVIL].looked
    pool.restart(questions=10)
    pool.round()
    [last] = pool.reconciler.report().forges
    assert last.questions <= 10
    assert len(pool.built()) == 3
    assert "17 heads" in last.errors[0]
    assert (pool.ledger.heads.watched("gitea")[ANVIL].looked, last.oldest) == (before, before)
    for _ in range(6):
        pool.round()
    assert {sha for _, _, sha in pool.built()} == new
    assert pool.ledger.heads.watched("gitea")[ANVIL].looked == pool.now


def test_whoevers_turn_is_always_the_last_gets_on_one_head_each_time(pool: Pool) -> None:
    new = branches(pool, 3)
    pool.restart(questions=3)
    for _ in range(3):
        pool.round()
    assert {sha for _, _, sha in pool.built()} == new


def test_few_questions_cover_a_large_organisation_over_several_rounds_each_in_its_turn(pool: Pool) -> None:
    names = fill(pool, 12)
    pool.round()  # the list of all repositories alone; they are new and built
    assert {repo for repo, _, _ in pool.built()} == names
    pool.restart(questions=13)
    pool.forge.asked.clear()
    for _ in range(3):
        pool.round()
    looked = [question for question in pool.forge.asked if question.startswith("heads")]
    assert len(looked) >= 13
    assert len(set(looked[:13])) == 13, "nobody's second turn comes before everybody's first"


def test_a_repository_that_always_fails_does_not_take_the_others_turns(pool: Pool) -> None:
    fill(pool, 6)
    pool.round()
    pool.restart(questions=5)
    pool.forge.trouble = lambda question: (
        ForgeFaultError("no") if question in ("heads acme/anvil", "heads acme/r00") else None
    )
    pool.forge.asked.clear()
    for _ in range(5):
        pool.round()
    looked = {question for question in pool.forge.asked if question.startswith("heads")}
    assert len(looked) == 7


def test_what_cannot_be_known_of_a_change_is_no_reason_to_leave_it_unbuilt(ledger: Ledger) -> None:
    pool = Pool(ledger, enrolment=enrolled("{default: {paths: ['src/**']}}"))
    pool.forge.push(ANVIL, "main", "first")
    pool.round()
    sha = pool.forge.push(ANVIL, "main", "second", files=("README.md",))
    pool.forge.trouble = lambda question: ForgeNotFoundError("forced") if question.startswith("changes") else None
    pool.round()
    assert pool.built() == [(ANVIL, MAIN, sha)]


@pytest.mark.parametrize("done", [False, True])
@pytest.mark.parametrize("nth", range(3))
@pytest.mark.parametrize("step", ASKED + WRITTEN)
def test_an_api_that_dies_at_any_step_leaves_each_head_to_be_built_once(
    pool: Pool, step: str, nth: int, done: bool
) -> None:
    names = fill(pool, 2)
    heads = {(name, MAIN, sha_of(name)) for name in names}
    heads.add((ANVIL, MAIN, pool.forge.push(ANVIL, "main", "second")))
    heads.add((ANVIL, "refs/pull/1/head", pool.forge.offer(ANVIL, 1, "offered")))
    with suppress(DiedError), failing(pool.forge, step, nth, DiedError(), done=done):
        pool.round()
    pool.restart()
    pool.round()
    assert pool.built() == sorted(heads)


@pytest.mark.parametrize("done", [False, True])
@pytest.mark.parametrize("nth", range(3))
@pytest.mark.parametrize("step", ASKED + WRITTEN)
def test_an_api_that_dies_at_any_step_of_its_first_round_builds_nothing_that_was_there(
    ledger: Ledger, step: str, nth: int, done: bool
) -> None:
    pool = Pool(ledger)
    fill(pool, 3)
    with suppress(DiedError), failing(pool.forge, step, nth, DiedError(), done=done):
        pool.round()
    pool.restart()
    pool.round()
    assert not pool.built()


def test_a_first_list_that_ends_in_an_error_makes_nothing_new_of_the_rest(ledger: Ledger) -> None:
    pool = Pool(ledger)
    fill(pool, 3)
    pool.forge.trouble = lambda question: ForgeFaultError("no") if question == "list acme/r01" else None
    pool.round()
    pool.forge.trouble = lambda _: None
    pool.round()
    assert not pool.built()


def test_a_repository_that_is_not_for_us_to_read_is_said_once_and_does_not_age(
    pool: Pool, capsys: pytest.CaptureFixture[str]
) -> None:
    pool.forge.trouble = lambda question: ForgeForbiddenError("no") if question == f"heads {ANVIL}" else None
    for _ in range(3):
        pool.round()
    assert capsys.readouterr().out.count("repository not reconciled") == 1
    assert pool.age() == 0.0
    assert pool.count("error") == 3
