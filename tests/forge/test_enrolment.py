"""The enrolment file. Adding a rule = adding a file under fixtures/enrolment."""

from __future__ import annotations

from pathlib import Path

import pytest
from raibid.forge import Enrolment, EnrolmentError, load_enrolment
from raibid.model.job import Priority

FIXTURES = Path(__file__).parent / "fixtures" / "enrolment"

SAYS = {
    "unknown-key": "repositories.acme/anvil.branchs: unknown key",
    "repository-without-owner": "expected owner/name",
    "limit-below-one": "default.limit: Input should be greater than or equal to 1",
    "limit-is-text": "default.limit: Input should be a valid integer",
    "unknown-priority": "default.priority: Input should be 'urgent', 'high', 'normal' or 'low'",
    "glob-outside": "leaves the checkout",
    "not-yaml": "not YAML",
    "not-a-mapping": "(top): ",
    "empty": "(top): ",
    "key-twice": "duplicate key",
    "schedule-of-no-repository": "schedule-of-no-repository.yaml:1: default: cron: a schedule belongs to a repository",
    "schedule-that-never-comes": ".yaml:5: repositories.acme/anvil.cron.0.schedule: '0 0 31 2 *' is no schedule",
    "schedule-with-a-wrong-minute": ".yaml:5: repositories.acme/anvil.cron.0.schedule: '61 3 * * *' is no schedule",
    "schedule-with-seconds": ".yaml:4: repositories.acme/anvil.cron.0.schedule: '0 17 3 * * *' is no schedule",
    "schedule-in-no-time-zone": "cron.0.timezone: 'Mars/Olympus' is no time zone",
    "notify-nobody": ".yaml:5: repositories.acme/anvil.notify.0.to: the list is empty",
    "notify-of-no-ending": ".yaml:4: repositories.acme/anvil.notify.0.on.1: Input should be 'failed', 'fixed', 'dead'",
    "notify-at-a-url": "default.notify.0.to.0: String should match pattern",
    "schedule-of-no-branch": "cron.0.branch: 'a..b' is no branch",
}


@pytest.mark.parametrize("path", sorted(FIXTURES.glob("valid/*.yaml")), ids=lambda p: p.stem)
def test_valid_files_load(path: Path) -> None:
    assert isinstance(load_enrolment(path), Enrolment)


@pytest.mark.parametrize("path", sorted(FIXTURES.glob("invalid/*.yaml")), ids=lambda p: p.stem)
def test_invalid_files_say_where_and_what(path: Path) -> None:
    with pytest.raises(EnrolmentError) as raised:
        load_enrolment(path)
    assert SAYS[path.stem] in str(raised.value)
    assert all(line.startswith(str(path)) for line in str(raised.value).splitlines())


def test_all_errors_are_told_at_once(tmp_path: Path) -> None:
    path = tmp_path / "two.yaml"
    path.write_text("default: {limit: 0, priority: x}\n")
    with pytest.raises(EnrolmentError) as raised:
        load_enrolment(path)
    assert len(str(raised.value).splitlines()) == 2


def test_a_missing_file_is_not_an_open_door(tmp_path: Path) -> None:
    with pytest.raises(EnrolmentError, match=r"absent\.yaml"):
        load_enrolment(tmp_path / "absent.yaml")


def test_without_a_file_every_repository_is_built() -> None:
    assert load_enrolment(None).rule("any/repository") is not None


def test_own_rule_goes_before_the_default() -> None:
    enrolment = load_enrolment(FIXTURES / "valid" / "everything-named.yaml")
    anvil, other = enrolment.rule("acme/anvil"), enrolment.rule("acme/other")
    assert anvil is not None
    assert other is not None
    assert (anvil.priority_class, anvil.branches) == (Priority.HIGH, None)
    assert other.branches is not None
    assert enrolment.limits == {"acme/anvil": 2, "*": 4}


def test_globs_of_a_rule_are_those_of_the_pipeline_file() -> None:
    rule = load_enrolment(FIXTURES / "valid" / "everything-named.yaml").rule("acme/anvil")
    assert rule is not None
    assert rule.paths is not None
    assert rule.paths.exclude == ("**/*.md",)


def test_who_is_notified_is_the_repositorys_own_word_else_the_defaults() -> None:
    enrolment = load_enrolment(FIXTURES / "valid" / "notified.yaml")
    assert [rule.to for rule in enrolment.notify("any/repository")] == [("team",), ("ops", "team")]
    assert list(enrolment.notify("acme/anvil")) == []
    assert [rule.to for rule in enrolment.notify("acme/rocket")] == [("rocket",)]
    assert enrolment.targets == {"team", "ops", "rocket"}
    assert list(Enrolment().notify("any/repository")) == []
