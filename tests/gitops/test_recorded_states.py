"""What a real kustomize-controller (1.7.3) says of good and bad commits: how far each is read to be, and what is done.

`recorded/` was written down from a cluster of real parts (`tests/cluster/gitops`): in each file the commit that was
pushed and the last good one, then the GitRepository and the Kustomization as they were.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from raibid.gitops.objects import Manifest, ref_of
from raibid.gitops.rollback.decide import Branch, Facts, Kind, Suspect, decide
from raibid.gitops.rollback.facts import of_kustomization, source_of
from raibid.gitops.rollback.second_attempt import request
from raibid.gitops.watch import flux
from raibid.gitops.watch.outcome import Outcome
from raibid.gitops.watch.revisions import Line
from ruamel.yaml import YAML

_FILES = Path(__file__).parent / "recorded"


@dataclass(frozen=True)
class Recorded:
    """One file."""

    commit: str
    good: str
    source: Manifest
    stage: Manifest

    @classmethod
    def load(cls, name: str) -> Recorded:
        about, source, stage = YAML(typ="safe").load_all((_FILES / f"{name}.yaml").read_text())
        return cls(about["commit"], about["good"], source, stage)

    @property
    def fetched_at(self) -> datetime:
        return datetime.fromisoformat(self.source["status"]["artifact"]["lastUpdateTime"])

    def facts(self) -> Facts:
        """For the decision, on a branch that has nothing newer."""
        branch = Branch(head=self.commit, good_is_ancestor=True, suspects=(Suspect(self.commit),))
        return replace(of_kustomization(self.stage, source_of(self.source)), branch=branch)

    def tried_again(self) -> Recorded:
        """After the second attempt that was asked for, which ended no better."""
        handled = request(self.commit, self.fetched_at.isoformat())
        return replace(
            self, stage={**self.stage, "status": {**self.stage["status"], "lastHandledReconcileAt": handled}}
        )


@pytest.mark.parametrize(
    ("name", "outcome", "final"),
    [
        ("healthy", Outcome.HEALTHY, True),
        ("healed-after-a-failed-check", Outcome.HEALTHY, True),
        ("invalid-manifest", Outcome.FAILING, True),
        ("no-yaml", Outcome.FAILING, True),
        ("wrong-age-key", Outcome.FAILING, True),
        ("health-check-under-way", Outcome.NOT_HEALTHY, False),
        ("tried-again", Outcome.NOT_ATTEMPTED, False),
        ("image-missing", Outcome.NOT_HEALTHY, True),
        ("image-missing-twice", Outcome.NOT_HEALTHY, True),
        ("dependency-not-ready", Outcome.NOT_ATTEMPTED, False),
        ("storage-lost", Outcome.NOT_ATTEMPTED, False),
        ("suspended", Outcome.SUSPENDED, True),
        ("forge-down", Outcome.NOT_FETCHED, False),
    ],
)
def test_how_far_a_commit_is(name: str, outcome: Outcome, final: bool) -> None:
    seen = Recorded.load(name)
    line = Line(seen.commit, lambda ancestor, descendant: (ancestor, descendant) != (seen.commit, seen.good))
    found = flux.progress(
        flux.Facts(
            line=line,
            applier_ref=ref_of(seen.stage),
            applier=seen.stage,
            source_ref=ref_of(seen.source),
            source=seen.source,
        )
    )
    assert (found.outcome, found.done) == (outcome, final), found.message


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("healthy", Kind.NEVER),
        ("healed-after-a-failed-check", Kind.NEVER),
        ("invalid-manifest", Kind.ROLL_BACK),
        ("no-yaml", Kind.WAIT),
        ("wrong-age-key", Kind.NEVER),
        ("health-check-under-way", Kind.WAIT),
        ("tried-again", Kind.WAIT),
        ("image-missing", Kind.ROLL_BACK),
        ("image-missing-twice", Kind.ROLL_BACK),
        ("dependency-not-ready", Kind.NEVER),
        ("storage-lost", Kind.NEVER),
        ("suspended", Kind.NEVER),
        ("forge-down", Kind.NEVER),
    ],
)
def test_what_is_done_when_a_stages_timeout_has_passed(name: str, kind: Kind) -> None:
    seen = Recorded.load(name)
    decision = decide(seen.facts(), now=seen.fetched_at + timedelta(minutes=1))
    assert decision.kind is kind, decision.reason
    if kind is Kind.ROLL_BACK:
        assert (decision.good, decision.bad) == (seen.good, seen.commit)


def test_a_check_that_failed_once_is_waited_for() -> None:
    seen = Recorded.load("image-missing")
    decision = decide(seen.facts(), now=seen.fetched_at + timedelta(seconds=12))
    assert (decision.kind, decision.ask_again) == (Kind.WAIT, True)


def test_a_build_that_failed_is_asked_for_again_before_it_is_taken_back() -> None:
    """It leaves no entry in the history, and a stage with dependencies may have been tried at any time."""
    seen = Recorded.load("no-yaml")
    now = seen.fetched_at + timedelta(minutes=1)
    assert decide(seen.facts(), now=now).ask_again
    assert decide(seen.tried_again().facts(), now=now).kind is Kind.ROLL_BACK


def test_every_recorded_state_is_looked_at() -> None:
    (cases,) = test_how_far_a_commit_is.pytestmark  # type: ignore[attr-defined]
    assert {name for name, *_ in cases.args[1]} == {file.stem for file in _FILES.glob("*.yaml")}
