"""Which repositories are watched, from when on, and what becomes of those that move or go."""

from __future__ import annotations

import pytest
from raibid.forge.errors import CallError, ForgeFaultError, ForgeForbiddenError
from raibid.ledger import Ledger

from tests.api.forge_of_heads import MAIN
from tests.api.reconciled import ANVIL, Pool, enrolled


def test_archived_repositories_and_mirrors_are_left_alone_unless_a_mirror_is_named(ledger: Ledger) -> None:
    pool = Pool(ledger, enrolment=enrolled("{default: {}, mirrors: ['copies/wanted*']}"))
    pool.forge.create("acme/first")
    pool.round()
    for name, facts in {
        "acme/old": {"archived": True},
        "copies/a": {"mirror": True},
        "copies/wanted-1": {"mirror": True},
    }.items():
        pool.forge.create(name, **facts)
        pool.forge.push(name, "main", name)
    pool.round()
    assert [repo for repo, _, _ in pool.built()] == ["copies/wanted-1"]
    assert not [question for question in pool.forge.asked if question.startswith("heads ") and "wanted" not in question]


def test_a_repository_that_is_enrolled_later_begins_with_its_next_push(pool: Pool) -> None:
    pool.enrolment = enrolled("{default: {}, mirrors: [copies/b]}")
    for name in ("copies/a", "copies/b"):
        pool.forge.create(name, mirror=True)
        pool.forge.push(name, "main", name)
    pool.restart()
    pool.round()
    pool.enrolment = enrolled("{default: {}, mirrors: [copies/a]}")
    pool.restart()
    pool.round()
    assert [repo for repo, _, _ in pool.built()] == ["copies/b"]
    sha = pool.forge.push("copies/a", "main", "at last")
    pool.round()
    assert ("copies/a", MAIN, sha) in pool.built()


def test_without_a_default_only_the_named_are_asked_for_and_one_that_is_made_later_is_new(ledger: Ledger) -> None:
    pool = Pool(ledger, enrolment=enrolled("{repositories: {acme/anvil: {}, acme/planned: {}}}"))
    pool.forge.push(ANVIL, "main", "first")
    pool.forge.push("acme/other", "main", "first")
    pool.round()
    assert not [question for question in pool.forge.asked if question.startswith("list") or "other" in question]
    new = {
        (ANVIL, MAIN, pool.forge.push(ANVIL, "main", "second")),
        ("acme/planned", MAIN, pool.forge.push("acme/planned", "main", "begin")),
    }
    pool.round()
    assert set(pool.built()) == new


def test_the_rules_of_the_file_hold_and_are_not_asked_again(ledger: Ledger) -> None:
    pool = Pool(ledger, enrolment=enrolled("{default: {branches: [main], paths: ['src/**']}}"))
    pool.forge.push(ANVIL, "main", "first", files=("src/a",))
    pool.round()
    pool.forge.push(ANVIL, "side", "aside", files=("src/a",))
    pool.forge.push(ANVIL, "main", "words", files=("README.md",))
    pool.round()
    assert not pool.built()
    assert pool.count("skipped") == 2
    pool.forge.asked.clear()
    pool.round()
    assert f"changes {ANVIL}" not in pool.forge.asked
    pool.forge.push(ANVIL, "main", "never mind [skip ci]", files=("src/a",))
    pool.round()
    assert not pool.built()


def test_a_renamed_repository_is_not_built_anew_and_its_next_push_is(pool: Pool) -> None:
    pool.forge.rename(ANVIL, "acme/hammer")
    pool.round()
    assert not pool.built()
    sha = pool.forge.push("acme/hammer", "main", "second")
    pool.round()
    assert pool.built() == [("acme/hammer", MAIN, sha)]


@pytest.mark.parametrize("error", [ForgeForbiddenError, ForgeFaultError])
def test_a_renamed_repository_whose_old_name_is_refused_for_a_while_is_not_built_anew(
    pool: Pool, error: type[CallError]
) -> None:
    pool.forge.rename(ANVIL, "acme/hammer")
    pool.forge.trouble = lambda question: error("no") if question == f"repository {ANVIL}" else None
    pool.round()
    pool.forge.trouble = lambda _: None
    pool.round()
    assert not pool.built()


def test_a_repository_that_is_refused_for_ever_does_not_hold_up_new_ones_for_longer_than_a_day(pool: Pool) -> None:
    del pool.forge.there[ANVIL]
    pool.forge.trouble = lambda question: ForgeForbiddenError("no") if question == f"repository {ANVIL}" else None
    pool.round()
    pool.forge.push("acme/new", "main", "new")
    pool.round()
    assert not pool.built()
    pool.now += 86_400.0
    pool.round()
    assert [repo for repo, _, _ in pool.built()] == ["acme/new"]


def test_without_a_default_a_repository_that_is_named_no_more_is_forgotten_and_begins_anew(pool: Pool) -> None:
    both = enrolled("{repositories: {acme/anvil: {}, acme/other: {}}}")
    pool.forge.push("acme/other", "main", "first")
    for enrolment in (both, enrolled("{repositories: {acme/other: {}}}")):
        pool.enrolment = enrolment
        pool.restart()
        for _ in range(2):
            pool.round()
    assert set(pool.ledger.heads.watched("gitea")) == {"acme/other"}
    assert not pool.ledger.heads.seen("gitea", ANVIL)
    pool.forge.push(ANVIL, "main", "meanwhile")
    pool.enrolment = both
    pool.restart()
    pool.round()
    assert not pool.built()


def test_a_default_that_is_taken_out_and_put_back_builds_nothing_that_came_meanwhile(pool: Pool) -> None:
    pool.enrolment = enrolled("{repositories: {acme/anvil: {}}}")
    pool.restart()
    pool.round()
    pool.forge.push("acme/meanwhile", "main", "first")
    pool.enrolment = enrolled("{default: {}}")
    pool.restart()
    pool.round()
    assert not pool.built()


def test_a_repository_that_our_user_may_not_read_for_a_while_is_not_new_afterwards(pool: Pool) -> None:
    hidden = pool.forge.there.pop(ANVIL)
    pool.round()
    pool.forge.there[ANVIL] = hidden
    pool.round()
    assert not pool.built()


def test_a_branch_that_is_gone_is_forgotten(pool: Pool) -> None:
    pool.forge.push(ANVIL, "side", "aside")
    pool.round()
    del pool.forge.there[ANVIL].branches["side"]
    pool.round()
    assert set(pool.ledger.heads.seen("gitea", ANVIL)) == {MAIN}


def test_a_repository_that_shows_no_branch_for_a_while_is_not_built_anew(pool: Pool) -> None:
    branches = pool.forge.there[ANVIL].branches
    pool.forge.there[ANVIL].branches = {}
    pool.round()
    pool.forge.there[ANVIL].branches = branches
    pool.round()
    assert not pool.built()


def test_a_ledger_that_was_emptied_takes_what_is_there_as_its_beginning(pool: Pool) -> None:
    pool.forge.push(ANVIL, "main", "second")
    for key in pool.ledger.client.scan_iter(f"{{{pool.ledger.keys.stream}}}:*"):
        pool.ledger.client.delete(key)
    pool.round()
    assert not pool.built()


def test_an_organisation_that_was_renamed_is_not_built_anew_however_few_questions_a_round_has(pool: Pool) -> None:
    for number in range(12):
        pool.forge.push(f"acme/r{number:02}", "main", "first")
    pool.round()
    before = pool.built()
    for name in list(pool.forge.there):
        pool.forge.rename(name, name.replace("acme/", "better/"))
    pool.restart(questions=5)
    for _ in range(8):
        pool.round()
    assert pool.built() == before
    sha = pool.forge.push("better/r03", "main", "second")
    for _ in range(8):
        pool.round()
    assert pool.built() == sorted([*before, ("better/r03", MAIN, sha)])


def test_a_name_that_nobody_has_leaves_nothing_behind(pool: Pool) -> None:
    pool.reconciler.look_at("acme/typo")
    assert set(pool.ledger.heads.watched("gitea")) == {ANVIL}
