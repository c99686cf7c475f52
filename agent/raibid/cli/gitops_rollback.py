"""`raibid gitops rollback`: take commits back by hand.

Owns: the command's options, what is shown before anybody is asked.
Leaves to others: which commits (`raibid.gitops.rollback.by_hand`), the revert, the controller that does it unasked.
"""

from __future__ import annotations

import tempfile
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

from cyclopts import Parameter

from raibid.cli.errors import CliError
from raibid.cli.gitops_change import HOW, How, Namespace, by
from raibid.cli.gitops_commit import note
from raibid.cli.gitops_show import Report, confirm, end, must_be_able_to_ask, preview
from raibid.cli.output import PLAIN, Output
from raibid.contract import ExitCode

if TYPE_CHECKING:
    from raibid.gitops.change.checkout import Checkout
    from raibid.gitops.change.pull_request import Proposal
    from raibid.gitops.cluster import Cluster
    from raibid.gitops.rollback.by_hand import Plan, Subject
    from raibid.gitops.settings import GitopsSettings, Policy

_SHORT: Final = 12


def rollback(
    about: str,
    /,
    *,
    namespace: Namespace = "default",
    to: str = "",
    commit: Annotated[tuple[str, ...], Parameter(negative=())] = (),
    how: How = HOW,
    output: Output = PLAIN,
) -> int:
    """Take back, in Git, what an applier or a single object got from its branch, and follow it until it is healthy.

    Of an applier (kustomization/apps), the files that it reads; of any other object, the file that describes it. Other
    files of the same commits stay as they are, and so does what was pushed later. If neither --to nor --commit says
    what is meant: all since the last commit that passed, or, where nothing fails, the last change.

    For example:
      raibid gitops rollback kustomization/apps -n flux-system
      raibid gitops rollback deployment/raibid-api -n ci --to 3f2a9c1b --reason "leaks memory"
      raibid gitops rollback ks/apps -n flux-system --commit 3f2a9c1b --dry-run --json

    Parameters
    ----------
    about
        KIND/NAME, as kubectl takes it.
    namespace
        Its namespace.
    to
        The commit whose state is wanted again.
    commit
        A single commit to take back; may be given several times.
    """
    from raibid.cli.gitops_access import cluster, told
    from raibid.gitops.kinds import referred
    from raibid.gitops.rollback.by_hand import subject_of

    if to and commit:
        raise CliError("--to and --commit contradict each other", "say one of them", ExitCode.USAGE)
    must_be_able_to_ask(output, yes=how.yes, dry_run=how.dry_run)
    with told(), cluster(how.context) as connected:
        subject = subject_of(connected, referred(about, namespace, connected.kinds()))
        return _rolled_back(connected, subject, to, commit, how, output)


def _rolled_back(
    connected: Cluster, subject: Subject, to: str, commits: tuple[str, ...], how: How, output: Output
) -> int:
    from raibid.cli.gitops_access import credentials, settings
    from raibid.gitops.change.checkout import Checkout
    from raibid.gitops.change.fence import git_for
    from raibid.gitops.change.policy import deliver
    from raibid.gitops.rollback.by_hand import plan
    from raibid.gitops.rollback.revert import Why

    operators, place = settings(), subject.place
    url = operators.reachable(place.repository)
    why = Why(reason=how.reason, by=by(), object=None if subject.paths else subject.about)
    output.say(f"looking into {url}")
    with tempfile.TemporaryDirectory(prefix="raibid-gitops-") as room:
        checkout = Checkout.open(url, place.branch, Path(room) / "work", git_for(operators, credentials()))
        planned = plan(checkout, subject, to=to, commits=commits, now=datetime.now(UTC))
        report = _report(checkout, planned, planned.make(checkout, why))
        preview(output, report)
        landed = None
        if report.diff and not how.dry_run:
            confirm(f"commit to {report.branch} of {report.repository}?", yes=how.yes)
            landed = deliver(
                checkout,
                lambda newest: planned.make(newest, why),
                policy=_policy(planned, how, operators),
                proposal=_proposal(checkout, planned, how),
                credentials=credentials(),
            )
            note(report, landed)
        end(output, report)
        if landed is None or landed.branch != report.branch or not how.watch:
            return ExitCode.OK
        return _followed(connected, planned, checkout, landed.sha, operators, output)


def _report(checkout: Checkout, planned: Plan, sha: str | None) -> Report:
    subject, place = planned.subject, planned.subject.place
    report = Report([subject.about], repository=checkout.url, branch=checkout.branch)
    report.diff = checkout.difference(planned.bad, sha) if sha else ""
    report.notes = [f"takes back {commit.sha[:_SHORT]} {commit.subject}" for commit in planned.commits]
    if planned.good:
        report.notes.append(f"back to {planned.good[:_SHORT]}")
    report.warnings = [f"{reason}; so it becomes a pull request, unless --policy push" for reason in planned.exclusions]
    report.warnings += [f"{owner.ref} is suspended" for owner in subject.claim.chain if owner.suspended]
    facts = subject.facts
    if facts is not None and facts.suspended:
        report.warnings.append(f"{subject.about} is suspended: the commit is applied when it is resumed")
    if place.note:
        report.notes.append(place.note)
    return report


def _policy(planned: Plan, how: How, operators: GitopsSettings) -> Policy:
    from raibid.gitops.settings import Policy as Choice

    if how.policy:
        return Choice(how.policy)
    return Choice.PULL_REQUEST if planned.exclusions else operators.policy


def _proposal(checkout: Checkout, planned: Plan, how: How) -> Proposal:
    from raibid.gitops.change.pull_request import Proposal as Words
    from raibid.gitops.change.pull_request import branch_for

    subject = planned.subject
    taken = "\n".join(f"- {commit.sha} {commit.subject}" for commit in planned.commits)
    reasons = "\n".join(f"> **Warning:** {reason}" for reason in planned.exclusions)
    parts = [f"Takes back, asked by {by()} with `raibid gitops rollback`:", taken, how.reason, reasons]
    return Words(
        branch=branch_for(subject.about, ["rollback", checkout.git("rev-parse", "--short", planned.bad).strip()]),
        title=f"Roll back {subject.about}" + (f" to {planned.good[:_SHORT]}" if planned.good else ""),
        body="\n\n".join(part for part in parts if part),
    )


def _followed(
    connected: Cluster, planned: Plan, checkout: Checkout, sha: str, operators: GitopsSettings, output: Output
) -> int:
    from raibid.cli.gitops_progress import end as watched
    from raibid.cli.gitops_progress import shown
    from raibid.gitops.watch.follow import follow
    from raibid.gitops.watch.lineage import reverts_in

    with shown(output) as tell:
        claims = [planned.subject.claim]
        result = follow(
            connected,
            claims,
            sha,
            settings=operators,
            tell=tell,
            contains=checkout.contains,
            reverts=reverts_in(checkout),
        )
    return watched(output, result)
