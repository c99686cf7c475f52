"""The doctor: every rule has a manifest that breaks it and no other, and the recommended one has no finding."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from raibid.scaler.doctor import KEDA_VERSION, diagnose, healthy
from raibid.scaler.render import findings_json, format_findings
from raibid.scaler.rules import Finding, Severity
from raibid.scaler.rules.scaling import predicted_wait
from raibid.scaler.scaled_job import Version, read_scaled_jobs

FIXTURES = Path(__file__).parent / "fixtures" / "scaledjobs"
RULES_SOURCE = Path(__file__).parents[2] / "agent" / "raibid" / "scaler" / "rules"
BROKEN = sorted(p for p in FIXTURES.glob("*.yaml") if p.stem != "good")


def examine(path: Path) -> tuple[Finding, ...]:
    """Findings; `# keda: 2.20.1` and `# capacity: 6` in a fixture say for which KEDA and machine."""
    knobs = dict(re.findall(r"^# (keda|capacity): (\S+)$", path.read_text(), re.MULTILINE))
    version: Version = KEDA_VERSION
    if "keda" in knobs:
        major, minor, patch = map(int, knobs["keda"].split("."))
        version = (major, minor, patch)
    (job,) = read_scaled_jobs(path)
    return diagnose(job, int(knobs["capacity"]) if "capacity" in knobs else None, version)


@pytest.mark.parametrize("path", BROKEN, ids=lambda p: p.stem)
def test_a_manifest_that_breaks_a_rule_is_told_so_and_nothing_else(path: Path) -> None:
    assert [f.rule for f in examine(path)] == [path.stem]


def test_the_recommended_manifest_has_no_finding() -> None:
    assert examine(FIXTURES / "good.yaml") == ()


def test_every_rule_has_a_manifest_that_breaks_it() -> None:
    named: set[str] = set()
    for source in RULES_SOURCE.glob("*.py"):
        for docstring in re.findall(
            r'def \w+\(subject: Subject\) -> Iterator\[Finding\]:\n    """(.*?)[:.]', source.read_text()
        ):
            names = [n.strip() for n in docstring.split(",")]
            stem = names[0].rsplit("-", 1)[0]
            named |= {stem + n if n.startswith("-") else n for n in names}
    assert named == {p.stem for p in BROKEN}


@pytest.mark.parametrize("path", BROKEN, ids=lambda p: p.stem)
def test_every_finding_says_where_what_and_how_to_fix_it(path: Path) -> None:
    for finding in examine(path):
        assert finding.path
        assert finding.effect
        assert finding.remedy


def test_the_worst_comes_first() -> None:
    (job,) = read_scaled_jobs(FIXTURES / "min-on-top.yaml")
    severities = [f.severity for f in diagnose(job, capacity=1, keda_version=(2, 16, 0))]
    assert severities == [Severity.ERROR, Severity.WARNING, Severity.INFO]


def test_a_remark_does_not_make_a_manifest_unhealthy() -> None:
    assert healthy(examine(FIXTURES / "min-on-top.yaml"))
    assert not healthy(examine(FIXTURES / "ttl-missing.yaml"))


@pytest.mark.parametrize(("version", "severity"), [((2, 20, 0), "error"), ((2, 20, 1), "error"), ((2, 20, 2), "info")])
def test_the_word_default_is_refused_by_two_versions_only(version: Version, severity: str) -> None:
    (job,) = read_scaled_jobs(FIXTURES / "strategy-default-refused.yaml")
    found = {f.rule: f.severity for f in diagnose(job, keda_version=version)}
    assert found["strategy-default-refused"] == severity


def test_the_predicted_wait_is_the_one_measured() -> None:
    """spec/queue.md 1.3: p95 of 16.6, 9.6, 5.6 and 4.5 s at a poll of 10, 5, 2 and 1 s."""
    predicted = [predicted_wait(poll) for poll in (10, 5, 2, 1)]
    assert predicted == pytest.approx([16.6, 9.6, 5.6, 4.5], abs=1.5)
    assert predicted == sorted(predicted, reverse=True)


def test_a_report_names_the_rule_the_path_and_the_remedy() -> None:
    text = format_findings(examine(FIXTURES / "ttl-missing.yaml"), name="ci/ci-agent")
    assert text.startswith("ci/ci-agent: 1 warning\n")
    assert "ttl-missing  spec.jobTargetRef.ttlSecondsAfterFinished" in text
    assert "-> ttlSecondsAfterFinished: 86400" in text


def test_a_report_without_findings_says_so() -> None:
    assert format_findings(()) == "KEDA will do what it says: no finding"


def test_json_carries_every_field() -> None:
    encoded = findings_json(examine(FIXTURES / "ttl-missing.yaml"))
    for name in ("severity", "path", "rule", "effect", "remedy"):
        assert f'"{name}":' in encoded
