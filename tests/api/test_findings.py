"""What a build reported, as the API gives it: all to whoever may read, numbers to everybody else."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from raibid.api.settings import Settings
from raibid.ledger import Ledger
from raibid.model.job import JobStatus, Report
from raibid.model.report import Annotation, Case, Tested

from tests.api.conftest import Api, enqueue, served

CASE = Case(suite="anvil", name="forge::strikes", seconds=0.2, runs=2, message="left: 1")
REMARK = Annotation(file="src/lib.rs", line=10, level="error", code="E0308", message="mismatched types")
REPORT = Report(
    tests=Tested(total=3, failed=1, flaky=1, failures=(CASE,), slowest=(CASE,), flakes=(CASE,)),
    annotations=(REMARK,),
    annotations_left_out=4,
)
NUMBERS = {"tests": {"total": 3, "failed": 1, "flaky": 1}, "annotations_left_out": 5}


def reported(ledger: Ledger) -> str:
    """A job that ended with the report; its id."""
    enqueue(ledger)
    claim = ledger.claim("agent")
    assert claim is not None
    ledger.finish(claim.job.id, claim.token, JobStatus.FAILED, REPORT)
    return claim.job.id


def test_a_record_has_every_word(api: Api) -> None:
    report: dict[str, Any] = api.reader.get(f"/jobs/{reported(api.ledger)}").json()["report"]
    [failure] = report["tests"]["failures"]
    assert failure == {"suite": "anvil", "name": "forge::strikes", "seconds": 0.2, "runs": 2, "message": "left: 1"}
    [annotation] = report["annotations"]
    assert annotation["line"] == 10
    assert report["annotations_left_out"] == 4


def test_a_list_has_the_numbers(api: Api) -> None:
    reported(api.ledger)
    [job] = api.reader.get("/jobs").json()["jobs"]
    assert job["report"] == NUMBERS


def test_who_may_not_read_logs_gets_no_words_of_them(make_settings: Callable[..., Settings], ledger: Ledger) -> None:
    with served(make_settings(public_read=True), ledger) as api:
        job_id = reported(ledger)
        assert api.anonymous.get(f"/jobs/{job_id}").json()["report"] == NUMBERS
        wrong = api.anonymous.get(f"/jobs/{job_id}", headers={"Authorization": "Bearer wrong"})
        assert wrong.json()["report"] == NUMBERS
        assert "message" in api.reader.get(f"/jobs/{job_id}").text


@pytest.mark.parametrize("name", ["Tested", "Case", "Annotation"])
def test_openapi_describes_what_a_build_reported(api: Api, name: str) -> None:
    schemas = api.anonymous.get("/openapi.json").json()["components"]["schemas"]
    assert schemas[name]["type"] == "object"
    assert set(schemas["Report"]["properties"]) >= {"tests", "annotations", "annotations_left_out"}
