"""Two ways to start the same agents: KEDA's ScaledJob, and the template of the pool's own controller."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from raibid.contract import Env, Labels
from raibid.model.pipeline import DEFAULT_TIMEOUT

from components import agent_pod, agents, controller, job_template, keda, mirrors, scaled_job, systems
from components.manifest_tree import to_yaml
from components.settings import Settings, load_stack
from tests.flux.rendered import STACKS, Rendered, render

every_stack = pytest.mark.parametrize("stack", STACKS)


def with_direct(stack: str) -> Settings:
    return load_stack(stack).model_copy(update={"scaler": "direct"})


@pytest.fixture(scope="module")
def direct() -> Rendered:
    return render(with_direct("dgx-spark"))


@pytest.fixture
def cron_job(direct: Rendered) -> Mapping[str, Any]:
    return direct.one("CronJob", "ci-agent")


@every_stack
def test_both_scalers_start_the_same_agent_to_the_last_byte(stack: str) -> None:
    scaled = render(load_stack(stack)).one("ScaledJob", "ci-agent")["spec"]["jobTargetRef"]
    template = render(with_direct(stack)).one("CronJob", "ci-agent")["spec"]["jobTemplate"]["spec"]
    assert to_yaml(template) == to_yaml(scaled)


@every_stack
def test_an_agent_ends_its_build_before_its_pod_is_ended(stack: str) -> None:
    pod = render(load_stack(stack)).one("ScaledJob", "ci-agent")["spec"]["jobTargetRef"]["template"]["spec"]
    (agent,) = pod["containers"]
    seconds = next(float(each["value"]) for each in agent["env"] if each["name"] == Env.AGENT_SECONDS)
    assert DEFAULT_TIMEOUT < seconds < pod["activeDeadlineSeconds"] - pod["terminationGracePeriodSeconds"]


def test_the_base_does_not_know_which_scaler_a_stack_has(direct: Rendered) -> None:
    assert direct.base == render(load_stack("dgx-spark")).base


def test_without_keda_nothing_of_it_is_applied_and_its_room_is_given_back(direct: Rendered) -> None:
    assert not [item for item in direct.applied if str(item.manifest["apiVersion"]).startswith("keda.sh/")]
    assert not [item for item in direct.of_kind("HelmRelease") if item.manifest["metadata"]["name"] == keda.NAME]
    assert scaled_job.DIRECTORY not in direct.kustomization("clusters/dgx-spark/infrastructure/ci-agents")["resources"]
    (ledger,) = systems.budget_of(direct.settings).ledgers
    assert keda.NAME not in [line.name for line in ledger.lines]


def test_with_keda_the_controller_may_look_and_change_nothing() -> None:
    rendered = render(load_stack("dgx-spark"))
    looks = {("pods", "get"), ("pods", "list"), ("pods", "watch"), ("events", "list"), ("jobs", "list")}
    assert rights(rendered) == looks
    assert {item.manifest["metadata"]["name"] for item in rendered.of_kind("CronJob")} == {mirrors.NAME}


def test_without_keda_it_may_make_and_remove_jobs_after_one_template(direct: Rendered) -> None:
    more = rights(direct) - rights(render(load_stack("dgx-spark")))
    assert more == {("jobs", "watch"), ("jobs", "create"), ("jobs", "delete"), ("cronjobs/ci-agent", "get")}


def rights(rendered: Rendered) -> set[tuple[str, str]]:
    """What the controller may do, by all Roles that are bound to it."""
    bound = [
        (item.manifest["metadata"]["namespace"], item.manifest["roleRef"]["name"])
        for item in rendered.applied
        if item.manifest["kind"].endswith("RoleBinding")
        and controller.NAME in [subject["name"] for subject in item.manifest["subjects"]]
    ]
    assert {namespace for namespace, _ in bound} == {"ci"}
    rules = [rule for _, name in bound for rule in rendered.one("Role", name)["rules"]]
    return {
        ("/".join([kind, *rule.get("resourceNames", [])]), verb)
        for rule in rules
        for kind in rule["resources"]
        for verb in rule["verbs"]
    }


def test_the_template_never_starts_by_itself(cron_job: Mapping[str, Any]) -> None:
    assert cron_job["spec"]["suspend"] is True
    assert cron_job["spec"]["schedule"] == "0 0 31 2 *"  # should somebody resume it


def test_keda_counts_what_the_controller_started(cron_job: Mapping[str, Any]) -> None:
    assert cron_job["spec"]["jobTemplate"]["metadata"]["labels"][Labels.SCALED_JOB] == "ci-agent"


def test_the_agents_stage_is_well_when_its_template_is_there(direct: Rendered) -> None:
    (check,) = direct.stages["ci-agents"]["spec"]["healthChecks"]
    assert (check["kind"], check["name"]) == ("CronJob", "ci-agent")


def test_the_image_of_the_environment_reaches_the_template(direct: Rendered, cron_job: Mapping[str, Any]) -> None:
    (container,) = cron_job["spec"]["jobTemplate"]["spec"]["template"]["spec"]["containers"]
    assert container["image"].startswith(direct.settings.images.agent.repository)


@every_stack
def test_the_window_is_as_wide_as_agents_may_run(stack: str) -> None:
    """Left alone it is 4: three of seven agents of the Spark would never see a job."""
    rendered = render(load_stack(stack))
    (container,) = rendered.one("Deployment", "raibid-api")["spec"]["template"]["spec"]["containers"]
    (window,) = [entry["value"] for entry in container["env"] if entry["name"] == Env.WINDOW]
    assert window == str(systems.budget_of(rendered.settings).agents.maximum)


@every_stack
@pytest.mark.parametrize("scaler", ["keda", "direct"])
def test_the_controller_is_told_which_scaler_the_stack_has(stack: str, scaler: str) -> None:
    rendered = render(load_stack(stack).model_copy(update={"scaler": scaler}))
    (container,) = rendered.one("Deployment", controller.NAME)["spec"]["template"]["spec"]["containers"]
    assert container["args"] == ["controller", "--scaler", scaler]


def test_each_way_has_a_directory_of_its_own_beside_what_both_share() -> None:
    assert len({agents.DIRECTORY, scaled_job.DIRECTORY, job_template.DIRECTORY}) == 3
    assert {agents.NAME, agent_pod.NAME} == {"ci-agent"}
