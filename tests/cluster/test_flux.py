"""The real applier and the emitted repository: order, decryption, health, pruning, drift, failures and their cure."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from functools import partial
from typing import Any

import pytest
from pyrage import x25519

from components import apps
from policies.rules import rule
from tests.cluster.tree.api import Manifest
from tests.cluster.tree.emitted import Sealed
from tests.cluster.tree.fleet import PATIENCE, Fleet
from tests.cluster.tree.keda_stand_in import RELEASE
from tests.cluster.tree.plain_pod import pod
from tests.cluster.tree.runbook import procedure
from tests.waiting import until

# A dozen commits, each through nine stages: minutes where the machine is shared.
pytestmark = pytest.mark.timeout(900)

APPLIED = "server-side apply completed"
FINISHED = "Reconciliation finished"
GIVEN_UP = "New revision detected during health check"
A_WHILE = 3.0
"""Seconds after which a command that has not ended is one that waits."""


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    """A cluster that has reconciled its stack, and developers' first commit, from nothing."""
    with Fleet(tmp_path_factory.mktemp("fleet")) as fleet:
        fleet.write(fleet.tree)
        fleet.settled(fleet.app(about=ABOUT))
        yield fleet


@pytest.fixture
def fleet(running: Fleet) -> Iterator[Fleet]:
    """The same, well again after every test."""
    yield running
    running.stand_ins.failing.clear()
    running.age_key(running.key)
    if running.apps != {"about": ABOUT}:
        running.app(about=ABOUT)
    running.well()


def config_map(name: str, namespace: str = apps.NAMESPACE, **data: str) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": name, "namespace": namespace},
        "data": data or {"about": name},
    }


ABOUT = config_map("about")


def emitted(fleet: Fleet) -> list[Manifest]:
    """What the stack says is there; in developers' folder it only sows."""
    return [item.manifest for item in fleet.tree.applied if item.stage != apps.NAME]


def deployment(name: str, **spec: Any) -> dict[str, Any]:
    labels = {"app": name}
    template = {
        "metadata": {"labels": labels},
        "spec": {**pod(name, apps.NAMESPACE, cpu=10, memory=2**25)["spec"], **spec},
    }
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name, "namespace": apps.NAMESPACE},
        "spec": {"replicas": 1, "selector": {"matchLabels": labels}, "template": template},
    }


def refused(fleet: Fleet, stage: str, words: str) -> None:
    """Return when a stage says that it is not Ready, and why."""

    def said() -> bool:
        condition = fleet.stages.condition(stage)
        return condition["status"] == "False" and words in condition["message"]

    until(said, f"{stage} is not Ready: {words}", PATIENCE)


def test_every_stage_gets_ready_from_nothing(running: Fleet) -> None:
    assert set(running.stages.names()) == {"flux-system", *running.tree.stages}


def test_a_stage_is_applied_only_after_the_one_before_it_is_well(running: Fleet) -> None:
    first: dict[tuple[str, str], str] = {}
    for line in running.controller.journal():
        for event in (APPLIED, FINISHED):
            if line.message.startswith(event):
                first.setdefault((line.stage, event), line.time)
    for name, stage in running.tree.stages.items():
        for before in stage["spec"].get("dependsOn", ()):
            assert first[before["name"], FINISHED] <= first[name, APPLIED]


def test_every_secret_of_the_repository_arrives_decrypted(running: Fleet) -> None:
    secrets = [item.manifest for item in running.tree.applied if item.manifest["kind"] == "Secret"]
    assert len(secrets) == len(running.tree.emission.secrets)
    for wanted in secrets:
        data = running.object(wanted).body["data"]
        assert {key: base64.b64decode(value).decode() for key, value in data.items()} == wanted["stringData"]


def test_a_second_reconciliation_changes_nothing(fleet: Fleet) -> None:
    objects = [manifest for manifest in emitted(fleet) if manifest["kind"] != "Kustomization"]
    before = [fleet.object(manifest).version for manifest in objects]
    for stage in fleet.stages.names():
        assert fleet.reconcile(stage)["status"] == "True"
    assert [fleet.object(manifest).version for manifest in objects] == before


def test_what_a_commit_removes_is_pruned_and_nothing_else(fleet: Fleet) -> None:
    mine = config_map("mine")
    fleet.settled(fleet.app(about=ABOUT, mine=mine))
    assert fleet.object(mine).accepted
    fleet.settled(fleet.app(about=ABOUT))
    assert fleet.object(mine).status == 404
    assert fleet.object(ABOUT).accepted
    assert all(fleet.object(manifest).accepted for manifest in emitted(fleet))


def test_an_edit_by_hand_is_undone(fleet: Fleet) -> None:
    policy = fleet.tree.one("NetworkPolicy", "raibid-api")
    service = fleet.tree.one("Service", "raibid-api")
    before = fleet.object(policy).body["spec"]
    fleet.plane.kubectl(
        "-n", "ci", "patch", "networkpolicy", "raibid-api", "--type=merge", "-p", '{"spec":{"egress":[{}]}}'
    )
    fleet.plane.kubectl("-n", "ci", "delete", "service", "raibid-api")
    assert fleet.object(policy).body["spec"] != before
    assert fleet.reconcile("raibid")["status"] == "True"
    assert fleet.object(policy).body["spec"] == before
    assert fleet.object(service).accepted


def test_a_wrong_age_key_says_so_and_removes_nothing(fleet: Fleet) -> None:
    fleet.age_key(str(x25519.Identity.generate()))
    refused(fleet, "infra-controllers", "decrypt")
    assert all(fleet.object(manifest).accepted for manifest in emitted(fleet))


def test_a_scaled_job_that_keda_cannot_read_fails_its_stage(fleet: Fleet) -> None:
    fleet.stand_ins.failing.add("ScaledJob/ci-agent")
    fleet.stages.request("ci-agents")
    refused(fleet, "ci-agents", "ScaledJob/ci/ci-agent")


BAD: dict[str, tuple[Manifest, str]] = {
    # Not a field that does not exist: Flux leaves it out without a word (seen with kustomize-controller 1.7.3).
    "a value of the wrong type": (
        {**deployment("bad"), "spec": {**deployment("bad")["spec"], "replicas": "two"}},
        "replicas",
    ),
    "an image without a tag": (
        deployment(
            "bad",
            containers=[
                {**deployment("bad")["spec"]["template"]["spec"]["containers"][0], "image": "docker.io/library/redis"}
            ],
        ),
        rule("image-exact").message,
    ),
    "another namespace": (config_map("bad", namespace="ci"), "forbidden"),
}


def test_a_bad_commit_of_developers_harms_only_itself(fleet: Fleet) -> None:
    for bad, words in BAD.values():
        revision = fleet.app(about=ABOUT, bad=bad)
        refused(fleet, apps.NAME, words)
        until(partial(others_applied, fleet, revision), "all other stages go on", PATIENCE)
        assert fleet.object(ABOUT).accepted


def others_applied(fleet: Fleet, revision: str) -> bool:
    return all(fleet.stages.applied(stage, revision) for stage in fleet.stages.names() if stage != apps.NAME)


def test_a_fix_is_applied_while_the_commit_that_it_mends_is_still_waited_for(fleet: Fleet) -> None:
    homeless = deployment("homeless", nodeSelector={"nobody": "here"})
    bad = fleet.app(homeless=homeless)
    until(lambda: waited_for(fleet, bad), "the bad commit's health is waited for", PATIENCE)
    fleet.settled(fleet.app(about=ABOUT))
    assert any(line.stage == "apps" and line.message.startswith(GIVEN_UP) for line in fleet.controller.journal())
    assert fleet.object(homeless).status == 404


def waited_for(fleet: Fleet, revision: str) -> bool:
    condition = fleet.stages.condition("apps")
    attempted = str(fleet.stages["apps"]["status"].get("lastAttemptedRevision", ""))
    return attempted.endswith(revision) and condition["status"] == "Unknown"


def test_the_runbook_changes_the_scaler_and_nothing_stays_behind(fleet: Fleet) -> None:
    direct = fleet.emitted(scaler="direct")
    scaled_job, template = fleet.tree.one("ScaledJob", "ci-agent"), direct.one("CronJob", "ci-agent")
    fleet.settled(play(fleet, procedure("Change who starts agents"), direct))
    assert fleet.object(template).accepted
    assert (fleet.object(scaled_job).status, fleet.object(RELEASE).status) == (404, 404)
    fleet.settled(fleet.push(fleet.tree))
    assert fleet.object(template).status == 404
    assert fleet.object(scaled_job).accepted


def play(fleet: Fleet, commands: list[list[str]], tree: Sealed) -> str:
    """Type a procedure; the answer is the commit that its `pulumi up` pushes.

    Flux has the commit late: when a later command waits for what comes of it. Then the controller is restarted, too.
    """
    waiting, published = False, ""
    with ThreadPoolExecutor(1, "operator") as operator:
        for program, *arguments in commands:
            if program == "pulumi":
                fleet.write(tree)
                waiting = True
            elif program == "kubectl":
                typed = operator.submit(fleet.plane.kubectl, *arguments)
                if waiting:
                    assert not wait([typed], A_WHILE).done, f"goes on without Flux: kubectl {' '.join(arguments)}"
                    published, waiting = fleet.publisher.publish(), False
                    typed.result()
                    fleet.controller.restart()
                typed.result()
    assert published
    return published
