"""What a push becomes."""

from __future__ import annotations

from collections.abc import Callable

import msgspec
import pytest
from raibid.forge import Build, Enrolment, RepositoryRule, Skip, decide
from raibid.model.job import Priority
from raibid.model.push_event import PushEvent

OPEN = Enrolment.everything()


Push = Callable[..., PushEvent]
Event = Callable[[str], PushEvent]


@pytest.fixture
def push(event: Event) -> Push:
    """A push to main of acme/anvil, with changes."""
    return lambda **changes: msgspec.structs.replace(event("gitea-push"), **changes)


def rules(**rule: object) -> Enrolment:
    return Enrolment(repositories={"acme/anvil": RepositoryRule.model_validate(rule)})


def mirrors(glob: str, **more: object) -> Enrolment:
    return Enrolment.model_validate({"mirrors": [glob], **more})


def reason(push: PushEvent, enrolment: Enrolment = OPEN) -> str:
    verdict = decide(push, enrolment)
    assert isinstance(verdict, Skip)
    return verdict.reason


def build(push: PushEvent, enrolment: Enrolment = OPEN) -> Build:
    verdict = decide(push, enrolment)
    assert isinstance(verdict, Build)
    return verdict


def test_a_push_to_a_branch_is_built_at_its_commit(push: Push) -> None:
    made = build(push())
    assert (made.spec.repo, made.spec.branch, made.spec.sha) == ("acme/anvil", "main", push().after)
    assert made.spec.message == "anvil: release on beep-beep"
    assert not made.hold


def test_a_push_is_one_job_whichever_forge_tells_of_it(push: Push) -> None:
    assert build(push(forge="gitea")).dedupe == build(push(forge="github")).dedupe


@pytest.mark.parametrize("change", [{"repo": "acme/other"}, {"ref": "refs/heads/dev"}, {"after": "1" * 40}])
def test_another_repository_ref_or_commit_is_another_job(push: Push, change: dict[str, str]) -> None:
    assert build(push(**change)).dedupe != build(push()).dedupe


@pytest.mark.parametrize("name", ["gitea-branch-deleted", "github-branch-deleted"])
def test_deletions_are_skipped(event: Event, name: str) -> None:
    assert reason(event(name)) == "the ref was deleted"


@pytest.mark.parametrize("name", ["gitea-tag", "github-tag"])
def test_tags_are_skipped(event: Event, name: str) -> None:
    assert reason(event(name)) == "tags are not built"


def test_other_refs_are_skipped(push: Push) -> None:
    assert "not a branch" in reason(push(ref="refs/pull/1/head"))


@pytest.mark.parametrize(
    "word",
    ["[skip ci]", "[CI SKIP]", "[Skip-CI]", "[no ci]", "[skip actions]", "[ACTIONS SKIP]", "[skip   CI]", "[CISKIP]"],
)
def test_skip_ci_in_the_head_message_is_obeyed_in_any_case(push: Push, word: str) -> None:
    assert "skip CI" in reason(push(message=f"docs: typo\n\n{word}\n"))


@pytest.mark.parametrize("trailer", ["skip-checks: true", "Skip-Checks:true", "skip-checks: true\n\n"])
def test_githubs_trailer_is_obeyed_in_the_last_line_only(push: Push, trailer: str) -> None:
    assert "skip CI" in reason(push(message=f"docs: typo\n\n\n{trailer}"))
    build(push(message=f"docs: typo\n\n{trailer}\nis a trailer"))


def test_skip_ci_without_brackets_is_prose(push: Push) -> None:
    build(push(message="docs: how to skip ci"))


def test_only_named_repositories_are_built_without_a_default(push: Push) -> None:
    assert "not in the enrolment file" in reason(push(repo="acme/rocket"), rules())
    build(push(), rules())


def test_branch_filter(push: Push) -> None:
    only = rules(branches={"include": ["main", "release/*"], "exclude": ["release/old"]})
    build(push(), only)
    build(push(ref="refs/heads/release/2"), only)
    assert "branch release/old" in reason(push(ref="refs/heads/release/old"), only)
    assert "branch dev" in reason(push(ref="refs/heads/dev"), only)


def test_path_filter_builds_when_one_changed_file_is_selected(push: Push) -> None:
    only = rules(paths={"include": ["src/**"], "exclude": ["**/*.md"]})
    build(push(changed=("README.md", "src/a.rs")), only)
    assert "no changed file" in reason(push(changed=("README.md", "src/notes.md")), only)


def test_unknown_changes_are_built(push: Push) -> None:
    build(push(changed=None), rules(paths=["src/**"]))


def test_the_rule_gives_priority_resource_and_approval(push: Push) -> None:
    made = build(push(), rules(priority="urgent", resource="gpu", approval=True))
    assert (made.spec.priority, made.spec.resource, made.hold) == (Priority.URGENT, "gpu", True)
    assert made.spec.lane == "acme/anvil|gpu"


def test_a_mirror_is_built_only_when_the_enrolment_file_names_it(push: Push) -> None:
    named, matched = rules(), mirrors("acme/a*", default={})
    assert reason(push(mirror=True)) == "acme/anvil is a mirror that the enrolment file does not name"
    assert "mirror" in reason(push(mirror=True, repo="acme/rocket"), matched)
    build(push(mirror=True), named)
    build(push(mirror=True), matched)


def test_a_mirror_that_a_glob_matches_needs_no_default_rule_and_obeys_one(push: Push) -> None:
    build(push(mirror=True), mirrors("acme/*"))
    strict = mirrors("acme/*", default={"branches": ["dev"]})
    assert "branch main" in reason(push(mirror=True), strict)


def test_a_glob_of_mirrors_enrols_nothing_that_is_none(push: Push) -> None:
    assert "not in the enrolment file" in reason(push(), mirrors("acme/*"))


def test_newer_commits_supersede_on_side_branches_and_not_on_the_default_one(push: Push) -> None:
    assert build(push()).spec.group == ""
    assert build(push(ref="refs/heads/dev")).spec.group == "acme/anvil|refs/heads/dev"
    assert build(push(ref="refs/heads/dev", default_branch="")).spec.group == "", "it may be the default branch"


def test_the_rule_decides_whether_newer_commits_supersede(push: Push) -> None:
    assert build(push(), rules(supersede=True)).spec.group == "acme/anvil|refs/heads/main"
    assert build(push(ref="refs/heads/dev"), rules(supersede=False)).spec.group == ""
