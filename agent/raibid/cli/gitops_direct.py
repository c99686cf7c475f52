"""A direct change of what nobody applies from Git: shown, asked, made.

Owns: the order, what is said.
Leaves to others: which objects may be changed so (`gitops_change.py`, `gitops_apply.py`), the change itself
(`raibid.gitops.change.direct`).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from raibid.cli.gitops_show import Report, confirm, end, preview
from raibid.cli.output import Output
from raibid.contract import ExitCode

if TYPE_CHECKING:
    from raibid.cli.gitops_change import How
    from raibid.gitops.change.direct import Direct


def directly(changes: Sequence[Direct], how: How, output: Output, *notes: str) -> int:
    """Make these changes, once somebody has agreed.

    Raises:
        KubeError: the API server takes one of them not; none is made then.
    """
    report = Report(
        [change.about for change in changes],
        diff="".join(change.diff for change in changes),
        notes=list(notes),
        warnings=[warning for change in changes for warning in change.trial.warnings],
        tried=all(change.trial.tried for change in changes),
    )
    preview(output, report)
    for change in changes:
        if change.refused is not None:
            raise change.refused
    wanted = [change for change in changes if change.diff]
    if wanted and not how.dry_run:
        names = ", ".join(str(change.about) for change in wanted)
        confirm(f"apply {names} in the cluster?", yes=how.yes)
        for change in wanted:
            change.send()
        report.done["applied"] = names
    end(output, report)
    return ExitCode.OK
