"""A change in Git: shown, tried, asked, landed, followed. What all commands have alike that make one.

Owns: the order.
Leaves to others: what is changed (`gitops_change.py`, `gitops_apply.py`), what is shown (`gitops_show.py`), each step
(`raibid.gitops`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from raibid.cli.gitops_show import Report, confirm, end, preview, warn
from raibid.cli.output import Output
from raibid.contract import ExitCode

if TYPE_CHECKING:
    from raibid.cli.gitops_change import How
    from raibid.gitops.change.landing import Landed
    from raibid.gitops.change.operation import Asked, Change, Edits
    from raibid.gitops.change.trial import Trial
    from raibid.gitops.cluster import Cluster
    from raibid.gitops.owner.ownership import Claim, Place
    from raibid.gitops.watch.outcome import Result


@dataclass(frozen=True, kw_only=True)
class InGit:
    """One change and who brings it into the cluster."""

    place: Place
    edits: Edits
    asked: Asked
    claims: tuple[Claim, ...]
    trial: Callable[[], Trial]
    """Tries it on the API server. Raises KubeError: it is not taken."""
    values: Mapping[str, object] = field(default_factory=dict)
    """What fields of the object shall be in the end."""


def committed(connected: Cluster, change: InGit, how: How, output: Output) -> int:
    """Make it, once somebody has agreed; the exit code.

    Raises:
        GitopsError, KubeError, CallError, GitError: it was not made. CliError: nobody agreed.
    """
    from raibid.cli.gitops_access import credentials, settings
    from raibid.cli.gitops_progress import end as watched
    from raibid.gitops.change.operation import Change
    from raibid.gitops.change.trial import Trial
    from raibid.gitops.settings import Policy

    operators, asked = settings(), change.asked
    output.say(f"looking into {change.place.repository}")
    begun = Change.begin(change.place, change.edits, asked, settings=operators, credentials=credentials())
    with begun as clone:
        report = Report(asked.about, clone.checkout.url, clone.checkout.branch, clone.diff)
        report.notes, report.warnings = list(clone.notes), list(asked.warnings)
        preview(output, report)
        # After the diff: who is refused wants to see what was tried.
        trial = change.trial() if clone.diff else Trial(False)
        warn(output, trial.warnings)
        report.tried = trial.tried
        report.warnings += trial.warnings
        landed = None
        if clone.diff and not how.dry_run:
            confirm(f"commit to {report.branch} of {report.repository}?", yes=how.yes)
            landed = clone.land(Policy(how.policy) if how.policy else operators.policy)
            note(report, landed)
        end(output, report)
        if landed is None or landed.branch != report.branch or not how.watch:
            return ExitCode.OK
        result = _followed(connected, change, clone, trial, landed, output)
    return watched(output, result)


def _followed(
    connected: Cluster, change: InGit, clone: Change, trial: Trial, landed: Landed, output: Output
) -> Result:  # fmt: skip
    from raibid.cli.gitops_access import settings
    from raibid.cli.gitops_progress import shown
    from raibid.gitops.change.proof import carriers, wished_of
    from raibid.gitops.watch.follow import follow
    from raibid.gitops.watch.lineage import reverts_in

    # A variable is another applier's, perhaps: until that has the commit, the object gets the old value.
    through = list(carriers(connected, clone.through))
    about = change.asked.about[0]
    with shown(output) as tell:
        return follow(
            connected,
            [*through, *change.claims],
            landed.sha,
            settings=settings(),
            tell=tell,
            contains=clone.checkout.contains,
            reverts=reverts_in(clone.checkout),
            wished=[wished_of(about, change.values, trial.manifest, secret=clone.secret)] if clone.through else (),
        )


def note(report: Report, landed: Landed | None) -> None:
    """Where a change is now."""
    if landed is None:  # somebody has just done the same
        report.diff = ""
        return
    report.done = {"commit": landed.sha, "branch": landed.branch}
    if landed.pull:
        report.done |= {"pull request": landed.url, "number": landed.pull}
    elif landed.url:
        report.done["open the pull request by hand"] = landed.url
