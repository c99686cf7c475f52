"""The decision what a push or a pull request becomes: a job, or nothing and why. Pure.

Owns: the order of the reasons, the dedupe key, which jobs supersede each other.
Leaves to others: the file the rules come from (`enrolment.py`), what the payload does not tell
(`raibid.api.real_changes`), limits while it waits (`raibid.ledger`).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from raibid.forge.enrolment import Enrolment, RepositoryRule
from raibid.model.conditions import passes
from raibid.model.job import JobSpec
from raibid.model.pull_request_event import PullRequestEvent, pull_number
from raibid.model.push_event import PushEvent

_SKIP_CI: Final = re.compile(r"\[(?:skip[ -]*ci|ci[ -]*skip|no[ -]ci|skip actions|actions skip)\]", re.IGNORECASE)
"""Woodpecker's spellings (`server/pipeline/create.go`: any number of blanks) and GitHub's ("Skipping workflow runs"),
anywhere in the message."""
_SKIP_CHECKS: Final = re.compile(r"skip-checks: *true", re.IGNORECASE)
"""GitHub's trailer, in the last line."""
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


def dedupe_key(repo: str, ref: str, sha: str, *, forge: str) -> str:
    """One job per commit of a ref, whoever reports it: hook, redelivery, mirror, reconciler.

    The forge's delivery id is not part of it: it is an unsigned header, so a replay could choose it.
    """
    return f"{repo}|{ref}|{sha}{_whose(ref, forge)}"


def must_be_approved(spec: JobSpec, enrolment: Enrolment) -> bool:
    """Whether a person must look at it first: the repository's rule, or code of somebody who may not push there."""
    rule = enrolment.rule(spec.repo)
    return bool(spec.fork or (rule and rule.approval))


def decide(event: Event, enrolment: Enrolment) -> Build | Skip:
    """What the forge's news becomes."""
    if isinstance(event, PushEvent) and (reason := _no_branch(event)):
        return Skip(reason)
    rule = enrolment.rule(event.repo, mirror=event.mirror)
    if rule is None:
        copy = f"{event.repo} is a mirror that the enrolment file does not name"
        return Skip(copy if event.mirror else f"{event.repo} is not in the enrolment file")
    if reason := _left_out(event, rule):
        return Skip(reason)
    spec = _push(event, rule) if isinstance(event, PushEvent) else _pull_request(event, rule)
    return Build(spec, dedupe_key(spec.repo, spec.ref, spec.sha, forge=spec.forge), must_be_approved(spec, enrolment))


def _no_branch(push: PushEvent) -> str:
    if push.deletes:
        return "the ref was deleted"
    if push.ref.startswith("refs/heads/"):
        return ""
    return "tags are not built" if push.ref.startswith("refs/tags/") else f"{push.ref} is not a branch"


def _left_out(event: Event, rule: RepositoryRule) -> str:
    """Why the event's own words, or the repository's rule, leave it unbuilt; empty: they do not."""
    if _says_to_skip(event.message):
        return "the head commit's message says to skip CI"
    if isinstance(event, PullRequestEvent) and _SKIP_CI.search(event.title):
        return "the pull request's title says to skip CI"
    branch = event.ref.removeprefix("refs/heads/") if isinstance(event, PushEvent) else event.base
    if rule.branches and not passes(rule.branches, branch):
        return f"branch {branch} is not selected for {event.repo}"
    # Not knowing what changed is no reason to leave it unbuilt.
    if rule.paths and event.changed is not None and not any(passes(rule.paths, path) for path in event.changed):
        return f"no changed file is selected for {event.repo}"
    return ""


def _says_to_skip(message: str) -> bool:
    return bool(_SKIP_CI.search(message) or _SKIP_CHECKS.fullmatch(message.rstrip().rpartition("\n")[2]))


def _push(event: PushEvent, rule: RepositoryRule) -> JobSpec:
    side = event.default_branch not in ("", event.ref.removeprefix("refs/heads/"))
    return JobSpec(
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
        group=_group(event, rule, otherwise=side),
    )


def _pull_request(event: PullRequestEvent, rule: RepositoryRule) -> JobSpec:
    return JobSpec(
        repo=event.repo,
        clone_url=event.clone_url,
        ref=event.ref,
        sha=event.sha,
        event="pull_request",
        forge=event.forge,
        message=event.title,
        author=event.author,
        sender=event.sender,
        default_branch=event.default_branch,
        changed=event.changed,
        priority=rule.priority_class,
        resource=rule.resource,
        link=event.link,
        fork=event.fork,
        base=event.base,
        group=_group(event, rule, otherwise=True),
    )


def _group(event: Event, rule: RepositoryRule, *, otherwise: bool) -> str:
    """Jobs of the same ref, of which only the newest matters; empty: each of them does, as on the default branch."""
    superseding = otherwise if rule.supersede is None else rule.supersede
    return f"{event.repo}|{event.ref}{_whose(event.ref, event.forge)}" if superseding else ""


def _whose(ref: str, forge: str) -> str:
    """Two forges with a repository of that name each have a first pull request; their branches are the same ones."""
    return f"|{forge}" if pull_number(ref) else ""
