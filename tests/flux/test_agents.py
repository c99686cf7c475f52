"""The agents' ScaledJob: what KEDA does with it was measured, so its values are not a matter of taste."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from raibid.contract import Env, Secrets
from raibid.scaler.doctor import diagnose
from raibid.scaler.rules import Severity
from raibid.scaler.scaled_job import parse_scaled_jobs
from raibid.store import FileStore
from raibid.worker.artifacts import keep
from raibid.worker.config import AgentConfig
from raibid.worker.stop import Stop

from components import systems
from components.manifest_tree import to_yaml
from tests.flux.rendered import Rendered, pods


@pytest.fixture
def scaled_job(rendered: Rendered) -> Any:
    return rendered.one("ScaledJob", "ci-agent")


@pytest.fixture
def pod(scaled_job: Any) -> Any:
    return next(pods(scaled_job))


def test_the_scaling_doctor_finds_nothing_wrong(rendered: Rendered, scaled_job: Any) -> None:
    agents = systems.budget_of(rendered.settings).agents
    (read,) = parse_scaled_jobs(to_yaml(scaled_job).decode())
    findings = diagnose(read, capacity=agents.maximum + agents.warm)
    assert [finding for finding in findings if finding.severity is not Severity.INFO] == []


def test_as_many_agents_as_the_budget_has_room_for(rendered: Rendered, scaled_job: Any) -> None:
    agents = systems.budget_of(rendered.settings).agents
    assert scaled_job["spec"]["maxReplicaCount"] == agents.maximum
    assert scaled_job["spec"]["minReplicaCount"] == agents.warm


def test_the_streams_length_scales_so_that_the_first_job_of_a_quiet_night_starts_an_agent(scaled_job: Any) -> None:
    (trigger,) = scaled_job["spec"]["triggers"]
    assert trigger["type"] == "redis-streams"
    assert trigger["metadata"]["streamLength"] == "1"
    assert trigger["metadata"].keys().isdisjoint({"consumerGroup", "lagCount", "pendingEntriesCount"})
    assert "scalingStrategy" not in scaled_job["spec"]


def test_an_edit_never_ends_running_builds(scaled_job: Any) -> None:
    assert scaled_job["spec"]["rollout"] == {"strategy": "gradual"}


def test_the_queue_alone_decides_what_is_tried_again(scaled_job: Any, pod: Any) -> None:
    assert scaled_job["spec"]["jobTargetRef"]["backoffLimit"] == 0
    assert pod["restartPolicy"] == "Never"


def test_keda_and_agents_log_in_as_different_users(rendered: Rendered, scaled_job: Any, pod: Any) -> None:
    (trigger,) = scaled_job["spec"]["triggers"]
    authentication = rendered.one("TriggerAuthentication", trigger["authenticationRef"]["name"])
    keda = {entry["name"] for entry in authentication["spec"]["secretTargetRef"]}
    secrets = [volume["secret"] for volume in pod["volumes"] if "secret" in volume]
    agents = {secret["secretName"] for secret in secrets if not secret.get("optional")}
    assert keda.isdisjoint(agents)
    assert keda | agents <= {item.manifest["metadata"]["name"] for item in rendered.of_kind("Secret")}


def test_an_agents_pod_has_no_privilege_and_no_way_to_the_api_server(pod: Any) -> None:
    (container,) = pod["containers"]
    assert pod["automountServiceAccountToken"] is False
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert container["securityContext"]["readOnlyRootFilesystem"] is True
    assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}
    assert not any("hostPath" in volume for volume in pod["volumes"])


def test_no_secret_is_in_an_agents_environment(pod: Any) -> None:
    environment = pod["containers"][0]["env"]
    assert not any("secretKeyRef" in entry.get("valueFrom", {}) for entry in environment)
    assert Env.REDIS_PASSWORD not in {entry["name"] for entry in environment}


def test_the_agent_understands_its_environment(pod: Any) -> None:
    environment = {entry["name"]: entry.get("value", "ci-agent-x") for entry in pod["containers"][0]["env"]}
    config = AgentConfig.from_env(environment)
    assert config.name == "ci-agent-x"
    mounts = {mount["mountPath"] for mount in pod["containers"][0]["volumeMounts"]}
    assert config.workspace.parent.as_posix() in mounts
    assert f"{config.store.removeprefix('file://')}/artifacts" in mounts


def projected_secrets(pod: Any) -> list[Any]:
    return [s["secret"] for v in pod["volumes"] for s in v.get("projected", {}).get("sources", ()) if "secret" in s]


def test_an_agent_may_clone_at_the_stacks_own_gitea_from_the_first_build_on(rendered: Rendered, pod: Any) -> None:
    needed = {secret["name"] for secret in projected_secrets(pod) if not secret.get("optional")}
    assert needed == {Secrets.AGENT_GITEA}
    credentials = rendered.one("Secret", Secrets.AGENT_GITEA)["stringData"]["credentials"]
    assert credentials == f"http://ci-agent:gitea/agent@gitea.{rendered.settings.domain}:3000\n"
    (mount,) = [mount for mount in pod["containers"][0]["volumeMounts"] if mount["name"] == "git"]
    environment = {entry["name"]: entry.get("value", "x") for entry in pod["containers"][0]["env"]}
    assert environment[Env.GIT_CREDENTIALS_FILE] == mount["mountPath"]


def test_an_agent_keeps_artifacts_where_its_pod_may_write(pod: Any, tmp_path: Path) -> None:
    (container,) = pod["containers"]
    writable = {mount["mountPath"] for mount in container["volumeMounts"] if not mount.get("readOnly")}
    (url,) = [entry["value"] for entry in container["env"] if entry["name"] == Env.STORE]
    checkout, store = tmp_path / "checkout", tmp_path / "store"
    checkout.mkdir()
    (checkout / "a.bin").write_bytes(b"x")
    with Stop() as stop:
        kept = keep(checkout, ["*.bin"], FileStore(store).put, "artifacts/j/1", stop)
    assert [artifact.path for artifact in kept.artifacts] == ["a.bin"]
    touched = {f"{url.removeprefix('file://')}/{path.name}" for path in store.iterdir()}
    assert touched <= writable


def test_an_agent_starts_without_the_secrets_that_only_some_operators_have(pod: Any) -> None:
    optional = {v["secret"]["secretName"] for v in pod["volumes"] if v.get("secret", {}).get("optional")}
    optional |= {secret["name"] for secret in projected_secrets(pod) if secret.get("optional")}
    assert optional == {Secrets.AGENT_GIT, Secrets.AGENT_PIPELINES}


def test_a_build_reaches_artifacts_but_not_the_archive(pod: Any) -> None:
    stores = [mount for mount in pod["containers"][0]["volumeMounts"] if mount["name"] == "store"]
    assert [mount["subPath"] for mount in stores] == ["artifacts"]


def test_scratch_has_an_end(rendered: Rendered, pod: Any) -> None:
    limit = rendered.variables["ci_agent_scratch"]
    assert next(volume["emptyDir"] for volume in pod["volumes"] if "emptyDir" in volume) == {"sizeLimit": limit}
    assert pod["containers"][0]["resources"]["limits"]["ephemeral-storage"] == limit


def test_what_a_pod_mounts_is_there(rendered: Rendered) -> None:
    there = {
        (item.manifest["kind"], item.manifest["metadata"].get("namespace"), item.manifest["metadata"]["name"])
        for item in rendered.applied
    }
    for item in rendered.applied:
        for pod in pods(item.manifest):
            namespace = item.manifest["metadata"]["namespace"]
            for volume in pod.get("volumes", []):
                for kind, source, key in (
                    ("Secret", "secret", "secretName"),
                    ("ConfigMap", "configMap", "name"),
                    ("PersistentVolumeClaim", "persistentVolumeClaim", "claimName"),
                ):
                    if source in volume and not volume[source].get("optional"):
                        assert (kind, namespace, volume[source][key]) in there, item.path
            for secret in projected_secrets(pod):
                assert secret.get("optional") or ("Secret", namespace, secret["name"]) in there, item.path
            if "serviceAccountName" in pod:
                assert ("ServiceAccount", namespace, pod["serviceAccountName"]) in there, item.path
            if "priorityClassName" in pod:
                assert ("PriorityClass", None, pod["priorityClassName"]) in there, item.path
