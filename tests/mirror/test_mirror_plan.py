"""The decision alone: what is made of what should be and what is."""

from __future__ import annotations

from typing import Any
from zlib import crc32

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from raibid.forge.forge import RepositoryInfo
from raibid.forge.gitea.mirrors import Held
from raibid.mirror.actions import Actual, Kind, Plan, interval_of, interval_text
from raibid.mirror.config import ARCHIVED_MARK, MARK
from raibid.mirror.desired import Listing, desire, source_key
from raibid.mirror.diff import as_data, lines
from raibid.mirror.errors import NotOursError
from raibid.mirror.plan import plan

from tests.mirror.stage import info, of

ACME = b"org: [{github: acme, target: acme}]"


def held(name: str, *, source: str = "", ours: bool = True, **facts: Any) -> Held:
    """A mirror of ours of `github.com/acme/<name>`, as raibid makes it."""
    fresh = Held(
        id=crc32(name.encode()),
        full_name=f"acme/{name}",
        private=True,
        mirror=True,
        original_url=source or f"https://github.com/acme/{name}.git",
        mirror_interval="0s",
        topics=(MARK,) if ours else (),
        created_at="2026-01-01T00:00:00Z",
    )
    return msgspec.structs.replace(fresh, **facts)


def planned(text: bytes, listed: list[RepositoryInfo] | str, *there: Held, prune: tuple[str, ...] = ()) -> Plan:
    """A plan where `acme` lists these repositories (or fails with these words), and Gitea has those."""
    listing = Listing(error=listed) if isinstance(listed, str) else Listing(repositories=listed)
    desired = desire(of(text), {"acme": listing})
    owners = {name.lower(): [h for h in there if h.full_name.startswith(f"{name}/")] for name in desired.owners}
    return plan(desired, Actual(owners=owners, marked=[h for h in there if MARK in h.topics]), prune)


def kinds(plan: Plan) -> list[tuple[str, str]]:
    return [(str(action.kind), action.target) for action in plan.actions]


@pytest.mark.parametrize(
    ("filters", "left_out"),
    [
        ("include: [a.*]", {"fork", "old", "empty", "hidden", "b"}),
        ("exclude: [a.*]", {"fork", "old", "empty", "a"}),
        ("forks: true", {"old", "empty"}),
        ("archived: true", {"fork", "empty"}),
        ("empty: true", {"fork", "old"}),
        ("visibility: public", {"fork", "old", "empty", "hidden"}),
        ("visibility: private", {"fork", "old", "empty", "a", "b"}),
    ],
)
def test_filters_say_which_repositories_are_mirrored(filters: str, left_out: set[str]) -> None:
    every = [
        info("acme/a"), info("acme/b"), info("acme/fork", fork=True), info("acme/old", archived=True),
        info("acme/empty", empty=True), info("acme/hidden", private=True),
    ]  # fmt: skip
    made = planned(f"org: [{{github: acme, target: acme, {filters}}}]".encode(), every)
    created = {action.target.removeprefix("acme/") for action in made.to_do if action.kind is Kind.CREATE}
    assert {one.full_name.removeprefix("acme/") for one in every} - created == left_out


def test_names_and_prefix_are_the_targets() -> None:
    text = b"org: [{github: acme, target: smithy, names: {Anvil: hammer}, prefix: gh-}]"
    made = planned(text, [info("acme/anvil"), info("acme/tongs")])
    assert {a.target for a in made.to_do} == {"smithy/hammer", "smithy/gh-tongs"}


def test_a_single_entry_wins_over_its_organisations() -> None:
    text = b"single: [{github: acme/anvil, target: acme/anvil, private: false}]\norg: [{github: acme, target: acme}]"
    [action] = planned(text, [info("acme/anvil", private=True)]).to_do
    assert action.wanted
    assert not action.wanted.private


def test_two_sources_for_one_target_are_a_conflict_and_neither_is_made() -> None:
    text = b"single: [{github: other/anvil, target: acme/anvil}]\norg: [{github: acme, target: acme}]"
    assert kinds(planned(text, [info("acme/anvil")])) == [("conflict", "acme/anvil")]


def test_a_source_on_no_listed_host_is_told_and_not_mirrored() -> None:
    elsewhere = RepositoryInfo(full_name="acme/anvil", clone_url="https://evil.example/acme/anvil.git")
    made = planned(ACME, [elsewhere])
    assert not made.actions
    assert "evil.example is not in the list" in made.notes[0]


@pytest.mark.parametrize("private", [True, False])
def test_as_source_follows_the_source(private: bool) -> None:
    text = b"org: [{github: acme, target: acme, private: as-source}]"
    [action] = planned(text, [info("acme/anvil", private=private)], held("anvil", private=not private)).to_do
    assert [(c.field, c.new) for c in action.changes] == [("private", private)]


def test_spellings_of_one_source_are_one_source() -> None:
    spellings = (
        "https://github.com/Acme/Anvil.git",
        "https://GITHUB.com:443/acme/anvil/",
        "https://github.com/acme/anvil",
    )
    assert len({source_key(one) for one in spellings}) == 1
    assert source_key("https://gitlab.com/Acme/it") != source_key("https://gitlab.com/acme/it")


@pytest.mark.parametrize(
    "there",
    [
        held("anvil", mirror=False, original_url="", ours=False),
        held("anvil", source="https://github.com/other/anvil.git", ours=False),
        held("anvil", source="https://github.com/other/anvil.git"),
    ],
    ids=["no mirror", "another's mirror", "ours of another source"],
)
def test_what_is_something_else_is_a_conflict_and_never_touched(there: Held) -> None:
    made = planned(ACME, [info("acme/anvil")], there)
    assert kinds(made) == [("conflict", "acme/anvil")]
    assert not made.to_do


def test_an_unmarked_mirror_of_the_source_is_adopted() -> None:
    assert kinds(planned(ACME, [info("acme/anvil")], held("anvil", ours=False))) == [("adopt", "acme/anvil")]


def test_gone_and_left_out_are_archived_by_a_free_name_and_no_entry_is_an_orphan() -> None:
    text = b"org: [{github: acme, target: acme, exclude: [secret]}]"
    listed = [info("acme/secret"), info("acme/anvil")]
    there = [
        held("anvil"), held("secret", mirror_interval="8h0m0s"), held("gone"),
        held("archived-gone", source="https://github.com/acme/earlier.git", topics=(MARK, ARCHIVED_MARK)),
        held("archived-half", source="https://github.com/acme/half.git"),
        held("foreign", source="https://gitlab.com/acme/foreign.git"),
    ]  # fmt: skip
    made = planned(text, listed, *there)
    assert kinds(made) == [
        ("archive", "acme/archived-half"),
        ("archive", "acme/gone"),
        ("archive", "acme/secret"),
        ("orphan", "acme/foreign"),
    ]
    names = [[(c.field, c.new) for c in action.changes] for action in made.to_do]
    assert names == [
        [("archived", True)],
        [("name", "archived-gone-2"), ("archived", True)],
        [("name", "archived-secret"), ("mirror_interval", "0s"), ("archived", True)],
    ]


def test_a_repository_that_is_called_so_is_not_archived_for_that() -> None:
    assert not planned(ACME, [info("acme/archived-notes")], held("archived-notes")).actions


def test_an_error_of_githubs_archives_nothing() -> None:
    made = planned(ACME, "HTTP 500", held("anvil"), held("hammer"))
    assert not made.actions
    assert "could not be listed" in made.troubles[0]


@pytest.mark.parametrize("left", [0, 3])
def test_an_organisation_that_shrinks_suspiciously_archives_nothing(left: int) -> None:
    there = [held(f"tool-{number}") for number in range(10)]
    made = planned(ACME, [info(f"acme/tool-{number}") for number in range(left)], *there)
    assert not made.to_do
    assert "suspicious" in made.notes[0]


def test_pruning_takes_only_what_is_ours_and_not_wanted() -> None:
    there = [held("anvil"), held("gone"), held("own", ours=False, mirror=False)]
    assert kinds(planned(ACME, [info("acme/anvil")], *there, prune=("acme/gone",))) == [("delete", "acme/gone")]
    for name in ("acme/anvil", "acme/own", "acme/nothing"):
        with pytest.raises(NotOursError, match=name):
            planned(ACME, [info("acme/anvil")], *there, prune=(name,))


def test_what_is_shown_is_on_one_line_whatever_a_forge_says() -> None:
    made = planned(ACME, [info("acme/anvil", description="a\nb\x1b[31m")], held("anvil"))
    shown = [line.text for line in lines(made)]
    assert shown[0].startswith("~ update   acme/anvil")
    assert not any(ord(c) < 32 for text in shown for c in text)
    assert as_data(made)["actions"][0]["changes"] == [{"field": "description", "from": "", "to": "a\nb\x1b[31m"}]


_NAME = st.sampled_from(["a", "b", "c", "archived-a", "secret"])
_FACTS = st.fixed_dictionaries(
    {"private": st.booleans(), "mirror": st.booleans(), "mirror_interval": st.sampled_from(["", "0s", "8h0m0s"])}
)
_SOURCES = st.sampled_from(
    ["", "https://github.com/acme/a", "https://github.com/acme/secret.git", "https://x.example/a"]
)


@given(
    listed=st.lists(_NAME, unique=True) | st.just("HTTP 500"),
    there=st.lists(st.tuples(_NAME, st.booleans(), _SOURCES, _FACTS), max_size=5, unique_by=lambda one: one[0]),
    text=st.sampled_from([ACME, b"org: [{github: acme, target: acme, exclude: [secret]}]", b"single: []"]),
)
def test_no_plan_touches_what_is_not_ours_or_deletes_what_nobody_named(
    listed: list[str] | str, there: list[tuple[str, bool, str, dict[str, Any]]], text: bytes
) -> None:
    repositories = [held(name, ours=ours, source=source, **facts) for name, ours, source, facts in there]
    names = listed if isinstance(listed, str) else [info(f"acme/{name}") for name in listed]
    made = planned(text, names, *repositories)
    assert planned(text, names, *reversed(repositories)) == made, "the order of what is there does not count"
    assert len({action.target.lower() for action in made.actions}) == len(made.actions)
    for action in made.to_do:
        assert action.kind is not Kind.DELETE
        if action.held is not None:
            ours = MARK in action.held.topics
            assert ours or action.kind is Kind.ADOPT or action.held.shell
            assert action.held.mirror
        if action.kind is Kind.ARCHIVE:
            assert not isinstance(listed, str)


@given(st.integers(0, 720 * 60))
def test_an_interval_is_read_as_gitea_writes_it(minutes: int) -> None:
    assert interval_of(interval_text(minutes * 60)) == minutes * 60
