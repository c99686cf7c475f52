"""`scaler: direct` on a real API server: all of the tree is taken, and the controller may do just what it does."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from components import agent_pod, controller
from components.namespaces import POD_SECURITY
from tests.cluster.tree.api import Manifest
from tests.cluster.tree.emitted import EmittedCluster, seal
from tests.cluster.tree.rights import rights
from tests.cluster.tree.room import all_agents_and_one_more

ACCOUNT = f"{agent_pod.NAMESPACE}/{controller.NAME}"


@pytest.fixture(scope="module")
def direct(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmittedCluster]:
    with EmittedCluster(tmp_path_factory.mktemp("direct"), seal("dgx-spark", scaler="direct")) as cluster:
        yield cluster


def job(cluster: EmittedCluster) -> Manifest:
    """What `kubectl create job --from=cronjob/ci-agent` would send."""
    template = cluster.tree.one("CronJob", agent_pod.NAME)["spec"]["jobTemplate"]
    metadata = {**template["metadata"], "name": "by-hand", "namespace": agent_pod.NAMESPACE}
    return {"apiVersion": "batch/v1", "kind": "Job", "metadata": metadata, "spec": template["spec"]}


def test_nothing_is_refused_and_nothing_warned_about(direct: EmittedCluster) -> None:
    wrong = [(take.name, take.answer.said) for take in direct.takes if not take.answer.accepted or take.answer.warnings]
    assert wrong == []


def test_a_job_of_the_template_is_let_in_by_every_policy(direct: EmittedCluster) -> None:
    answer = direct.acting_as(ACCOUNT).create(job(direct), dry_run=True)
    assert (answer.accepted, answer.warnings) == (True, ())


def test_the_controller_changes_jobs_and_nothing_else(direct: EmittedCluster) -> None:
    allowed = rights(direct.acting_as(ACCOUNT), agent_pod.NAMESPACE)
    changes = {(verb, kind) for verb, _, kind in allowed if verb not in ("get", "list", "watch")}
    assert changes == {("create", "jobs"), ("delete", "jobs")}


def test_the_agents_of_the_budget_are_let_in_and_not_one_more(direct: EmittedCluster) -> None:
    agents, one_more = all_agents_and_one_more(direct)
    assert {answer.said for answer in agents} == {""}
    assert "exceeded quota: budget" in one_more.said


@pytest.mark.parametrize("namespace", sorted(set(POD_SECURITY) - {agent_pod.NAMESPACE}))
def test_the_controller_makes_jobs_in_no_other_namespace(direct: EmittedCluster, namespace: str) -> None:
    elsewhere = {**job(direct), "metadata": {"name": "by-hand", "namespace": namespace}}
    assert direct.acting_as(ACCOUNT).create(elsewhere, dry_run=True).status == 403


@pytest.mark.parametrize("account", ["ci-agent", "raibid-api"])
def test_who_runs_or_reads_what_strangers_send_makes_no_jobs(direct: EmittedCluster, account: str) -> None:
    answer = direct.acting_as(f"{agent_pod.NAMESPACE}/{account}").create(job(direct), dry_run=True)
    assert answer.status == 403
