"""What Pulumi keeps of Flux, under the SDK's mock monitor."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pulumi
import pytest
from pulumi.runtime import mocks

from components.flux import Flux, FluxArgs
from components.manifest_tree import emit
from components.redis import Redis, RedisArgs, manifests
from components.settings import load_stack

pytestmark = pytest.mark.usefixtures("event_loop")

SPARK = load_stack("dgx-spark")


class Recorder(mocks.Mocks):
    """Every resource with its inputs, by name."""

    def __init__(self) -> None:
        self.inputs: dict[str, Any] = {}

    def new_resource(self, args: mocks.MockResourceArgs) -> tuple[str, dict[str, Any]]:
        self.inputs[args.name] = args.inputs
        return f"{args.name}-id", args.inputs

    def call(self, args: mocks.MockCallArgs) -> tuple[dict[Any, Any], None]:
        return {}, None


class Monitor(mocks.MockMonitor):
    """Keeps what components register as their outputs, which the SDK's mock forgets."""

    def __init__(self, recorder: Recorder) -> None:
        super().__init__(recorder)
        self.outputs: dict[str, object] = {}

    def RegisterResourceOutputs(self, request: Any) -> Any:
        self.outputs[request.urn.split("::")[-1]] = dict(request.outputs)
        return super().RegisterResourceOutputs(request)  # type: ignore[no-untyped-call]


def run(program: Callable[[], object]) -> tuple[dict[str, Any], dict[str, object]]:
    """Inputs of all resources and outputs of all components, once the program has ended."""
    recorder = Recorder()
    monitor = Monitor(recorder)
    mocks.set_mocks(recorder, project="raibid-ci", stack="dgx-spark", monitor=monitor)
    pulumi.runtime.test(lambda: program() and None)()  # type: ignore[no-untyped-call]
    return recorder.inputs, monitor.outputs


def test_the_operator_comes_as_a_release_and_flux_as_one_object_that_follows_the_fleet() -> None:
    inputs, outputs = run(lambda: Flux("flux", FluxArgs(settings=SPARK, objects=pulumi.ResourceOptions())))
    assert inputs["flux-operator"]["chart"].endswith("/flux-operator")
    assert inputs["flux-instance"]["spec"]["sync"]["path"] == "clusters/dgx-spark"
    assert outputs["flux"] == {"url": inputs["flux-instance"]["spec"]["sync"]["url"]}


def test_a_system_of_fluxs_shows_the_digest_of_each_of_its_files() -> None:
    inputs, outputs = run(lambda: Redis("redis", RedisArgs(settings=SPARK)))
    assert inputs["redis"]["files"] == emit([manifests(SPARK)]).digests()
    assert "redis" in outputs
