"""The rollback controller, on real repositories behind a real forge's API, with a Flux in memory."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from raibid.gitops.change.message import trailers_of

from tests.gitops.controlled import BAD, DB, GOOD, REPOSITORY, WEB, Controlled, rounds
from tests.gitops.git_host import GitHost


@pytest.fixture
def world(tmp_path: Path) -> Iterator[Controlled]:
    with GitHost(tmp_path / "repositories") as host:
        yield Controlled.on(host, tmp_path)


def test_a_bad_commit_is_taken_back_and_everything_is_well_again(world: Controlled) -> None:
    good, bad = world.head(), world.push(BAD)
    rounds(world.controller())
    assert (world.text(), world.flux.ready("web")) == (GOOD, "True")
    trailers = trailers_of(world.host.message(REPOSITORY))
    assert trailers["Flux-Rollback"] == ("flux-system/web",)
    assert (trailers["Reverts"], trailers["Known-Good"]) == ((bad,), (good,))


def test_flux_tries_a_commit_twice_before_it_is_taken_back(world: Controlled) -> None:
    bad = world.push(BAD)
    assert world.flux.attempts["web"].count(bad) == 1
    rounds(world.controller())
    assert world.flux.attempts["web"].count(bad) == 2


def test_a_second_attempt_that_passes_leaves_the_commit_alone(world: Controlled) -> None:
    bad = world.push(BAD)
    world.flux.judge = lambda _: ("", "")
    rounds(world.controller())
    assert world.head() == bad


def test_it_is_told_in_statuses_an_issue_and_events(world: Controlled) -> None:
    bad = world.push(BAD)
    rounds(world.controller())
    (issue,) = world.forge.issues
    assert set(world.forge.states(bad)) == {"failure"}
    assert world.forge.states(world.head())[-1] == "success"
    assert "HealthCheckFailed: timeout waiting for" in issue["body"]
    assert bad in issue["body"]
    assert world.events()[-1] == "RollbackSucceeded"


def test_a_round_of_a_well_cluster_does_nothing(world: Controlled) -> None:
    head = world.head()
    controller = world.controller()
    assert rounds(controller) == 1
    assert (world.head(), world.host.pushes, world.cluster.written) == (head, 0, [])


def test_a_revert_whose_first_health_check_reads_the_old_failure_is_well_at_the_second(world: Controlled) -> None:
    world.flux.lingers = True
    world.push(BAD)
    rounds(world.controller())
    revert = world.head()
    assert (world.text(), world.flux.ready("web")) == (GOOD, "True")
    assert world.flux.attempts["web"].count(revert) == 2
    (issue,) = world.forge.issues
    assert issue["title"].startswith("Rolled back")
    assert world.forge.states(revert)[-1] == "success"
    assert world.events()[-1] == "RollbackSucceeded"


def test_a_missing_age_key_takes_nothing_back(world: Controlled) -> None:
    bad = world.push("age: lost\n")
    rounds(world.controller())
    assert world.head() == bad
    assert world.forge.issues == []


def test_what_is_suspended_is_left_alone(world: Controlled) -> None:
    bad = world.push(BAD)
    world.flux.suspend("web")
    rounds(world.controller())
    assert world.head() == bad


def test_a_second_failure_within_the_hour_stops_it_and_opens_an_issue(world: Controlled) -> None:
    controller = world.controller()
    world.push(BAD)
    rounds(controller)
    again = world.push("image: missing again\nimage: missing\n")
    rounds(controller)
    assert world.head() == again
    assert [issue["title"].partition(":")[0] for issue in world.forge.issues] == ["Rolled back", "Rollback stopped"]
    assert world.events()[-1] == "RollbackStopped"
    page = controller.metrics.page()[0].decode()
    assert 'raibid_rollback_stopped{exported_namespace="flux-system",kind="Kustomization",name="web"} 1.0' in page


def test_the_alarm_ends_with_the_failure(world: Controlled) -> None:
    controller = world.controller()
    world.push(BAD)
    rounds(controller)
    world.push("image: missing again\nimage: missing\n")
    rounds(controller)
    world.push("image: web:2\n")
    rounds(controller)
    assert "raibid_rollback_stopped{" not in controller.metrics.page()[0].decode()


def test_an_hour_later_it_takes_back_again(world: Controlled) -> None:
    controller = world.controller()
    world.push(BAD)
    rounds(controller)
    world.later(minutes=61)
    world.push("image: missing again\nimage: missing\n")
    rounds(controller)
    assert world.text() == GOOD


def test_a_revert_that_fails_as_well_is_not_taken_back(world: Controlled) -> None:
    bad = world.push(BAD)
    world.flux.judge = lambda text: ("HealthCheckFailed", "wrong now") if "db" not in text else ("", "")
    rounds(world.controller())
    revert = world.head()
    assert world.text() == GOOD
    (issue,) = world.forge.issues
    assert issue["title"].startswith("Rollback stopped")
    assert f"<!-- raibid-rollback Kustomization flux-system/web {bad} -->" in issue["body"]
    assert world.forge.states(revert)[-1] == "failure"


def test_only_the_failing_path_is_taken_back(world: Controlled) -> None:
    world.host.commit(REPOSITORY, {WEB: BAD, DB: "image: db:2\n"}, "both")
    world.flux.sync()
    rounds(world.controller())
    assert (world.text(WEB), world.text(DB)) == (GOOD, "image: db:2\n")


def test_two_that_fail_at_one_commit_are_both_taken_back(world: Controlled) -> None:
    world.host.commit(REPOSITORY, {WEB: BAD, DB: BAD}, "both")
    world.flux.sync()
    rounds(world.controller(), most=12)
    assert (world.text(WEB), world.text(DB)) == (GOOD, "image: db:1\n")
    assert len(world.forge.issues) == 2


def test_a_protected_branch_gets_a_pull_request(world: Controlled) -> None:
    bad = world.push(BAD)
    world.host.protect(REPOSITORY)
    rounds(world.controller())
    assert world.head() == bad
    (pull,) = world.forge.pulls
    (issue,) = world.forge.issues
    assert pull["html_url"] in issue["body"]
    assert world.events() == ["RollbackProposed"]
