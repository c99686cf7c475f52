"""Redis full, Redis gone, Redis restarted, users with too many rights: nothing is lost, nobody may too much."""

from __future__ import annotations

from pathlib import Path

import pytest
import redis
from raibid.contract import AclUser, Keys
from raibid.contract.redis_acl import RULES, acl_file
from raibid.ledger import Beat, Ledger, LedgerError, LedgerFullError, LedgerUnavailableError
from raibid.ledger.crons import SeenTo
from raibid.ledger.scripts import FLAGS, source
from raibid.local.redis_server import RedisServer
from raibid.model.job import PENDING, JobStatus
from raibid.model.job_id import new_job_id
from raibid.model.pod import PodEnding, PodVerdict

from tests.ledger.conftest import new, put, take


def test_a_full_redis_accepts_nothing_new_and_still_drains(tmp_path: Path) -> None:
    with RedisServer(tmp_path) as server:
        ledger = Ledger.connect(server.url)
        ledger.set_window(1)
        put(ledger, new(), new(), new(hold=True), new("acme/cancel"))
        server_client = redis.Redis.from_url(server.url)
        server_client.config_set("maxmemory", 1)
        with pytest.raises(LedgerFullError):
            put(ledger, new(dedupe="later"))
        first = take(ledger)
        with pytest.raises(LedgerFullError):
            ledger.logs.append(first.job.id, first.token, b"x")
        assert ledger.beat(first.job.id, first.token) is Beat.OK
        ledger.finish(first.job.id, first.token, JobStatus.SUCCESS)
        second = take(ledger)
        assert ledger.release(second.job.id, second.token, "SIGTERM", refund=True) is JobStatus.QUEUED
        ledger.pause()
        ledger.resume()
        ledger.tick()
        assert ledger.depth().admit_errors == 0
        server_client.config_set("maxmemory", 0)
        assert ledger.enqueue([new(dedupe="later")])[0].created
        assert not ledger.enqueue([new(dedupe="later")])[0].created


def test_every_script_but_those_that_take_something_in_runs_when_redis_is_full() -> None:
    refused = {name for name in FLAGS if source(name, Keys()).startswith("#!lua\n")}
    assert refused == {"enqueue", "retry", "append_log", "mirrors_ask"}


def test_views_cannot_write() -> None:
    assert {n for n, f in FLAGS.items() if f == "no-writes"} == {"why", "depth", "head_jobs"}


def test_an_acknowledged_job_survives_a_kill_of_redis(tmp_path: Path) -> None:
    server = RedisServer(tmp_path).start()
    try:
        ledger = Ledger.connect(server.url)
        put(ledger, new(), new())
        claim = take(ledger)
        server.kill()
        with pytest.raises(LedgerUnavailableError):
            Ledger.connect(server.url).ping()
        server.start()
        assert ledger.beat(claim.job.id, claim.token) is Beat.OK
        ledger.finish(claim.job.id, claim.token, JobStatus.SUCCESS)
        assert ledger.depth().stream == 1
    finally:
        server.stop()


@pytest.fixture
def guarded(tmp_path: Path) -> RedisServer:
    acl = tmp_path / "users.acl"
    acl.write_text(acl_file({user: f"{user}-secret" for user in RULES}))
    return RedisServer(tmp_path / "redis", acl_file=acl)


def test_each_user_can_do_its_work_and_no_more(guarded: RedisServer) -> None:
    with guarded as server:
        api, agent = (
            Ledger.connect(server.url, username=u, password=f"{u}-secret") for u in (AclUser.API, AclUser.AGENT)
        )
        api.setup()
        put(api, new(), new("b/b", hold=True), new("c/c"))
        claim = take(agent)
        agent.wait("0-0", 1)
        agent.logs.append(claim.job.id, claim.token, b"x")
        agent.beat(claim.job.id, claim.token)
        agent.release(claim.job.id, claim.token, "", refund=True)
        again = take(agent)
        agent.finish(again.job.id, again.token, JobStatus.FAILED)
        api.retry(again.job.id)
        for job in api.records.page(status=frozenset({JobStatus.HELD})).jobs:
            api.approve(job.id, "ann")
        for job in api.records.page(status=frozenset({JobStatus.QUEUED})).jobs:
            api.cancel(job.id)
        api.pause()
        api.resume()
        api.set_limit("repo", "*", 1)
        api.set_limit("repo", "*", None)
        groups = [new("d/d", group="d/d|main") for _ in range(3)]
        put(api, *groups)
        for group in ("x", "x", "y"):
            put(api, new("e/e"))
            joining = take(agent, new_job_id())
            agent.logs.append(joining.job.id, joining.token, b"no newline at its end")
            agent.join(joining.job.id, joining.token, group, supersede=group == "y")
        for job in api.records.page(status=PENDING | {JobStatus.RUNNING}).jobs:
            api.cancel(job.id)
            api.bury(job.id, "over")
        api.events.move("notify", "team", api.events.newest())
        api.events.missed("0-1")
        list(api.events.after("0-0"))
        api.events.leave("notify", api.events.cursors("notify"))
        api.records.tell_again(again.job.id)
        api.crons.remember("a schedule", SeenTo(1.0))
        api.crons.forget(api.crons.all())
        for look in (api.tick, api.depth, api.records.dead_letters, api.records.unarchived, api.newest):
            look()
        api.why(again.job.id)
        assert api.depth().admit_errors == 0

        keda = redis.Redis.from_url(server.url, username=AclUser.KEDA, password=f"{AclUser.KEDA}-secret")
        assert keda.xlen("ci-jobs") == 0
        for refused in (
            lambda: keda.xrange("ci-jobs"),
            lambda: agent.client.keys("*"),
            lambda: agent.client.get("somebody-elses-key"),
            lambda: agent.client.delete(agent.keys.job + again.job.id),
            lambda: agent.client.config_get("*"),
            lambda: api.client.flushall(),
            lambda: redis.Redis.from_url(server.url).ping(),
        ):
            with pytest.raises((redis.exceptions.NoPermissionError, redis.exceptions.AuthenticationError)):
                refused()


def test_the_controller_can_tell_how_pods_ended_and_no_more(guarded: RedisServer) -> None:
    with guarded as server:
        api, agent, controller = (
            Ledger.connect(server.url, username=u, password=f"{u}-secret")
            for u in (AclUser.API, AclUser.AGENT, AclUser.CONTROLLER)
        )
        api.setup()
        api.set_window(8)
        put(api, *[new(group=f"acme/app|{n}") for n in range(6)])
        for pod, verdict in (("a", PodVerdict.FAIL), ("b", PodVerdict.LOST), ("c", PodVerdict.NONE)):
            agent.logs.append((claim := take(agent, pod)).job.id, claim.token, b"no newline at its end")
            agent.join(claim.job.id, claim.token, pod)
            controller.pod_ended(PodEnding(pod=pod, reason="Error"), verdict)
        api.cancel(take(agent, "d").job.id)
        assert controller.pod_ended(PodEnding(pod="d", reason="Error"), PodVerdict.LOST) is JobStatus.CANCELLED
        put(api, new())
        released = take(agent, "e")
        api.pause()
        agent.release(released.job.id, released.token, "", refund=True)
        assert controller.pod_ended(PodEnding(pod="e", reason="Error"), PodVerdict.FAIL) is JobStatus.FAILED
        api.resume()
        take(agent, "f")
        api.pause()
        assert controller.pod_ended(PodEnding(pod="f", reason="Error"), PodVerdict.LOST) is JobStatus.WAITING
        api.resume()
        controller.pods_stuck({"x": "Unschedulable", "y": "ImagePullBackOff"})
        controller.pods_stuck({"x": "Unschedulable"})
        assert controller.wanted() == api.depth().stream
        assert controller.records.running_owners().keys() == api.records.running_owners().keys() != set()
        controller.wait(controller.newest(), 0.01)
        for job_id in api.untold():
            api.told(job_id, api.records.get(job_id))
            api.records.archived(job_id)
        assert api.depth().admit_errors == 0

        for refused in (
            lambda: controller.claim("controller"),
            lambda: put(controller, new()),
            lambda: controller.client.delete(controller.keys.stream),
            lambda: controller.client.keys("*"),
        ):
            with pytest.raises((redis.exceptions.NoPermissionError, LedgerError), match=r"permission|can't run this"):
                refused()


def test_what_users_with_few_rights_have_written_is_there_after_a_restart(guarded: RedisServer) -> None:
    with guarded as server:
        api = Ledger.connect(server.url, username=AclUser.API, password=f"{AclUser.API}-secret")
        api.setup()
        (job,) = put(api, new())
        server.kill()
        server.start()
        assert api.records.get(job)
        assert api.wanted() == 1


def test_the_acl_file_holds_no_password_in_clear() -> None:
    assert "hunter2" not in acl_file({AclUser.AGENT: "hunter2"})
