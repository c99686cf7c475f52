"""The whole program under the SDK's mock monitor: what it would create, with no engine, credentials or network.

Owns: running `__main__.py` against a stand-in for the engine, what is remembered of each resource, hiding secrets.
Leaves to others: what a provider would answer (everything that only a cluster or a command knows stays unknown, as in
a first preview), printing (`commands.plan`).
"""

from __future__ import annotations

import asyncio
import json
import runpy
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from pulumi import RunError
from pulumi.runtime import mocks, rpc, set_all_config
from pulumi.runtime import settings as runtime
from pulumi.runtime.stack import run_in_stack
from ruamel.yaml import YAML

from components.settings import PROJECT, SECRET_KEYS, load_stack
from components.settings.load import HERE

SECRET: Final = "[secret]"  # noqa: S105  (what is shown instead of one)
UNKNOWN: Final = "[unknown]"
STAND_IN: Final = "a-plan-has-no-secrets-this-only-stands-in-for-one"
"""The value of every secret in a plan; nothing that is printed holds it."""
_SIGNATURE: Final = "4dabf18193072939515e22adb298388d"
_IS_SECRET: Final = "1b47061264138c4ac30d75fd1eb44270"  # noqa: S105  (a marker, the same for all)
"""How the SDK marks a secret on the wire (pulumi/runtime/rpc.py)."""


@dataclass(frozen=True, kw_only=True)
class Resource:
    """One resource as the program asked for it."""

    urn: str
    parent: str
    inputs: Mapping[str, Any]
    """Secrets as `[secret]`."""
    secrets: tuple[str, ...]
    """Paths of the inputs that are marked secret."""
    protect: bool
    deleted_with: str
    depends_on: tuple[str, ...]

    @property
    def type(self) -> str:
        """Its own type token, without its parents'."""
        return self.urn.split("::")[2].rpartition("$")[2]

    @property
    def name(self) -> str:
        """Its logical name."""
        return self.urn.split("::", 3)[3]


@dataclass(frozen=True)
class Plan:
    """What the program would create and export."""

    resources: tuple[Resource, ...]
    """In the order of their URNs."""
    outputs: Mapping[str, Any]
    registered: Mapping[str, Mapping[str, Any]]
    """URN → outputs that a component registered."""

    def objects(self) -> dict[str, Mapping[str, Any]]:
        """Kubernetes objects that Pulumi itself owns (L1), by logical name, as an API server takes them: a Secret of
        which not even the keys are known has none.
        """
        return {
            resource.name: {key: _known(key, resource.inputs[key]) for key in sorted(resource.inputs, key=_as_written)}
            for resource in self.resources
            if resource.type.startswith("kubernetes:") and "kind" in resource.inputs
        }


class Providers(mocks.Mocks):
    """Stands in for all providers: an object's state is its inputs; what else it would have stays unknown."""

    def new_resource(self, args: mocks.MockResourceArgs) -> tuple[str | None, dict[Any, Any]]:
        """A resource that is there now."""
        return f"{args.name}-id" if args.custom else "", args.inputs

    def call(self, args: mocks.MockCallArgs) -> tuple[dict[Any, Any], list[tuple[str, str]] | None]:
        """A provider's function: this program calls none, and a plan must not invent an answer."""
        raise NotImplementedError(f"{args.token}: the plan asks no provider")


class Monitor(mocks.MockMonitor):
    """Remembers what the SDK's own stand-in forgets: parents, protection, registered outputs."""

    def __init__(self, providers: mocks.Mocks) -> None:
        super().__init__(providers)
        self.seen: dict[str, Resource] = {}
        self.registered: dict[str, dict[str, Any]] = {}

    def RegisterResource(self, request: Any) -> Any:  # noqa: N802  (gRPC's name)
        """A resource is asked for."""
        response = super().RegisterResource(request)  # type: ignore[no-untyped-call]
        inputs = rpc.deserialize_properties(request.object, keep_unknowns=True)
        if response.urn in self.seen:
            raise ValueError(f"{response.urn}: two resources of one name")
        self.seen[response.urn] = Resource(
            urn=response.urn,
            parent=request.parent,
            inputs=shown(inputs),
            secrets=tuple(secret_paths(inputs)),
            protect=request.protect,
            deleted_with=request.deletedWith,
            depends_on=tuple(sorted(request.dependencies)),
        )
        return response

    def RegisterResourceOutputs(self, request: Any) -> Any:  # noqa: N802  (gRPC's name)
        """A component, or the stack, is complete."""
        self.registered[request.urn] = shown(rpc.deserialize_properties(request.outputs, keep_unknowns=True))
        return super().RegisterResourceOutputs(request)  # type: ignore[no-untyped-call]


def plan(stack: str, directory: Path = HERE, providers: mocks.Mocks | None = None) -> Plan:
    """Run the program in `directory` as a first preview of `stack` would, with every secret set to something.

    Raises:
        SettingsError: the stack's files have mistakes.
        Exception: whatever the program raises, a BudgetError for example.
    """
    load_stack(stack, directory)
    config = _config(stack, directory)
    monitor = Monitor(providers or Providers())
    _pretend(monitor, stack)
    set_all_config(config, secret_keys=[f"{PROJECT}:{key}" for key in SECRET_KEYS])
    try:
        asyncio.run(run_in_stack(lambda: _run(directory / "__main__.py")))
    finally:
        runtime.set_root_resource(None)  # type: ignore[arg-type]  # the next plan of this process has its own
    stack_urn = next(urn for urn, resource in monitor.seen.items() if resource.type == "pulumi:pulumi:Stack")
    outputs = monitor.registered.pop(stack_urn, {})
    return Plan(tuple(monitor.seen[urn] for urn in sorted(monitor.seen)), outputs, monitor.registered)


def _config(stack: str, directory: Path) -> dict[str, str]:
    """What the engine would hand over: defaults under the stack's values, objects as JSON; stand-ins for secrets."""
    read = YAML(typ="safe").load
    schema = read(directory / "Pulumi.yaml")["config"]
    values = {f"{PROJECT}:{key}": entry["default"] for key, entry in schema.items() if "default" in entry}
    values |= read(directory / f"Pulumi.{stack}.yaml").get("config") or {}
    secrets = {f"{PROJECT}:{key}": STAND_IN for key in SECRET_KEYS if key != "kubeconfig"}
    if isinstance(values[f"{PROJECT}:kubeconfig"], dict):
        secrets[f"{PROJECT}:kubeconfig"] = STAND_IN
    plain = {key: value if isinstance(value, str) else json.dumps(value) for key, value in values.items()}
    return {**plain, **secrets}


def _pretend(monitor: Monitor, stack: str) -> None:
    # `set_mocks` does the same and then makes a root stack on an event loop of its own, for which `run_in_stack`
    # would wait for ever.
    runtime.configure(
        mocks.MockSettings(  # type: ignore[no-untyped-call]
            monitor=monitor,
            monitor_features=set(monitor.GetDeploymentInfo(None).supportedFeatures),  # type: ignore[no-untyped-call]
            engine=mocks.MockEngine(None),
            project=PROJECT,
            stack=stack,
            dry_run=True,
            organization=None,
            callbacks=None,
        )
    )
    runtime.set_root_resource(None)  # type: ignore[arg-type]


def _run(program: Path) -> None:
    try:
        runpy.run_path(str(program), run_name="__main__")
    except RunError as told:  # the sentence is for the engine; whoever asked for a plan gets the mistake itself
        raise (told.__cause__ or told) from None


def is_secret(value: object) -> bool:
    """Whether a value off the wire is marked secret."""
    return isinstance(value, Mapping) and value.get(_SIGNATURE) == _IS_SECRET


def shown(value: Any) -> Any:
    """A value for people and files: secrets and unknowns by their name, whole floats as the integers they were."""
    if is_secret(value):
        inner = value["value"]  # the keys of a Secret's data are no secret
        return dict.fromkeys(inner, SECRET) if isinstance(inner, Mapping) else SECRET
    if isinstance(value, Mapping):
        return {key: shown(inner) for key, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [shown(inner) for inner in value]
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if value is None or isinstance(value, (str, int, float)):
        return value if value != rpc.UNKNOWN else UNKNOWN
    return UNKNOWN


def _known(key: str, value: Any) -> Any:
    # The token that only Gitea can tell: to a plan, all that is in its Secret is unknown.
    return {} if key == "stringData" and not isinstance(value, Mapping) else value


def _as_written(key: str) -> tuple[int, str]:
    """Where people look for a key of an object: what it is, then its name, then the rest."""
    first = ("apiVersion", "kind", "metadata")
    return (first.index(key) if key in first else len(first), key)


def secret_paths(value: object, path: str = "") -> Iterator[str]:
    """Paths of what is marked secret: `stdin`, `stringData.token`."""
    if is_secret(value):
        yield path
    elif isinstance(value, Mapping):
        for key, inner in value.items():
            yield from secret_paths(inner, f"{path}.{key}" if path else str(key))
    elif isinstance(value, (list, tuple)):
        for index, inner in enumerate(value):
            yield from secret_paths(inner, f"{path}[{index}]")
