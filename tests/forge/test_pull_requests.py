"""Pull requests as a real Gitea 1.26 tells them: which are built, at which commit, and which wait for a person."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from raibid.forge import Build, Enrolment, PayloadError, RepositoryRule, Skip, decide, gitea, github
from raibid.forge.open_pulls import OpenPull, events_of
from raibid.model.pull_request_event import PullRequestClosed, PullRequestEvent

from tests.forge.test_payloads import mutated

FIXTURES = Path(__file__).parent / "fixtures"
OPEN = Enrolment.everything()
Pull = Callable[[str], PullRequestEvent | PullRequestClosed | None]


def event(pull_request: Pull, name: str) -> PullRequestEvent:
    event = pull_request(name)
    assert isinstance(event, PullRequestEvent)
    return event


def build(event: PullRequestEvent, enrolment: Enrolment = OPEN) -> Build:
    verdict = decide(event, enrolment)
    assert isinstance(verdict, Build)
    return verdict


def changed(event: PullRequestEvent, **changes: object) -> PullRequestEvent:
    return msgspec.structs.replace(event, **changes)


def rules(**rule: object) -> Enrolment:
    return Enrolment(repositories={"acme/anvil": RepositoryRule.model_validate(rule)})


@pytest.mark.parametrize("action", ["opened", "synchronized", "reopened"])
def test_an_action_that_brings_code_is_a_job_at_the_head_commit(pull_request: Pull, action: str) -> None:
    name = f"gitea-pull-request-{action}"
    spec = build(event(pull_request, name)).spec
    head = json.loads((FIXTURES / f"{name}.json").read_bytes())["pull_request"]["head"]["sha"]
    assert (spec.repo, spec.ref, spec.sha, spec.event) == ("acme/anvil", "refs/pull/1/head", head, "pull_request")
    assert spec.clone_url == "https://git.example.test/acme/anvil.git"
    assert spec.link == "https://git.example.test/acme/anvil/pulls/1"
    assert (spec.author, spec.default_branch) == ("wile", "main")


def test_an_action_that_brings_no_code_is_none(pull_request: Pull) -> None:
    assert pull_request("gitea-pull-request-edited") is None


def test_closing_is_told_with_the_ref_its_jobs_have(pull_request: Pull) -> None:
    closed = pull_request("gitea-pull-request-closed")
    assert closed == PullRequestClosed(forge="gitea", repo="acme/anvil", number=1)
    assert closed.ref == event(pull_request, "gitea-pull-request-opened").ref


def test_a_pull_request_of_the_same_repository_runs_at_once(pull_request: Pull) -> None:
    made = build(event(pull_request, "gitea-pull-request-opened"))
    assert (made.hold, made.spec.fork) == (False, "")


@pytest.mark.parametrize("action", ["opened", "synchronized"])
def test_a_pull_request_from_a_fork_waits_for_a_person_at_every_commit(pull_request: Pull, action: str) -> None:
    made = build(event(pull_request, f"gitea-fork-pull-request-{action}"))
    assert (made.hold, made.spec.fork) == (True, "runner/anvil")
    assert made.spec.clone_url == "https://git.example.test/acme/anvil.git", "the base repository has the head"


def test_a_pull_request_whose_fork_is_gone_waits_too(pull_request: Pull) -> None:
    made = build(event(pull_request, "gitea-pull-request-of-a-deleted-fork"))
    assert (made.hold, made.spec.fork) == (True, "no branch that is there")


def test_what_a_reader_pushed_for_review_is_no_branch_of_the_base_repository(pull_request: Pull) -> None:
    # Gitea's AGit flow: `git push origin HEAD:refs/for/main/topic`. Gitea names the base repository as the head's.
    made = build(event(pull_request, "gitea-agit-pull-request-opened"))
    assert (made.hold, made.spec.fork, made.spec.repo) == (True, "no branch that is there", "acme/anvil")


def test_a_list_of_open_pull_requests_tells_the_same_as_the_webhook(pull_request: Pull) -> None:
    payload = json.loads((FIXTURES / "gitea-agit-pull-request-opened.json").read_bytes())
    payload["pull_request"]["number"] = payload["number"]
    [listed] = events_of([msgspec.convert(payload["pull_request"], OpenPull)], forge="gitea")
    assert listed == changed(event(pull_request, "gitea-agit-pull-request-opened"), sender="")
    assert build(listed).hold


def test_who_opened_it_again_did_not_bring_its_commit(pull_request: Pull) -> None:
    assert event(pull_request, "gitea-pull-request-synchronized").sender
    assert event(pull_request, "gitea-pull-request-reopened").sender == ""


def test_opening_and_reopening_at_one_commit_share_a_dedupe_key(pull_request: Pull) -> None:
    opened = event(pull_request, "gitea-pull-request-opened")
    again = msgspec.structs.replace(opened, title="Another title")
    assert build(opened).dedupe == build(again).dedupe


@pytest.mark.parametrize("change", [{"repo": "acme/other"}, {"number": 2}, {"sha": "1" * 40}, {"forge": "github"}])
def test_another_repository_number_commit_or_forge_is_another_job(pull_request: Pull, change: dict[str, Any]) -> None:
    opened = event(pull_request, "gitea-pull-request-opened")
    assert build(msgspec.structs.replace(opened, **change)).dedupe != build(opened).dedupe


def test_the_push_of_the_same_commit_is_another_job(pull_request: Pull) -> None:
    made = build(event(pull_request, "gitea-pull-request-opened"))
    assert made.dedupe == f"acme/anvil|refs/pull/1/head|{made.spec.sha}|gitea"


def test_the_branch_filter_means_the_branch_it_goes_into(pull_request: Pull) -> None:
    opened = event(pull_request, "gitea-pull-request-opened")
    build(opened, rules(branches=["main"]))
    verdict = decide(opened, rules(branches=["release/*"]))
    assert verdict == Skip("branch main is not selected for acme/anvil")


def test_the_path_filter_lets_it_through_while_its_files_are_not_known(pull_request: Pull) -> None:
    build(event(pull_request, "gitea-pull-request-opened"), rules(paths=["nowhere/**"]))


def test_the_path_filter_means_what_it_changes_against_its_base(pull_request: Pull) -> None:
    opened = changed(event(pull_request, "gitea-pull-request-opened"), changed=("README.md",))
    assert build(opened, rules(paths=["*.md"])).spec.changed == ("README.md",)
    assert decide(opened, rules(paths=["src/**"])) == Skip("no changed file is selected for acme/anvil")


def test_skip_ci_in_the_heads_message_or_in_the_title_is_obeyed(pull_request: Pull) -> None:
    opened = event(pull_request, "gitea-pull-request-opened")
    for change, place in (({"message": "docs\n\n[ci skip]"}, "message"), ({"title": "Docs [SKIP CI]"}, "title")):
        verdict = decide(changed(opened, **change), OPEN)
        assert isinstance(verdict, Skip)
        assert place in verdict.reason


def test_only_the_newest_commit_of_a_pull_request_matters_unless_the_rule_says_otherwise(pull_request: Pull) -> None:
    opened = event(pull_request, "gitea-pull-request-opened")
    assert build(opened).spec.group == "acme/anvil|refs/pull/1/head|gitea"
    assert build(changed(opened, forge="github")).spec.group != build(opened).spec.group, "another forge counts anew"
    assert build(opened, rules(supersede=False)).spec.group == ""


def test_who_opened_it_and_who_brought_this_commit_are_told_apart(pull_request: Pull) -> None:
    spec = build(event(pull_request, "github-pull-request-synchronize")).spec
    assert (spec.author, spec.sender) == ("runner", "runner")


def test_a_repository_that_is_not_enrolled_is_skipped(pull_request: Pull) -> None:
    assert isinstance(decide(event(pull_request, "gitea-pull-request-opened"), Enrolment()), Skip)


def test_the_rule_gives_priority_resource_and_approval(pull_request: Pull) -> None:
    made = build(event(pull_request, "gitea-pull-request-opened"), rules(resource="gpu", approval=True))
    assert (made.hold, made.spec.resource, made.spec.fork) == (True, "gpu", "")


def test_githubs_pull_request_is_the_same_but_for_one_word(pull_request: Pull) -> None:
    made = build(event(pull_request, "github-pull-request-synchronize"))
    assert (made.spec.forge, made.spec.ref, made.spec.fork, made.hold) == (
        "github",
        "refs/pull/7/head",
        "runner/anvil",
        True,
    )


def test_a_pull_request_is_on_no_branch_so_no_branch_filter_of_a_step_lets_it_through(pull_request: Pull) -> None:
    assert build(event(pull_request, "gitea-pull-request-opened")).spec.branch == "refs/pull/1/head"


def wrong(path: str, value: Any) -> bytes:
    payload = json.loads((FIXTURES / "gitea-pull-request-opened.json").read_bytes())
    *parents, last = path.split(".")
    place = payload
    for parent in parents:
        place = place[parent]
    place[last] = value
    return json.dumps(payload).encode()


WRONG = {
    "empty": b"",
    "no-fields": b"{}",
    "number-zero": wrong("number", 0),
    "number-text": wrong("number", "1"),
    "number-huge": wrong("number", 10**30),
    "sha-short": wrong("pull_request.head.sha", "abc"),
    "sha-option": wrong("pull_request.head.sha", "--upload-pack=id"),
    "head-null": wrong("pull_request.head", None),
    "base-dots": wrong("pull_request.base.ref", "../main"),
    "repo-bar": wrong("repository.full_name", "acme/a|gpu"),
    "fork-up": wrong("pull_request.head.repo.full_name", "acme/.."),
    "url-password": wrong("repository.clone_url", "https://wile:hunter2@git.example.test/acme/anvil.git"),
    "url-ext": wrong("repository.clone_url", "ext::sh -c id"),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_pull_request_is_a_payload_error(name: str) -> None:
    with pytest.raises(PayloadError) as raised:
        gitea.parse({"x-gitea-event": "pull_request"}, WRONG[name])
    assert "hunter2" not in str(raised.value)


@settings(max_examples=200)
@given(data=st.data())
def test_a_mutated_pull_request_is_an_event_none_or_a_payload_error(data: st.DataObject) -> None:
    name, parse, header = data.draw(
        st.sampled_from(
            [
                ("gitea-fork-pull-request-opened", gitea.parse, "x-gitea-event"),
                ("github-pull-request-synchronize", github.parse, "x-github-event"),
            ]
        )
    )
    body = mutated(data, json.loads((FIXTURES / f"{name}.json").read_bytes()))
    try:
        parsed = parse({header: "pull_request"}, body)
    except PayloadError:
        return
    if isinstance(parsed, PullRequestEvent):
        made = build(parsed)
        assert made.hold == (parsed.head_repo != parsed.repo)
        assert "|" not in parsed.repo
