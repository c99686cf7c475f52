"""`raibid show` of a build that reported tests and remarks."""

from __future__ import annotations

import msgspec
from raibid.model.job import Job, Report
from raibid.model.report import Annotation, Case, Tested

from tests.cli.conftest import FakeApi
from tests.cli.test_jobs import JOB, Raibid

FAILURE = Case(
    suite="anvil", name="forge::strikes", seconds=0.2, message="panicked at src/forge.rs:41:9:\nleft: 1\nnote"
)
FLAKE = Case(suite="anvil", name="quench::cools", seconds=0.1, runs=3)
SLOW = Case(suite="anvil", name="temper::is_slow", seconds=61)
REMARK = Annotation(file="src/lib.rs", line=10, level="error", code="clippy::needless_return", message="unneeded\n[b]x")


def shown(api: FakeApi, raibid: Raibid, report: Report) -> list[str]:
    job: Job = msgspec.structs.replace(JOB, report=report)
    api.on("GET", f"/jobs/{JOB.id}", msgspec.json.encode(job))
    code, out, _ = raibid("show", JOB.id)
    assert code == 0
    return [" ".join(line.split()) for line in out.splitlines()]


def test_failed_tests_come_first_then_remarks_flaky_and_slowest_tests(api: FakeApi, raibid: Raibid) -> None:
    tests = Tested(total=9, failed=3, flaky=1, failures=(FAILURE,), flakes=(FLAKE,), slowest=(SLOW,))
    lines = shown(api, raibid, Report(tests=tests, annotations=(REMARK,), annotations_left_out=4))
    assert lines[lines.index("9 tests: 6 passed, 3 failed, 1 flaky") :] == [
        "9 tests: 6 passed, 3 failed, 1 flaky",
        "failed test took",
        "anvil forge::strikes 0.2 s panicked at src/forge.rs:41:9: left: 1",
        "and 2 more",
        "",
        "place level rule",
        "src/lib.rs:10 error clippy::needless_return unneeded",
        "and 4 more",
        "",
        "flaky test runs",
        "anvil quench::cools 3",
        "",
        "slowest test took",
        "anvil temper::is_slow 1 min 01 s",
    ]


def test_a_build_without_reports_shows_none(api: FakeApi, raibid: Raibid) -> None:
    assert not [line for line in shown(api, raibid, Report()) if "test" in line and "tests" in line]
