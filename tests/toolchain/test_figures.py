"""Figures of tests that passed are shown, whichever worker measured them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
CONFTEST = """\
from tests.cluster.conftest import figure, pytest_terminal_summary

__all__ = ["figure", "pytest_terminal_summary"]
"""
TEST = "def test_it(figure):\n    figure('12 MB of something')\n"


@pytest.mark.parametrize("workers", ["0", "2"])
def test_a_figure_of_a_test_that_passed_is_shown_at_the_end(tmp_path: Path, workers: str) -> None:
    (tmp_path / "conftest.py").write_text(CONFTEST)
    (tmp_path / "test_measures.py").write_text(TEST)
    command = [sys.executable, "-m", "pytest", "-q", "-n", workers, f"--rootdir={tmp_path}", str(tmp_path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("12 MB of something") == 1
    assert "figures" in done.stdout
