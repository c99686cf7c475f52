"""A token's new value: who gets it, and when it counts as working."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import pytest
from raibid.forge.errors import ForgeForbiddenError, ForgeLoginError
from raibid.forge.gitea.mirrors import Held
from raibid.mirror.fetching import TRIED, why_not_fetched
from raibid.mirror.kept import Kept
from raibid.mirror.rotation import Rotated, rotate
from raibid.mirror.upkeep import Look
from raibid.model.mirror import MirrorRecord, MirrorState

NAME = "smithy/anvil"
SOURCE = "https://github.com/acme/anvil.git"
KEPT = Kept(name=NAME, source=SOURCE, token="forge")
HELD = Held(id=1, full_name=NAME, mirror=True, mirror_interval="0s", original_url=SOURCE)


@dataclass
class Clockwork:
    """Gitea's two times of a mirror, moved as a real one moves them (tests/cluster/test_mirror_sync.py)."""

    fetches: bool = True
    tries: bool = True
    empty: bool = False
    commit: int = 0
    """The second of the newest commit."""
    now: int = 100
    said: list[str] = field(default_factory=list)
    updated: int = 0
    tried: int = 0

    def get(self, repository: str) -> Held:
        return Held(
            id=1, full_name=repository, updated_at=str(self.updated), mirror_updated=str(self.tried), empty=self.empty
        )

    def mark(self, repository: str, topic: str) -> None:
        self.said.append(f"mark {topic}")
        self.updated = self.now

    def unmark(self, repository: str, topic: str) -> None:
        self.said.append(f"unmark {topic}")

    def sync(self, repository: str) -> None:
        self.now += 1
        if self.tries:
            self.tried = self.now
            if self.fetches and not self.empty:
                self.updated = self.commit


def test_a_fetch_that_brought_nothing_is_seen_all_the_same() -> None:
    gitea = Clockwork()
    assert why_not_fetched(gitea, NAME, 5.0, pause=0.0) == ""
    assert gitea.said == [f"mark {TRIED}", f"unmark {TRIED}"]


def test_a_commit_of_the_very_second_hides_nothing() -> None:
    assert why_not_fetched(Clockwork(commit=100), NAME, 0.2, pause=0.01) == ""


@pytest.mark.parametrize(
    ("gitea", "why"),
    [
        (Clockwork(fetches=False), "Gitea tried to fetch with it and failed; its log says why"),
        (Clockwork(tries=False), "Gitea did not try to fetch within 0.1 s"),
    ],
)
def test_an_attempt_is_no_fetch(gitea: Clockwork, why: str) -> None:
    assert why_not_fetched(gitea, NAME, 0.1, pause=0.01) == why


def test_an_empty_mirror_has_no_commit_to_tell_by() -> None:
    assert why_not_fetched(Clockwork(empty=True), NAME, 5.0, pause=0.0) == ""


@dataclass
class Keeps:
    """An upkeep that finds these states, one after the other."""

    states: list[MirrorState]
    gitea: Any = field(default_factory=Clockwork)
    patience: float = 0.1
    compared: list[bool] = field(default_factory=list)

    @property
    def sides(self) -> Keeps:
        return self

    def compare(self, mirror: Kept, before: MirrorRecord | None) -> MirrorRecord:
        self.compared.append(True)
        return self._found(mirror)

    def look(self, mirror: Kept, before: MirrorRecord | None) -> Look:
        self.compared.append(False)
        return Look(self._found(mirror))

    def _found(self, mirror: Kept) -> MirrorRecord:
        state = self.states.pop(0)
        return MirrorRecord(source=mirror.source, state=state, reason="" if state == "verified" else "so it is")


@dataclass
class Forms:
    """Gitea's settings pages."""

    trouble: Exception | None = None
    given: list[tuple[str, str]] = field(default_factory=list)

    def set_token(self, held: Held, token: str) -> None:
        if self.trouble:
            raise self.trouble
        self.given.append((held.full_name, token))


def turn(upkeep: Keeps, forms: Forms) -> Rotated:
    [done] = rotate([(KEPT, HELD)], "new", forms, upkeep)  # type: ignore[arg-type]
    return done


@pytest.mark.parametrize("state", [MirrorState.UNREACHABLE, MirrorState.GONE, MirrorState.REFUSED])
def test_a_token_that_the_source_does_not_take_is_not_given_to_gitea(state: MirrorState) -> None:
    forms = Forms()
    assert turn(Keeps([state]), forms) == Rotated(NAME, trouble=f"not changed: {state}: so it is")
    assert forms.given == []


def test_equal_sides_prove_nothing_until_gitea_has_fetched() -> None:
    forms = Forms()
    assert turn(Keeps([MirrorState.VERIFIED]), forms) == Rotated(NAME, changed=True)
    assert forms.given == [(NAME, "new")]
    failed = turn(Keeps([MirrorState.VERIFIED], Clockwork(fetches=False)), Forms())
    assert (failed.changed, failed.trouble) == (True, "Gitea tried to fetch with it and failed; its log says why")


def test_a_mirror_that_is_behind_is_brought_by_its_policy_and_not_by_a_bare_sync() -> None:
    upkeep = Keeps([MirrorState.BEHIND, MirrorState.VERIFIED])
    assert turn(upkeep, Forms()) == Rotated(NAME, changed=True)
    assert (upkeep.compared, upkeep.gitea.said) == ([True, False], [])
    blocked = turn(Keeps([MirrorState.BEHIND, MirrorState.BLOCKED]), Forms())
    assert blocked == Rotated(NAME, changed=True, trouble="blocked: so it is")


def test_one_mirrors_refusal_is_told_and_a_refused_login_ends_it() -> None:
    trouble = turn(Keeps([MirrorState.VERIFIED]), Forms(ForgeForbiddenError("not ours to administer")))
    assert trouble == Rotated(NAME, trouble="not ours to administer")
    with pytest.raises(ForgeLoginError):
        turn(Keeps([MirrorState.VERIFIED]), Forms(ForgeLoginError("the session has ended")))
