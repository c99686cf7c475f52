"""300 jobs under injected faults, as `make chaos N=300` runs them: every invariant holds."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.chaos.__main__ import main
from tests.chaos.faults import RATES, Fault, Options, make_plan

MAY_FIND_NOBODY = {Fault.CANCEL_HELD, Fault.CANCEL_QUEUED, Fault.CANCEL_LOST}
"""Faults whose victims may all be gone when they are due; every other kind must have happened."""


@pytest.mark.timeout(600)  # about 35 s on two idle cores
def test_no_invariant_breaks_under_faults(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code = main(["--jobs", "300", "--seed", "1", "--json", "--keep", str(tmp_path)])
    said = json.loads(capsys.readouterr().out)
    assert said["violations"] == []
    assert code == 0
    figures = said["figures"]
    assert figures["jobs"] == 300
    assert figures["atomic audits"] > 0
    assert {kind for kind in Fault if not figures.get(f"fault {kind}")} <= MAY_FIND_NOBODY


def test_a_seed_gives_the_same_plan_and_another_seed_another() -> None:
    assert make_plan(Options(seed=7)) == make_plan(Options(seed=7))
    assert make_plan(Options(seed=7)) != make_plan(Options(seed=8))


def test_every_kind_of_fault_is_in_the_smallest_plan() -> None:
    assert {due.fault for due in make_plan(Options(jobs=10)).faults} == set(Fault) == set(RATES)


def test_without_power_loss_no_compiler_is_asked_for() -> None:
    faults = {due.fault for due in make_plan(Options(power_loss=False)).faults}
    assert faults == set(Fault) - {Fault.POWER_LOSS}
