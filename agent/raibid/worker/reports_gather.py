"""Reports around a build: the folder that its steps write them into, and what becomes of them in the end.

Owns: the variables by which steps find the folder, the log's lines, the report's fields.
Leaves to others: finding, reading and bounding (`reports.py`), the steps (`pipeline_run.py`).
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import msgspec

from raibid.model.job import Report
from raibid.model.pipeline import Reports
from raibid.worker import reports
from raibid.worker.output import Output
from raibid.worker.workspace import disk_error

FOLDER_VARIABLE: Final = "RAIBID_REPORTS"
"""A folder outside of the checkout. What steps write into it is read by its suffix, without a glob."""
PYTHON_VARIABLE: Final = "RAIBID_PYTHON"
"""The agent's own Python, which knows `raibid.worker.cargo_messages`; PATH may lead to another."""


@dataclass(frozen=True)
class Gathering:
    """The reports of one build, while it runs."""

    place: reports.Place

    @property
    def variables(self) -> dict[str, str]:
        """For the steps."""
        return {FOLDER_VARIABLE: str(self.place.folder), PYTHON_VARIABLE: sys.executable}

    def added(self, report: Report, globs: Reports, output: Output, *, succeeded: bool) -> Report:
        """The report with what the steps' files say, and a word on it in the log."""
        found = reports.find(self.place, globs, output.masked)
        lines = [*found.lines]
        if succeeded and globs.junit and not (found.tests or found.notes):
            lines.append(f"no new file with tests matches reports: {', '.join(globs.junit)}")
        if lines:
            output.begin("reports")
            output.say(*lines)
        return msgspec.structs.replace(
            report, tests=found.tests, annotations=found.annotations, annotations_left_out=found.left_out
        )


@contextmanager
def gathering(checkout: Path, env: Mapping[str, str]) -> Iterator[Gathering]:
    """A folder for reports in the steps' own TMPDIR, gone afterwards.

    Raises:
        InfrastructureError: it cannot be made.
    """
    try:
        made = tempfile.TemporaryDirectory(prefix="reports-", dir=env.get("TMPDIR"), ignore_cleanup_errors=True)
    except OSError as error:
        raise disk_error(error) from error
    with made as name:
        folder = Path(name)
        yield Gathering(reports.Place(checkout=checkout, folder=folder, since=folder.stat().st_mtime_ns))
