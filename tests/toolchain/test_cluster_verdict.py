"""What only the marks of builds show of a run on a real cluster; and looks at an API server that is not there. Pure."""

from __future__ import annotations

import subprocess
from pathlib import Path

import msgspec
import pytest
from lightkube import Client, KubeConfig
from lightkube.config.models import Cluster, User
from raibid.contract import Env
from raibid.local.redis_server import free_port

from tests.chaos.checker import check
from tests.chaos.histories import but, lost, record, succeeded
from tests.chaos.history import Claimed, Hit
from tests.cluster.chaos.agents import Agents
from tests.cluster.chaos.verdict import MARK, judged, marks

ONCE = Claimed("a", "", "agent")


def test_one_execution_per_claim_by_the_agent_that_ended_it_violates_nothing() -> None:
    assert judged(but(notes=[ONCE])) == []


@pytest.mark.parametrize(
    ("ran", "said"),
    [([], "0 executions, 1 claims"), ([ONCE, Claimed("a", "", "other")], "2 executions, 1 claims")],
    ids=["none", "two"],
)
def test_a_build_that_ran_more_or_less_often_than_it_was_claimed_is_seen(ran: list[Claimed], said: str) -> None:
    history = but(notes=ran)
    assert check(history) == []  # by the ledger's own evidence all is well
    assert said in [violation.detail for violation in judged(history)]


def test_a_second_claim_may_die_before_its_build_begins() -> None:
    history = lost(succeeded("a", when=6), hits=[Hit("agent", "SIGKILL", 2)], jobs={"a": record("a", owner="heir")})
    assert judged(msgspec.structs.replace(history, notes=[Claimed("a", "", "heir")])) == []


def test_a_success_of_an_agent_that_has_not_run_the_build_is_seen() -> None:
    history = but(notes=[Claimed("a", "", "zombie")])
    assert check(history) == []
    assert [violation.detail for violation in judged(history)] == ["agent ended it, but it ran in zombie"]


def test_a_mark_says_which_agent_ran_which_job(tmp_path: Path) -> None:
    env = {"RAIBID_JOB_ID": "01m7zh0m0nqy8c22", Env.AGENT_NAME: "ci-agent-hls7g-rnxtx"}
    subprocess.run(["sh", "-c", f"mktemp {tmp_path}/{MARK}"], check=True, capture_output=True, env=env)
    assert marks(tmp_path) == [Claimed("01m7zh0m0nqy8c22", "", "ci-agent-hls7g-rnxtx")]


def test_without_a_single_build_there_are_no_marks(tmp_path: Path) -> None:
    assert marks(tmp_path / "ran") == []


def test_a_look_at_an_api_server_that_is_gone_shows_nothing_new_and_ends_nothing(agents: Agents) -> None:
    agents.running, agents.unfinished = ["ci-agent-x"], 1
    assert not agents.look()
    assert (agents.running, agents.unfinished) == (["ci-agent-x"], 1)


def test_an_agent_that_was_perhaps_killed_is_a_hit_but_no_fault_done(agents: Agents) -> None:
    agents.running = ["ci-agent-x"]
    assert not agents.kill_one()
    assert [hit.owner for hit in agents.hits] == ["ci-agent-x"]


@pytest.fixture
def agents() -> Agents:
    """Of a cluster whose API server is down."""
    config = KubeConfig.from_one(cluster=Cluster(server=f"http://127.0.0.1:{free_port()}"), user=User())
    return Agents(Client(config=config, trust_env=False))
