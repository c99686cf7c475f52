"""K3s in the stack's graph: what is run, on which conditions, and what is kept secret."""

from __future__ import annotations

import pytest

from components import k3s, systems
from components.budget import Amount
from components.engine.plan import Plan, Resource, plan
from components.host.bundle import RECEIVE
from components.k3s import NO_HOST_KEY, K3s, K3sArgs, K3sError, footprint, obstacles
from components.settings import Settings, load_stack
from components.units import MI
from tests.host.conftest import RESERVATION


@pytest.fixture(scope="module")
def planned() -> Plan:
    return plan("dgx-spark")


@pytest.fixture
def commands(planned: Plan) -> dict[str, Resource]:
    return {item.name: item for item in planned.resources if item.type == "command:remote:Command"}


@pytest.fixture
def bare(settings: Settings) -> K3sArgs:
    return K3sArgs(settings=settings, kubelet={"dgx-spark": RESERVATION})


def test_a_machine_is_asked_installed_on_and_read_in_this_order(commands: dict[str, Resource]) -> None:
    assert set(commands) == {"k3s-dgx-spark-preflight", "k3s-dgx-spark-removal", "k3s-dgx-spark", "k3s-kubeconfig"}
    depends = {name: {urn.rpartition("::")[2] for urn in item.depends_on} for name, item in commands.items()}
    assert {"k3s-dgx-spark-preflight", "k3s-dgx-spark-removal"} <= depends["k3s-dgx-spark"]
    assert "k3s-dgx-spark" in depends["k3s-kubeconfig"]


def test_no_command_can_be_replaced_by_a_trigger(commands: dict[str, Resource]) -> None:
    assert not [name for name, item in commands.items() if "triggers" in item.inputs]


def test_every_command_is_the_same_text_and_its_input_is_on_stdin(commands: dict[str, Resource]) -> None:
    for name, item in commands.items():
        assert "stdin" in item.inputs, name
        assert item.inputs.get("create", RECEIVE) == RECEIVE
        assert "environment" not in item.inputs
        assert item.inputs["addPreviousOutputInEnv"] is False


def test_removal_does_nothing_unless_the_stack_asks_for_it(commands: dict[str, Resource]) -> None:
    removal = commands["k3s-dgx-spark-removal"].inputs
    assert "create" not in removal
    assert "delete" not in removal


def test_every_connection_is_secret_and_none_is_without_a_host_key(commands: dict[str, Resource]) -> None:
    for item in commands.values():
        assert "connection" in item.secrets
        assert "hostKey" in item.inputs["connection"]


def test_what_holds_the_token_is_secret(commands: dict[str, Resource]) -> None:
    assert "stdin" in commands["k3s-dgx-spark"].secrets


def test_what_stands_in_for_a_host_key_is_no_key() -> None:
    assert not NO_HOST_KEY.startswith(("ssh-", "ecdsa-", "sk-"))


def test_everything_that_is_missing_for_a_deployment_is_said_at_once(bare: K3sArgs) -> None:
    said = obstacles(bare.settings)
    assert [line.split(":")[0] for line in said] == ["nodes[0].hostKey"]
    assert "ssh-keyscan -t ed25519 dgx-spark.raibid.internal" in said[0]


def test_a_deployment_ends_before_it_registers_anything(bare: K3sArgs, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pulumi.runtime.is_dry_run", lambda: False)
    with pytest.raises(K3sError, match=r"hostKey: unset.*\nseed: unset"):
        K3s("k3s", bare)


def test_the_pods_that_k3s_brings_are_on_the_ledger(settings: Settings) -> None:
    """They request what k3s' own manifests say; what is kept back for k3s is not theirs, as no pod may have it."""
    (line,) = [line for line in systems.budget_of(settings).ledgers[0].lines if line.name == "k3s"]
    assert line.amount == Amount(cpu=200, memory=140 * MI)
    assert {workload.name for workload in footprint(settings).workloads} == {"coredns", "metrics-server"}


def test_the_pods_of_a_foreign_cluster_are_its_owners() -> None:
    assert k3s not in systems.enabled(load_stack("dev"))


def test_outputs_are_registered(planned: Plan) -> None:
    (urn,) = [urn for urn in planned.registered if urn.endswith("::k3s")]
    assert set(planned.registered[urn]) == {"kubeconfig", "server"}
