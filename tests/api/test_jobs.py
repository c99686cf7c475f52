"""Routes about jobs and the queue, and who may use them."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import httpx
import msgspec
import pytest
from raibid.api.background import archive_ended
from raibid.api.settings import Settings
from raibid.ledger import Ledger, Page, Why
from raibid.model.job import Job, JobStatus
from raibid.model.job_id import lowest_id, new_job_id

from tests.api.conftest import READ, SHA, Api, end, enqueue, served, spec
from tests.waiting import until

MANUAL = {"repo": "acme/anvil", "clone_url": "https://git.example.test/acme/anvil.git"}


def page(answer: httpx.Response) -> Page:
    assert answer.status_code == 200, answer.text
    return msgspec.json.decode(answer.content, type=Page)


# --- who may do what ----------------------------------------------------------------------------------------

READS = ["/jobs", "/jobs/x", "/jobs/x/why", "/jobs/x/logs", "/queue", "/dead"]
WRITES = [
    ("POST", "/jobs"), ("POST", "/jobs/x/cancel"), ("POST", "/jobs/x/retry"), ("POST", "/jobs/x/approve"),
    ("POST", "/queue/pause"), ("POST", "/queue/resume"), ("PUT", "/queue/limits"), ("POST", "/dead/1-1/requeue"),
]  # fmt: skip


@pytest.mark.parametrize("path", READS)
def test_reading_needs_a_token(api: Api, path: str) -> None:
    wrong = [b"", b"Bearer", f"Basic {READ}".encode(), b"Bearer wrong", b"Bearer \xe9\xff", f"Bearer {READ}x".encode()]
    for header in wrong:
        answer = api.anonymous.get(path, headers=[(b"Authorization", header)])
        assert answer.status_code == 401
        assert answer.headers["WWW-Authenticate"] == "Bearer"
    assert api.reader.get(path).status_code in (200, 404)


@pytest.mark.parametrize(("method", "path"), WRITES)
def test_changing_needs_the_write_scope(api: Api, method: str, path: str) -> None:
    assert api.anonymous.request(method, path, json=MANUAL).status_code == 401
    assert api.reader.request(method, path, json=MANUAL).status_code == 403
    assert api.ledger.records.page().jobs == []
    assert not api.ledger.depth().paused
    assert api.writer.request(method, path, json=MANUAL).status_code not in (401, 403)


def test_public_reading_shows_records_but_no_logs(make_settings: Callable[..., Settings], ledger: Ledger) -> None:
    job_id = enqueue(ledger)
    with served(make_settings(public_read=True, public_metrics=False), ledger) as api:
        assert api.anonymous.get(f"/jobs/{job_id}").status_code == 200
        assert api.anonymous.get(f"/jobs/{job_id}/logs").status_code == 401
        assert api.anonymous.post("/queue/pause").status_code == 401
        assert api.anonymous.get("/metrics").status_code == 401


def test_health_badges_metrics_and_openapi_are_public(api: Api) -> None:
    for path in ("/healthz", "/readyz", "/metrics", "/openapi.json", "/badges/acme/anvil.svg"):
        assert api.anonymous.get(path).status_code == 200


# --- one job ------------------------------------------------------------------------------------------------


def test_a_record_is_the_ledgers(api: Api) -> None:
    job_id = enqueue(api.ledger)
    assert msgspec.json.decode(api.reader.get(f"/jobs/{job_id}").content, type=Job) == api.ledger.records.get(job_id)


@pytest.mark.parametrize(
    "job_id", ["nope", "0" * 16, "..%2f..%2fetc%2fpasswd", "U" * 16, "x" * 5000, "z" * 16, "8" + "0" * 15]
)
def test_an_unknown_job_is_404_with_a_remedy(api: Api, job_id: str) -> None:
    for path in ("", "/why", "/logs"):
        answer = api.reader.get(f"/jobs/{job_id}{path}")
        assert answer.status_code == 404
        assert answer.json().keys() == {"error", "remedy"}


def test_why_has_the_facts_and_the_sentence(api: Api) -> None:
    api.ledger.pause()
    job_id = enqueue(api.ledger)
    answer = api.reader.get(f"/jobs/{job_id}/why")
    facts = msgspec.json.decode(answer.content, type=Why)
    assert facts.paused
    assert answer.json()["sentence"] == facts.sentence == "1st in queue; the queue is paused"


def test_why_names_the_agents_that_cannot_start(api: Api) -> None:
    job_id = enqueue(api.ledger)
    api.ledger.pods_stuck({"ci-agent-x": "ImagePullBackOff: no such image"})
    answer = api.reader.get(f"/jobs/{job_id}/why").json()
    assert answer["stuck"] == {"ci-agent-x": "ImagePullBackOff: no such image"}
    assert answer["sentence"].endswith("agent ci-agent-x cannot start: ImagePullBackOff: no such image")


def test_a_manual_job_is_built_as_asked(api: Api) -> None:
    asked = {**MANUAL, "ref": "dev", "sha": SHA, "params": {"LEVEL": "3"}, "priority": "high", "resource": "gpu"}
    answer = api.writer.post("/jobs", json=asked)
    assert answer.status_code == 201
    job = api.ledger.records.get(answer.json()["id"])
    assert job is not None
    assert job.spec == spec(ref="refs/heads/dev", event="manual", params={"LEVEL": "3"}, priority=1, resource="gpu")


def test_an_idempotency_key_makes_one_job(api: Api) -> None:
    first, second = (api.writer.post("/jobs", json=MANUAL, headers={"Idempotency-Key": "k"}) for _ in range(2))
    assert (first.status_code, second.status_code) == (201, 200)
    assert first.json()["id"] == second.json()["id"]
    assert api.writer.post("/jobs", json=MANUAL).json()["id"] != first.json()["id"]


@pytest.mark.parametrize(
    "wrong",
    [
        {"repo": "anvil"}, {"repo": "a/b|c"}, {"clone_url": "ext::sh -c id"}, {"clone_url": "https://u:p@h/x"},
        {"ref": "a..b"}, {"sha": "abc"}, {"priority": "highest"}, {"params": {"a-b": "x"}}, {"params": {"A": 1}},
        {"resource": "a|b"}, {"unknown": 1}, {"params": {"A": "x" * 5000}}, {"params": {"A": "x\0y"}},
        {"params": {"PATH": "/x"}}, {"params": {"HOME": "/x"}}, {"params": {"LD_PRELOAD": "x.so"}},
        {"params": {"RAIBID_SHA": "x"}}, {"params": {"raibid_sha": "x"}}, {"ref": "a\0b"},
    ],
    ids=str,
)  # fmt: skip
def test_a_wrong_manual_job_is_refused_with_the_reason(api: Api, wrong: dict[str, object]) -> None:
    answer = api.writer.post("/jobs", json={**MANUAL, **wrong})
    assert answer.status_code in (400, 422)
    assert answer.json()["error"]
    assert api.ledger.records.page().jobs == []


def test_cancel_retry_approve(api: Api) -> None:
    job_id = enqueue(api.ledger)
    assert api.writer.post(f"/jobs/{job_id}/retry").status_code == 409
    assert api.writer.post(f"/jobs/{job_id}/cancel").json() == {"id": job_id, "status": "cancelled"}
    cancelled = api.ledger.records.get(job_id)
    assert cancelled is not None
    assert cancelled.reason.startswith("cancelled by token-")
    again = api.writer.post(f"/jobs/{job_id}/retry")
    assert again.status_code == 201
    retried = api.ledger.records.get(again.json()["id"])
    assert retried is not None
    assert retried.retry_of == job_id
    assert api.writer.post(f"/jobs/{retried.id}/approve").json()["status"] == "queued"


def test_a_wrong_method_and_a_wrong_path_have_the_same_shape(api: Api) -> None:
    for answer in (api.anonymous.delete("/jobs"), api.anonymous.get("/nowhere"), api.anonymous.get("/webhook/gitea")):
        assert answer.status_code in (404, 405)
        assert answer.json().keys() == {"error", "remedy"}


# --- lists --------------------------------------------------------------------------------------------------


def test_lists_filter_by_status_repository_and_branch(api: Api) -> None:
    ended = enqueue(api.ledger, "1")
    end(api.ledger)
    other = enqueue(api.ledger, "2", repo="acme/rocket")
    dev = enqueue(api.ledger, "3", ref="refs/heads/dev")

    def ids(query: str) -> list[str]:
        return [job.id for job in page(api.reader.get(f"/jobs{query}")).jobs]

    assert ids("") == [dev, other, ended]
    assert ids("?status=success") == [ended]
    assert ids("?status=success&status=queued") == [dev, other, ended]
    assert ids("?repo=acme/rocket") == [other]
    assert ids("?branch=dev") == [dev]
    assert api.reader.get("/jobs?status=odd").status_code == 422


@pytest.mark.parametrize("cursor", ["../x", "0iiiiiiiiiiiiiii", "0LLLLLLLLLLLLLLL", "z" * 16, "8" + "0" * 15, "0"])
def test_what_is_no_cursor_is_422(api: Api, cursor: str) -> None:
    assert api.reader.get("/jobs", params={"cursor": cursor}).status_code == 422


def test_pages_continue_into_the_archive_without_gap_or_repetition(api: Api) -> None:
    recent = [enqueue(api.ledger, str(i)) for i in range(3)]
    long_ago = datetime.now(UTC) - timedelta(days=40)
    old = [new_job_id((long_ago + timedelta(hours=9 * i)).timestamp()) for i in range(7)]
    for job_id in old:
        api.archive.put(Job(id=job_id, spec=spec(), status=JobStatus.SUCCESS), [])
    seen, cursor = [], ""
    while True:
        got = page(api.reader.get("/jobs", params={"limit": 2, "cursor": cursor}))
        seen += [job.id for job in got.jobs]
        cursor = got.cursor
        if not cursor:
            break
    assert seen == sorted([*recent, *old], reverse=True)
    assert api.reader.get("/jobs?repo=acme/none").json() == {"jobs": [], "cursor": ""}


def test_archived_jobs_are_found_after_redis_forgot_them(api: Api) -> None:
    job_id = enqueue(api.ledger)
    end(api.ledger)
    assert archive_ended(api.parts) == 1
    assert api.ledger.records.unarchived() == []
    kept = api.ledger.records.get(job_id)
    api.ledger.client.delete(api.ledger.keys.job + job_id, api.ledger.keys.log + job_id)
    assert msgspec.json.decode(api.reader.get(f"/jobs/{job_id}").content, type=Job) == kept
    assert api.reader.get(f"/jobs/{job_id}/why").json()["sentence"] == "success"
    assert api.writer.post(f"/jobs/{job_id}/cancel").json()["status"] == "success"
    assert api.writer.post(f"/jobs/{job_id}/retry").status_code == 409


def test_ids_sort_as_their_time() -> None:
    moment = datetime(2026, 11, 21, tzinfo=UTC)
    assert lowest_id(moment) < new_job_id(moment.timestamp()) < lowest_id(moment + timedelta(milliseconds=1))


# --- the queue ----------------------------------------------------------------------------------------------


def test_the_window_is_told_to_the_ledger_at_start(make_settings: Callable[..., Settings], ledger: Ledger) -> None:
    with served(make_settings(window=7), ledger):
        until(lambda: ledger.depth().window == 7)


def test_pause_limits_and_resume(api: Api) -> None:
    assert api.writer.post("/queue/pause").json()["paused"]
    enqueue(api.ledger)
    assert api.reader.get("/queue").json()["waiting"] == 1
    wanted = {"window": 2, "repositories": {"acme/anvil": 1, "*": 5}, "resources": {"gpu": 1}}
    depth = api.writer.put("/queue/limits", json=wanted).json()
    assert depth["window"] == 2
    assert depth["limits"] == {"repo:acme/anvil": 1, "repo:*": 5, "resource:gpu": 1}
    assert "resource:gpu" not in api.writer.put("/queue/limits", json={"resources": {"gpu": None}}).json()["limits"]
    assert api.writer.put("/queue/limits", json={"windwo": 2}).status_code == 422
    resumed = api.writer.post("/queue/resume").json()
    assert (resumed["paused"], resumed["stream"]) == (False, 1)


def test_a_dead_letter_is_listed_and_requeued_once(api: Api) -> None:
    job_id = enqueue(api.ledger)
    api.ledger.bury(job_id, "broken disk")
    [letter] = api.reader.get("/dead").json()["dead"]
    assert (letter["job"], letter["reason"]) == (job_id, "broken disk")
    again = api.writer.post(f"/dead/{letter['entry']}/requeue")
    assert again.status_code == 201
    assert api.reader.get("/dead").json() == {"dead": []}
    assert api.writer.post(f"/dead/{letter['entry']}/requeue").status_code == 404


# --- metrics and OpenAPI -------------------------------------------------------------------------------------


def test_metrics_tell_of_deliveries_queue_and_durations(api: Api) -> None:
    api.deliver()
    api.deliver(secret=b"wrong")
    end(api.ledger)
    enqueue(api.ledger, "2")
    archive_ended(api.parts)
    lines = api.anonymous.get("/metrics").text.splitlines()
    for line in (
        'raibid_webhooks_total{forge="gitea",outcome="created"} 1.0',
        'raibid_webhooks_total{forge="gitea",outcome="401"} 1.0',
        'raibid_jobs{status="queued"} 1.0',
        'cicd_pipeline_run_duration_seconds_count{result="success"} 1.0',
        "raibid_redis_up 1.0",
        "raibid_admit_errors_total 0.0",
    ):
        assert line in lines


def test_openapi_describes_every_route(api: Api) -> None:
    document = api.anonymous.get("/openapi.json").json()
    routers = [getattr(route, "original_router", None) for route in api.server.app.routes]
    routes = [route for router in routers if router for route in router.routes] + [
        route for route in api.server.app.routes if hasattr(route, "path") and route.path != "/openapi.json"
    ]
    served = {(route.path, method.lower()) for route in routes for method in route.methods - {"HEAD"}}
    described = {(path, method) for path, methods in document["paths"].items() for method in methods}
    assert described == served
    assert len(served) >= 20


def test_openapi_refers_to_nothing_that_it_lacks(api: Api) -> None:
    text = api.anonymous.get("/openapi.json").text
    schemas = api.anonymous.get("/openapi.json").json()["components"]["schemas"]
    referred = {part.partition('"')[0] for part in text.split("#/components/schemas/")[1:]}
    assert referred <= schemas.keys()
