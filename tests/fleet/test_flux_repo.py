"""The FluxRepo component under the SDK's mock monitor."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pulumi
import pytest
from pulumi import Output
from pulumi.runtime import mocks, rpc

from components.fleet.request import PushResult, read_request
from components.flux_repo import FluxRepo, FluxRepoArgs
from components.manifest_tree import Emission, SecretManifest
from components.secret_values import derived, deriver
from components.settings import Settings, load_stack
from tests.fleet.conftest import SECRET_PATH, SENTINEL

pytestmark = pytest.mark.usefixtures("event_loop")

SEED = f"{SENTINEL}-seed-seed-seed-seed-seed-seed"
ANSWER = PushResult(revision="f" * 40, branch="main", pushed=True, missing=("a.enc.yaml",), notices=("one is missing",))
EMISSION = Emission(
    files={"README.md": b"# fleet\n", "infrastructure/a.yaml": b"a: 1\n"},
    secrets={SECRET_PATH: SecretManifest("ci", "redis", lambda derive: {"password": derive("redis/raibid-api")})},
    seeds={"apps/local/kustomization.yaml": b"resources: []\n"},
)
MARK = "4dabf18193072939515e22adb298388d"


class Providers(mocks.Mocks):
    def __init__(self) -> None:
        self.commands: list[dict[Any, Any]] = []

    def new_resource(self, args: mocks.MockResourceArgs) -> tuple[str | None, dict[Any, Any]]:
        if args.typ == "command:local:Command":
            self.commands.append(args.inputs)
            return "command", {**args.inputs, "stdout": ANSWER.model_dump_json()}
        return args.name, args.inputs

    def call(self, args: mocks.MockCallArgs) -> tuple[dict[Any, Any], list[tuple[str, str]] | None]:
        raise AssertionError(args.token)


class Monitor(mocks.MockMonitor):
    def __init__(self, providers: mocks.Mocks) -> None:
        super().__init__(providers)
        self.outputs: dict[str, Any] = {}
        self.components: dict[str, Mapping[str, Any]] = {}

    def RegisterResource(self, request: Any) -> Any:
        if not request.custom:
            self.components[request.type] = rpc.deserialize_properties(request.object)
        return super().RegisterResource(request)  # type: ignore[no-untyped-call]

    def RegisterResourceOutputs(self, request: Any) -> Any:
        self.outputs[request.urn] = rpc.deserialize_properties(request.outputs)
        return super().RegisterResourceOutputs(request)  # type: ignore[no-untyped-call]


class Run:
    """One FluxRepo, registered."""

    def __init__(self, settings: Settings, seed: str = "", age_key: str = "", git_password: str = "") -> None:
        providers = Providers()
        self.monitor = Monitor(providers)
        mocks.set_mocks(providers, "raibid-ci", "local", monitor=self.monitor)

        def register() -> None:
            FluxRepo(
                "fleet",
                FluxRepoArgs(
                    settings=settings,
                    emission=EMISSION,
                    stack="local",
                    version="0.1.0",
                    program="/opt/python 3/bin/python",
                    url="/srv/fleet.git",
                    seed=Output.secret(seed) if seed else None,
                    age_key=Output.secret(age_key) if age_key else None,
                    git_password=Output.secret(git_password) if git_password else None,
                ),
            )

        pulumi.runtime.test(register)()  # type: ignore[no-untyped-call]
        (self.command,) = providers.commands

    @property
    def stdin(self) -> str:
        marked = self.command["stdin"]
        assert marked[MARK], "stdin must be marked as a secret"
        return str(marked["value"])


@pytest.fixture
def settings(recipients: tuple[str, ...]) -> Settings:
    plain = load_stack("local").model_dump(by_alias=True)
    return Settings.model_validate({**plain, "recipients": {"cluster": recipients[0], "recovery": recipients[1]}})


@pytest.fixture
def run(settings: Settings, cluster_key: str) -> Run:
    return Run(settings, seed=SEED, age_key=cluster_key, git_password="hunter2")


def test_a_preview_sees_every_file_and_the_digest(run: Run) -> None:
    inputs = run.monitor.components["raibid:components:FluxRepo"]
    assert inputs == {"digest": EMISSION.digest(), "files": EMISSION.digests()}


def test_the_whole_emission_goes_in_on_stdin(run: Run, recipients: tuple[str, ...], cluster_key: str) -> None:
    request = read_request(run.stdin)
    assert request.files == EMISSION.files
    assert request.seeds == EMISSION.seeds
    assert request.secrets == {SECRET_PATH: EMISSION.secrets[SECRET_PATH].manifest(deriver(SEED, {}))}
    assert (request.identity, request.password, request.recipients) == (cluster_key, "hunter2", recipients)
    assert (request.url, request.stack, request.environment) == ("/srv/fleet.git", "local", "local")


def test_secrets_are_nowhere_but_on_stdin(run: Run, cluster_key: str) -> None:
    rest = json.dumps({name: value for name, value in run.command.items() if name != "stdin"})
    for word in (SENTINEL, "hunter2", cluster_key, deriver(SEED, {})("redis/raibid-api")):
        assert word in run.stdin or word == SENTINEL
        assert word not in rest
    assert SENTINEL not in run.stdin, "the seed itself stays with Pulumi"


def test_the_command_has_no_delete_no_triggers_and_no_previous_output(run: Run) -> None:
    assert run.command["create"] == run.command["update"] == "'/opt/python 3/bin/python' -m components push --json"
    assert run.command["environment"] == {"RAIBID_TREE_DIGEST": EMISSION.digest()}
    assert run.command["addPreviousOutputInEnv"] is False
    assert run.command["logging"] == "none"
    assert run.command.keys().isdisjoint({"delete", "triggers"})


def test_the_commit_and_what_is_missing_are_outputs_in_clear(run: Run) -> None:
    (outputs,) = run.monitor.outputs.values()
    assert outputs == {"revision": "f" * 40, "missing": ["a.enc.yaml"]}


def test_what_the_push_has_to_say_is_a_warning_of_the_update(run: Run, caplog: pytest.LogCaptureFixture) -> None:
    warnings = [record.message for record in caplog.get_records("setup") if record.levelname == "WARNING"]
    assert warnings == ["one is missing"]


@pytest.mark.parametrize("lacking", ["seed", "recipients"])
def test_without_seed_or_recipients_secrets_are_left_to_the_repository(
    lacking: str, settings: Settings, cluster_key: str
) -> None:
    if lacking == "seed":
        run = Run(settings, age_key=cluster_key)
    else:
        run = Run(settings.model_copy(update={"recipients": None}), seed=SEED, age_key=cluster_key)
    request = read_request(run.stdin)
    assert request.secrets == {}
    assert request.unavailable == (SECRET_PATH,)


def test_a_derived_password_is_a_secret_and_the_same_as_the_tree_has(settings: Settings) -> None:
    async def check() -> None:
        output = derived(Output.from_input(SEED), settings, "gitea/admin")
        assert await output.is_secret()
        assert await output.future() == deriver(SEED, settings.rotation)("gitea/admin")

    mocks.set_mocks(Providers(), "raibid-ci", "local")
    pulumi.runtime.test(check)()  # type: ignore[no-untyped-call]
