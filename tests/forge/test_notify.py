"""Which targets hear of an ending."""

from __future__ import annotations

import pytest
from raibid.forge.notify import Ending, NotifyRule, ending_of, targets_of
from raibid.model.job import TERMINAL

RULES = [
    NotifyRule.model_validate({"to": "team"}),
    NotifyRule.model_validate({"on": ["success"], "branches": "main", "to": ["main", "team"]}),
    NotifyRule.model_validate({"on": list(Ending), "branches": {"exclude": ["main"]}, "to": "others"}),
]


@pytest.mark.parametrize(
    ("branch", "ending", "targets"),
    [
        ("main", Ending.FAILED, {"team"}),
        ("main", Ending.DEAD, {"team"}),
        ("main", Ending.SUCCESS, {"main", "team"}),
        ("main", Ending.FIXED, {"main", "team"}),
        ("main", Ending.CANCELLED, set()),
        ("side", Ending.CANCELLED, {"others"}),
        ("refs/pull/7/head", Ending.FAILED, {"team", "others"}),
    ],
)
def test_a_target_hears_what_some_rule_of_the_branch_names(branch: str, ending: Ending, targets: set[str]) -> None:
    assert targets_of(RULES, branch, ending) == targets


def test_every_end_of_a_job_is_an_ending() -> None:
    assert {ending_of(status) for status in TERMINAL} == set(Ending) - {Ending.FIXED}
