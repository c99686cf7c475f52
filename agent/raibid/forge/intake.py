"""The decision what a push or a pull request becomes: a job, or nothing and why. Pure.

Owns: the order of the reasons, the dedupe key.
Leaves to others: the file the rules come from (`enrolment.py`), limits while it waits (`raibid.ledger`).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from raibid.forge.enrolment import Enrolment
from raibid.model.conditions import passes
from raibid.model.job import JobSpec
from raibid.model.pull_request_event import PullRequestEvent
from raibid.model.push_event import PushEvent

# Woodpecker's and GitHub's spellings, anywhere in the head commit's message.
_SKIP_CI: Final = re.compile(r"\[(?:skip[ -]ci|ci[ -]skip|no[ -]ci|skip actions|actions skip)\]", re.IGNORECASE)
_LONGEST_TITLE: Final = 200


Event = PushEvent | PullRequestEvent
"""What a forge can tell us that may be built."""


@dataclass(frozen=True, slots=True)
class Skip:
    """Nothing is built, for this reason."""

    reason: str


@dataclass(frozen=True, slots=True)
class Build:
    """A job to enqueue."""

    spec: JobSpec
    dedupe: str
    hold: bool  #: waits for a person's approval


def dedupe_key(repo: str, ref: str, sha: str) -> str:
    """One job per commit of a ref, whoever reports it: hook, redelivery, mirror, reconciler.

    The forge's delivery id is not part of it: it is an unsigned header, so a replay could choose it.
    """
    return f"{repo}|{ref}|{sha}"


def must_be_approved(spec: JobSpec, enrolment: Enrolment) -> bool:
    """Whether a person must look at it first: the repository's rule, or code of somebody who may not push there."""
    rule = enrolment.rule(spec.repo)
    return bool(spec.fork or (rule and rule.approval))


def decide(event: Event, enrolment: Enrolment) -> Build | Skip:
    """What the forge's news becomes."""
    return _push(event, enrolment) if isinstance(event, PushEvent) else _pull_request(event, enrolment)


def _push(event: PushEvent, enrolment: Enrolment) -> Build | Skip:
    if event.deletes:
        return Skip("the ref was deleted")
    if not event.ref.startswith("refs/heads/"):
        return Skip("tags are not built" if event.ref.startswith("refs/tags/") else f"{event.ref} is not a branch")
    rule = enrolment.rule(event.repo)
    if rule is None:
        return Skip(f"{event.repo} is not in the enrolment file")
    if _SKIP_CI.search(event.message):
        return Skip("the head commit's message says to skip CI")
    branch = event.ref.removeprefix("refs/heads/")
    if rule.branches and not passes(rule.branches, branch):
        return Skip(f"branch {branch} is not selected for {event.repo}")
    # Not knowing what changed is no reason to leave it unbuilt.
    if rule.paths and event.changed is not None and not any(passes(rule.paths, path) for path in event.changed):
        return Skip(f"no changed file is selected for {event.repo}")
    spec = JobSpec(
        repo=event.repo,
        clone_url=event.clone_url,
        ref=event.ref,
        sha=event.after,
        forge=event.forge,
        before=event.before,
        message=event.message.split("\n", 1)[0][:_LONGEST_TITLE],
        author=event.author,
        default_branch=event.default_branch,
        changed=event.changed,
        priority=rule.priority_class,
        resource=rule.resource,
        link=event.link,
    )
    return Build(spec, dedupe_key(event.repo, event.ref, event.after), must_be_approved(spec, enrolment))


def _pull_request(event: PullRequestEvent, enrolment: Enrolment) -> Build | Skip:
    rule = enrolment.rule(event.repo)
    if rule is None:
        return Skip(f"{event.repo} is not in the enrolment file")
    if rule.branches and not passes(rule.branches, event.base):
        return Skip(f"branch {event.base} is not selected for {event.repo}")
    # The payload tells neither changed files nor commits' messages: path filters and `[skip ci]` are for pushes.
    spec = JobSpec(
        repo=event.repo,
        clone_url=event.clone_url,
        ref=event.ref,
        sha=event.sha,
        event="pull_request",
        forge=event.forge,
        message=event.title,
        author=event.author,
        default_branch=event.default_branch,
        priority=rule.priority_class,
        resource=rule.resource,
        link=event.link,
        fork=event.fork,
        base=event.base,
    )
    return Build(spec, dedupe_key(event.repo, event.ref, event.sha), must_be_approved(spec, enrolment))
